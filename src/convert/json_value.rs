//! Converts other adapters' paths into JSON to JSONPaths of RFC 9535.

use crate::config::limits::Limits;
use crate::parse::escape::Escaped;
use crate::parse::json::{JsonExpr, JsonLimits};

/// A JSONPath or an expression of JSONPaths, which may contain names with dashes after dots.
///
/// # Errors
/// If the text is not a supported path.
pub(super) fn of_path(written: &str, aggregator: Option<&str>, limits: &Limits) -> Result<String, String> {
    let path = with_quotes(written.trim()).unwrap_or_else(|| written.trim().to_owned());
    let value = match aggregator {
        None => path,
        // The adapter aggregates the items of a list.
        Some(aggregator) if is_singular(&path) => format!("{aggregator}({path}[*])"),
        Some(aggregator) => format!("{aggregator}({path})"),
    };
    checked(value, limits)
}

/// Whether a path selects at most one value.
pub(super) fn is_singular(path: &str) -> bool {
    !path.contains(['*', '?', ':', ',']) && !path.contains("..")
}

/// # Errors
/// If the text is not an expression of JSONPaths.
pub(super) fn checked(value: String, limits: &Limits) -> Result<String, String> {
    match JsonExpr::parse(&value, &JsonLimits { bytes: limits.expression.bytes }) {
        Ok(_) => Ok(value),
        Err(error) => Err(error.to_string()),
    }
}

/// `$['in-use'].total` for `$.in-use.total`; `None` if no name needs quotes.
fn with_quotes(path: &str) -> Option<String> {
    let names = path.strip_prefix("$.")?;
    let is_plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let needs_quotes = |name: &str| name.contains('-') && !name.starts_with(|c: char| c.is_ascii_digit());
    // Each name with the brackets after it.
    let names: Vec<(&str, &str)> =
        names.split('.').map(|part| part.split_at(part.find('[').unwrap_or(part.len()))).collect();
    let is_known = |(name, rest): &(&str, &str)| is_plain(name) && matches!(*rest, "" | "[*]");
    if !names.iter().all(is_known) || !names.iter().any(|(name, _)| needs_quotes(name)) {
        return None;
    }
    let part = |(name, rest): &(&str, &str)| match needs_quotes(name) {
        true => format!("['{name}']{rest}"),
        false => format!(".{name}{rest}"),
    };
    Some(format!("${}", names.iter().map(part).collect::<String>()))
}

/// The JSONPath of a GJSON path: names between dots, where a number is an index or a name, and a final `#` counts
/// items.
///
/// # Errors
/// If the path contains other GJSON syntax.
pub(super) fn of_gjson(path: &str, limits: &Limits) -> Result<String, String> {
    of_dots(path, limits, true)
}

/// The JSONPath of member names between dots.
///
/// # Errors
/// If the path contains anything that is not clearly a name.
pub(super) fn of_members(path: &str, limits: &Limits) -> Result<String, String> {
    of_dots(path, limits, false)
}

fn of_dots(path: &str, limits: &Limits, has_lists: bool) -> Result<String, String> {
    let (names, counts) = match path.strip_suffix(".#").filter(|_| has_lists) {
        Some(list) => (list, true),
        None => (path, false),
    };
    let mut written = "$".to_owned();
    for name in names.split('.') {
        let is_plain =
            |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '/' | ':' | '+') && !c.is_control();
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("expected names between dots, found {}", Escaped::new(name)));
        }
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if has_lists && name.bytes().all(|byte| byte.is_ascii_digit()) {
            // An index of a list, or a member of an object.
            written += &format!("[{name},'{name}']");
        } else if is_word && !name.starts_with(|c: char| c.is_ascii_digit()) {
            written += &format!(".{name}");
        } else {
            written += &format!("['{name}']");
        }
    }
    checked(if counts { format!("count({written}[*])") } else { written }, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_paths() {
        let limits = Limits::default();
        for (path, aggregator, expected) in [
            ("$.http_server.rps", None, "$.http_server.rps"),
            ("$.some-metric.value", None, "$['some-metric'].value"),
            (
                "$['active processes'] / $['total processes'] * 100",
                None,
                "$['active processes'] / $['total processes'] * 100",
            ),
            ("$.pools[*].busy", Some("sum"), "sum($.pools[*].busy)"),
            ("$.worker-pools[*].busy", Some("sum"), "sum($['worker-pools'][*].busy)"),
            ("$.busy", Some("max"), "max($.busy[*])"),
        ] {
            assert_eq!(of_path(path, aggregator, &limits).as_deref(), Ok(expected), "{path}");
        }
        for path in ["ceil($.a / $.b)", "$.0-a", "", "$..a..b..c"] {
            assert!(of_path(path, None, &limits).is_err(), "{path}");
        }
        for (path, expected) in [
            ("components.worker.tasks", "$.components.worker.tasks"),
            ("data.0.value", "$.data[0,'0'].value"),
            ("in-use.a b", "$['in-use']['a b']"),
            ("jobs.#", "count($.jobs[*])"),
        ] {
            assert_eq!(of_gjson(path, &limits).as_deref(), Ok(expected), "{path}");
        }
        for path in ["a.*", "a.#.b", "a|b", "a.#(b==1).c", "a\\.b", "@reverse", "", "a..b", "a'b"] {
            assert!(of_gjson(path, &limits).is_err(), "{path}");
        }
        assert_eq!(of_members("a.0", &limits).as_deref(), Ok("$.a['0']"));
    }
}
