//! A parser for YAML pages with limits; it returns the JSON values that JSONPaths read. Plain scalars have the types of
//! YAML's core schema (YAML 1.2.2 §10.3.2); duplicate keys in a mapping are an error.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::{Node, YamlError, YamlErrorKind, YamlLimits, YamlValue};
use crate::parse::escape::Escaped;

/// Why a page is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlPageError {
    kind: YamlErrorKind,
    detail: String,
}

/// Parses a page.
///
/// # Errors
/// If the page is not YAML in UTF-8, has several documents, anchors or tags, exceeds a limit, or repeats a key in a
/// mapping.
pub fn parse_page(bytes: &[u8], limits: &YamlLimits) -> Result<Value, YamlPageError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line =
            bytes.get(..error.valid_up_to()).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        YamlPageError {
            kind: YamlErrorKind::Syntax,
            detail: format!("line {line}: expected UTF-8, found another encoding"),
        }
    })?;
    // A byte order mark may start a stream (§5.2).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The library queues the tokens of a whole flow collection before its first event; each of these bytes is at least
    // one token.
    let tokens = bytes.iter().filter(|byte| b",[]{}?:".contains(byte)).count();
    if tokens > limits.nodes {
        let detail = format!("expected at most {} commas, brackets and colons, found {tokens}", limits.nodes);
        return Err(YamlPageError { kind: YamlErrorKind::Limit, detail });
    }
    value(super::parse(text, limits)?)
}

fn value(node: Node) -> Result<Value, YamlPageError> {
    match node.value {
        YamlValue::Scalar { text, quoted: true, .. } => Ok(Value::String(text)),
        YamlValue::Scalar { text, quoted: false, .. } => match plain(&text) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(fail(node.span.line, "number out of range")),
            None => Ok(Value::String(text)),
        },
        YamlValue::Sequence(items) => items.into_iter().map(value).collect::<Result<_, _>>().map(Value::Array),
        YamlValue::Mapping(entries) => {
            let mut members = Map::new();
            for (key, node) in entries {
                if members.contains_key(&key.text) {
                    let again = format!("expected each key once, found {} again", Escaped::new(&key.text));
                    return Err(fail(key.span.line, &again));
                }
                members.insert(key.text, value(node)?);
            }
            Ok(Value::Object(members))
        }
    }
}

/// The value of a plain scalar that is not text; `Some(None)` is a number that is out of range.
fn plain(text: &str) -> Option<Option<Value>> {
    let special = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // Written as in JSON pages, which have no number for it.
        ".nan" | ".NaN" | ".NAN" => Value::String("NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::String("Infinity".to_owned()),
        "-.inf" | "-.Inf" | "-.INF" => Value::String("-Infinity".to_owned()),
        _ => return number(text),
    };
    Some(Some(special))
}

fn number(text: &str) -> Option<Option<Value>> {
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return is_number.then(|| u64::from_str_radix(digits, radix).ok().map(Value::from));
        }
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits.is_empty() && is_digits(digits) {
        let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
        return Some(whole.ok().or_else(|| float(text)));
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && is_digits(exponent));
    is_number.then(|| float(text))
}

fn float(text: &str) -> Option<Value> {
    text.parse().ok().and_then(Number::from_f64).map(Value::Number)
}

fn fail(line: usize, what: &str) -> YamlPageError {
    YamlPageError { kind: YamlErrorKind::Syntax, detail: format!("line {line}: {what}") }
}

impl YamlPageError {
    /// The error without its position and without bytes of the page; it continues a sentence after "answered".
    pub fn cause(&self) -> &'static str {
        match self.kind {
            YamlErrorKind::Syntax => "malformed YAML",
            YamlErrorKind::Limit => {
                "YAML that is nested too deep, or has more values than maxBytes: on the source allows"
            }
            YamlErrorKind::Documents => "several YAML documents, expected one",
            YamlErrorKind::Marks => "YAML with anchors, aliases or tags, which are not supported",
        }
    }
}

impl From<YamlError> for YamlPageError {
    fn from(error: YamlError) -> Self {
        let YamlError { span, kind, message } = error;
        let message = match kind {
            // The parser's message addresses authors of a configuration.
            YamlErrorKind::Marks => "expected neither anchors and aliases (&, *) nor tags (!), found one",
            _ => &message,
        };
        Self { kind, detail: format!("line {}, column {}: {message}", span.line, span.column) }
    }
}

