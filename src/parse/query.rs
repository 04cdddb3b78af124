//! Query strings, parsed as in Go: `application/x-www-form-urlencoded`, and the first value of a key counts.

use std::fmt;

use super::bytes::split_at;
use super::escape::Escaped;
use super::percent::{DecodeError, Plus, decode};

/// The maximum number of `exclude` parameters in a request: there are fewer health checks.
const EXCLUDES: usize = 16;

/// The parameters that Metriclet uses; others are ignored, because clients send more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `labelSelector`: selects objects.
    pub label_selector: Option<String>,
    /// `metricLabelSelector`: selects series.
    pub metric_label_selector: Option<String>,
    /// `fieldSelector`: allowed only if it repeats the name in the path.
    pub field_selector: Option<String>,
    /// `watch`: whether the client wants to follow changes.
    pub watch: Option<bool>,
    /// `pretty`: whether to indent JSON.
    pub pretty: Option<bool>,
    /// `hash`: the hash of the OpenAPI document that the client expects.
    pub hash: Option<String>,
    /// `rule`: the rule whose samples another replica requests.
    pub rule: Option<String>,
    /// `verbose`, with any value: whether a health endpoint lists every check.
    pub verbose: bool,
    /// `exclude`: health checks to ignore.
    pub exclude: Vec<String>,
}

/// Why a query is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// Longer than this many bytes.
    TooLong(usize),
    /// A percent sign without two hexadecimal digits after it; contains these bytes.
    BadEscape(String),
    /// The decoded query is not UTF-8.
    NotUtf8,
    /// A semicolon, which some parsers treat as `&`.
    Semicolon,
    /// More than this many `exclude` parameters.
    TooManyExcludes(usize),
}

/// The path and the query of a request's target, the latter without its question mark.
pub(crate) fn split(target: &str) -> (&str, Option<&str>) {
    match split_at(target, b'?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Parses the text after the `?`, of at most `max` bytes.
///
/// # Errors
/// If any parameter, known or not, cannot be decoded: a truncated or garbled selector must not count as an absent one.
pub fn parse(raw: Option<&str>, max: usize) -> Result<Query, QueryError> {
    let raw = raw.unwrap_or_default();
    if raw.len() > max {
        return Err(QueryError::TooLong(max));
    }
    if raw.contains(';') {
        return Err(QueryError::Semicolon);
    }
    let mut query = Query::default();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (text(key)?, text(value)?);
        let first = |known: &mut Option<String>, value| _ = known.get_or_insert(value);
        match key.as_str() {
            "labelSelector" => first(&mut query.label_selector, value),
            "metricLabelSelector" => first(&mut query.metric_label_selector, value),
            "fieldSelector" => first(&mut query.field_selector, value),
            "hash" => first(&mut query.hash, value),
            "rule" => first(&mut query.rule, value),
            "pretty" => _ = query.pretty.get_or_insert_with(|| boolean(&value)),
            "watch" => _ = query.watch.get_or_insert_with(|| boolean(&value)),
            "verbose" => query.verbose = true,
            "exclude" if query.exclude.len() == EXCLUDES => return Err(QueryError::TooManyExcludes(EXCLUDES)),
            "exclude" => query.exclude.push(value),
            _ => {}
        }
    }
    Ok(query)
}

/// A boolean parameter, with Kubernetes' conversion: every value except `0` and `false` is true, even the empty one.
fn boolean(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false")
}

fn text(raw: &str) -> Result<String, QueryError> {
    decode(raw, Plus::Blank).map_err(|error| match error {
        DecodeError::Escape(found) => QueryError::BadEscape(found),
        DecodeError::NotUtf8 => QueryError::NotUtf8,
    })
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid query: ")?;
        match self {
            Self::TooLong(max) => write!(f, "expected at most {max} bytes, found more"),
            Self::BadEscape(found) => {
                write!(f, "expected two hexadecimal digits after %, found {}", Escaped::new(found))
            }
            Self::NotUtf8 => f.write_str("expected UTF-8 after decoding"),
            Self::Semicolon => {
                f.write_str("expected & between parameters, found a semicolon; write one in a value as %3B")
            }
            Self::TooManyExcludes(max) => write!(f, "expected at most {max} exclude parameters, found more"),
        }
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn parses() {
        let none = Query::default;
        for (raw, expected) in [
            ("", none()),
            ("&&", none()),
            ("labelSelector=", Query { label_selector: some(""), ..none() }),
            (
                "labelSelector=app%3Dweb%2Ctier+in+%28a%2Cb%29",
                Query { label_selector: some("app=web,tier in (a,b)"), ..none() },
            ),
            ("labelSelector=a=b", Query { label_selector: some("a=b"), ..none() }),
            ("labelSelector=a&labelSelector=b", Query { label_selector: some("a"), ..none() }),
            ("label%53elector=a", Query { label_selector: some("a"), ..none() }),
            ("metricLabelSelector=verb%21%3Dget", Query { metric_label_selector: some("verb!=get"), ..none() }),
            ("fieldSelector=metadata.name%3Dx", Query { field_selector: some("metadata.name=x"), ..none() }),
            ("hash=AB&hash=CD", Query { hash: some("AB"), ..none() }),
            ("pretty", Query { pretty: Some(true), ..none() }),
            ("pretty=1", Query { pretty: Some(true), ..none() }),
            ("pretty=False&pretty=true", Query { pretty: Some(false), ..none() }),
            ("verbose=false", Query { verbose: true, ..none() }),
            ("rule=a&rule=b", Query { rule: some("a"), ..none() }),
            ("timeout=5s&watch=true&x", Query { watch: Some(true), ..none() }),
            ("watch=0", Query { watch: Some(false), ..none() }),
            ("watch&watch=False", Query { watch: Some(true), ..none() }),
            ("exclude=a&exclude=b", Query { exclude: vec!["a".into(), "b".into()], ..none() }),
        ] {
            assert_eq!(parse(Some(raw), 64), Ok(expected), "{raw}");
        }
        assert_eq!(parse(None, 0), Ok(none()));
    }

    #[test]
    fn rejects() {
        for (raw, expected) in [
            ("a=%", QueryError::BadEscape("%".into())),
            ("%zz", QueryError::BadEscape("%zz".into())),
            ("timeout=%ff", QueryError::NotUtf8),
            ("a=1;b=2", QueryError::Semicolon),
            ("0123456789012345678901234567890123456789012345678901234567890123456789", QueryError::TooLong(64)),
        ] {
            assert_eq!(parse(Some(raw), 64), Err(expected), "{raw}");
        }
        let excludes = "exclude=a&".repeat(17);
        assert_eq!(parse(Some(&excludes), 1024), Err(QueryError::TooManyExcludes(16)));
        assert_eq!(
            QueryError::BadEscape("%\u{1b}[".into()).to_string(),
            r#"invalid query: expected two hexadecimal digits after %, found "%\x1b[""#
        );
    }
}
