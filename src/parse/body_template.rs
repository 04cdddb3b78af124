//! Request bodies with placeholders: `{"queue":"{name}"}`. Other braces are literal, because JSON and GraphQL use many.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

use super::percent::Encoded;
use super::url_template::piece::{Piece, TemplateError, error, literals};
use super::url_template::{ExpandError, Placeholder, Values};

/// The media type of JSON (RFC 8259 §11).
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A parsed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyTemplate {
    pieces: Vec<Piece>,
    media_type: String,
    syntax: Syntax,
}

/// How values of placeholders are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// Escaped, within a JSON string.
    Json,
    /// Percent-encoded.
    Form,
    /// The media type is unknown, so there are no placeholders.
    Other,
}

impl BodyTemplate {
    /// Parses `text`, of at most `max` bytes. Without `media_type`, the type is JSON if the text is JSON, otherwise
    /// form.
    ///
    /// # Errors
    /// If a text declared as JSON is not valid JSON, or if a placeholder is at a position where its value cannot be
    /// escaped.
    pub fn parse(text: &str, media_type: Option<&str>, max: usize) -> Result<Self, TemplateError> {
        if text.len() > max {
            return Err(error(1, format!("expected a body of at most {max} bytes, found {}", text.len())));
        }
        let pieces = split(text);
        let json = serde_json::from_str::<IgnoredAny>(&literals(&pieces));
        let media_type = match (media_type, &json) {
            (Some(media_type), _) => media_type,
            (None, Ok(_)) => JSON,
            (None, Err(why)) if text.trim_start().starts_with(['{', '[']) => {
                return Err(error(1, format!("expected JSON, or contentType: for another format: {why}")));
            }
            (None, Err(_)) => FORM,
        };
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let syntax = match essence.as_str() {
            JSON => Syntax::Json,
            FORM => Syntax::Form,
            other if other.ends_with("+json") => Syntax::Json,
            _ => Syntax::Other,
        };
        if let (Syntax::Json, Err(why)) = (syntax, &json) {
            return Err(error(1, format!("expected JSON for this contentType: {why}")));
        }
        match syntax {
            Syntax::Json => check_strings(&pieces)?,
            Syntax::Form => {}
            Syntax::Other if pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) => {
                return Err(error(
                    1,
                    "expected no placeholders, because the body is neither JSON nor a form".to_owned(),
                ));
            }
            Syntax::Other => {}
        }
        Ok(Self { pieces, media_type: media_type.to_owned(), syntax })
    }

    /// An empty body without a media type.
    pub fn empty() -> Self {
        Self { pieces: Vec::new(), media_type: String::new(), syntax: Syntax::Other }
    }

    /// The Content-Type to send.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Whether the body contains this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.pieces.contains(&Piece::Value(placeholder))
    }

    /// Returns the body for one request.
    ///
    /// # Errors
    /// If a value is missing.
    pub fn expand(&self, values: &Values<'_>) -> Result<String, ExpandError> {
        let mut body = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => body.push_str(text),
                Piece::Value(placeholder) => {
                    let value = values.get(*placeholder)?;
                    match self.syntax {
                        Syntax::Json => {
                            let quoted = serde_json::Value::from(value).to_string();
                            body.push_str(
                                quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default(),
                            );
                        }
                        Syntax::Form => _ = write!(body, "{}", Encoded::unreserved(value)),
                        Syntax::Other => {}
                    }
                }
            }
        }
        Ok(body)
    }
}

/// Splits a text at its placeholders.
fn split(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(brace) = rest.get(from..).and_then(|text| text.find('{')).map(|at| from + at) {
        let (literal, after) = rest.split_at(brace);
        match Placeholder::ALL.into_iter().find_map(|known| Some((known, after.strip_prefix(known.as_str())?))) {
            Some((placeholder, after)) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(literal.to_owned()));
                }
                pieces.push(Piece::Value(placeholder));
                (rest, from) = (after, 0);
            }
            None => from = brace + 1,
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    pieces
}

/// Requires each placeholder to be within a string, where its value can be escaped.
fn check_strings(pieces: &[Piece]) -> Result<(), TemplateError> {
    let (mut is_string, mut is_escaped) = (false, false);
    for piece in pieces {
        match piece {
            Piece::Literal(text) => {
                for byte in text.bytes() {
                    match byte {
                        _ if is_escaped => is_escaped = false,
                        b'\\' => is_escaped = is_string,
                        b'"' => is_string = !is_string,
                        _ => {}
                    }
                }
            }
            Piece::Value(placeholder) if !is_string || is_escaped => {
                let message = format!("expected {} within a JSON string", placeholder.as_str());
                return Err(error(1, message));
            }
            Piece::Value(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> =
        Values { namespace: Some("shop"), resource: "services", name: None, metric: "a\"\\\n&=b", label_selector: "" };

    fn parse(text: &str, media_type: Option<&str>) -> Result<BodyTemplate, String> {
        BodyTemplate::parse(text, media_type, 80).map_err(|error| error.message)
    }

    #[test]
    fn escapes_values_by_media_type() {
        for (text, media_type, expected, body) in [
            (r#"{"a":"{metric}!"}"#, None, JSON, r#"{"a":"a\"\\\n&=b!"}"#),
            (r#"{"query":"{ grid { size } }"}"#, None, JSON, r#"{"query":"{ grid { size } }"}"#),
            ("{}", Some("application/vnd.x+json; v=1"), "application/vnd.x+json; v=1", "{}"),
            ("a={metric}&b={namespace}", None, FORM, "a=a%22%5C%0A%26%3Db&b=shop"),
            ("{{namespace}}", Some(FORM), FORM, "{shop}"),
            ("{ grid }", Some("application/graphql"), "application/graphql", "{ grid }"),
            ("", None, FORM, ""),
        ] {
            let template = parse(text, media_type).unwrap();
            assert_eq!((template.media_type(), template.expand(&VALUES).as_deref()), (expected, Ok(body)), "{text}");
        }
        assert_eq!(parse("n={name}", None).unwrap().expand(&VALUES), Err(ExpandError::Missing(Placeholder::Name)));
    }

    #[test]
    fn rejects_placeholders_that_cannot_be_escaped() {
        let outside = "expected {name} within a JSON string";
        for (text, media_type, why) in [
            (r#"{"a":"{name}","b":{name}}"#, Some("application/json"), "expected JSON for this contentType: "),
            (r#"["\{name}"]"#, Some("application/json"), "expected JSON for this contentType: "),
            ("{ grid }", None, "expected JSON, or contentType: for another format: key must be a string"),
            ("{name}", Some("text/plain"), "expected no placeholders, because the body is neither JSON nor a form"),
            (&"x".repeat(81), None, "expected a body of at most 80 bytes, found 81"),
        ] {
            let error = parse(text, media_type).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
        let pieces = [Piece::Literal(r#"{"a":"b"#.to_owned()), Piece::Value(Placeholder::Name)];
        assert_eq!(check_strings(&pieces), Ok(()));
        let pieces = [Piece::Literal(r#"{"a":"b\""#.to_owned() + "\":"), Piece::Value(Placeholder::Name)];
        assert_eq!(check_strings(&pieces).unwrap_err().message, outside);
    }
}