impl fmt::Display for YamlPageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for YamlPageError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Value, String> {
        let limits = YamlLimits { bytes: 100, depth: 3, nodes: 12 };
        parse_page(text.as_bytes(), &limits).map_err(|error| error.to_string())
    }

    #[test]
    fn reads() {
        for (text, expected) in [
            ("", json!(null)),
            ("# nothing\n", json!(null)),
            ("42", json!(42)),
            (
                "--- \nqueue:\n  depth: 3\n  names: [mail, 'web']\n...\n",
                json!({"queue": {"depth": 3, "names": ["mail", "web"]}}),
            ),
            ("{\"a\": [1, {\"b\": null}]}", json!({"a": [1, {"b": null}]})),
            ("\u{feff}a: 1", json!({"a": 1})),
            // php-fpm's page of keys and values.
            (
                "listen queue:         1\nstart time:   27/Nov/2026:14:50:29 +0000\n",
                json!({"listen queue": 1, "start time": "27/Nov/2026:14:50:29 +0000"}),
            ),
            ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
            ("a: |\n  3\n", json!({"a": "3\n"})),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn resolves_plain_scalars() {
        for (text, expected) in [
            ("~", json!(null)),
            ("Null", json!(null)),
            ("TRUE", json!(true)),
            ("false", json!(false)),
            ("0", json!(0)),
            ("-19", json!(-19)),
            ("+12", json!(12)),
            ("007", json!(7)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("0o14", json!(12)),
            ("0xfF", json!(255)),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("+12e03", json!(12_000.0)),
            ("-2E-1", json!(-0.2)),
            (".inf", json!("Infinity")),
            ("-.INF", json!("-Infinity")),
            (".NaN", json!("NaN")),
            // Text in the core schema; YAML 1.1 converted some of it.
            ("yes", json!("yes")),
            ("nULL", json!("nULL")),
            ("1_000", json!("1_000")),
            ("1:30", json!("1:30")),
            ("1500m", json!("1500m")),
            ("0x", json!("0x")),
            ("-0x1", json!("-0x1")),
            ("0b1", json!("0b1")),
            (".", json!(".")),
            ("+", json!("+")),
            ("1e", json!("1e")),
            ("e3", json!("e3")),
            ("1.5.2", json!("1.5.2")),
            ("inf", json!("inf")),
            ("NaN", json!("NaN")),
            // Quoted scalars are text.
            ("'3'", json!("3")),
            ("\".nan\"", json!(".nan")),
            ("''", json!("")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn rejects() {
        let marks = "expected neither anchors and aliases (&, *) nor tags (!), found one";
        for (text, cause, message) in [
            (
                "a: [1",
                "malformed YAML",
                "line 1, column 6: not YAML: while parsing a flow sequence, expected ',' or ']'".to_owned(),
            ),
            ("a: 1\na: 2", "malformed YAML", "line 2: expected each key once, found \"a\" again".to_owned()),
            ("a:\n  b: 1e400", "malformed YAML", "line 2: number out of range".to_owned()),
            ("0x10000000000000000", "malformed YAML", "line 1: number out of range".to_owned()),
            (
                "[[[[1]]]]",
                "YAML that is nested too deep, or has more values than maxBytes: on the source allows",
                "line 1, column 4: nested deeper than 3 levels".to_owned(),
            ),
            (
                "- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n- 1\n",
                "YAML that is nested too deep, or has more values than maxBytes: on the source allows",
                "line 12, column 3: more than 12 keys and values".to_owned(),
            ),
            (
                "[1,2,3,4,5,6,7,8,9,0,1,2,3]",
                "YAML that is nested too deep, or has more values than maxBytes: on the source allows",
                "expected at most 12 commas, brackets and colons, found 14".to_owned(),
            ),
            (
                "a: 1\n---\na: 2\n",
                "several YAML documents, expected one",
                "line 2, column 1: expected one document, found a second one (---)".to_owned(),
            ),
            (
                "a: &b 1",
                "YAML with anchors, aliases or tags, which are not supported",
                format!("line 1, column 4: {marks}"),
            ),
            (
                "a: !!int 1",
                "YAML with anchors, aliases or tags, which are not supported",
                format!("line 1, column 4: {marks}"),
            ),
        ] {
            assert_eq!(parse(text), Err(message), "{text}");
            let limits = YamlLimits { bytes: 100, depth: 3, nodes: 12 };
            assert_eq!(parse_page(text.as_bytes(), &limits).unwrap_err().cause(), cause, "{text}");
        }
        let error = parse_page(b"a: 1\nb: \xe9\n", &YamlLimits { bytes: 100, depth: 3, nodes: 12 }).unwrap_err();
        assert_eq!(error.to_string(), "line 2: expected UTF-8, found another encoding");
    }
}
