//! Parses Go templates in other adapters' configurations, which may only insert known fields.
//!
//! ```text
//! template = { text | "<<" [ "- " ] action [ " -" ] ">>" }
//! action   = field | "index" field ( string | number ) | "(" action ")" | comment
//! field    = "." name { "." name }
//! ```
//! Everything else in Go's templates is rejected with its position.

use crate::parse::escape::Escaped;

const OPEN: &str = "<<";
const CLOSE: &str = ">>";

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePiece {
    /// Literal text.
    Text(String),
    /// The path of a field: `["Series"]`, `["LabelValuesByName", "pod"]`, `["GroupBySlice", "0"]`.
    Field(Vec<String>),
}

/// Why a text is not a supported template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The position in bytes.
    pub at: usize,
    /// The text at the position.
    pub found: String,
}

/// Parses a template.
///
/// # Errors
/// The first action that is not the insertion of a field, or is not closed.
pub fn parse(text: &str) -> Result<Vec<TemplatePiece>, TemplateError> {
    let mut pieces: Vec<TemplatePiece> = Vec::new();
    let (mut rest, mut trims) = (text, false);
    loop {
        let start = text.len() - rest.len();
        let (before, after) = match rest.split_once(OPEN) {
            Some((before, after)) => (before, Some(after)),
            None => (rest, None),
        };
        let trims_next = after.and_then(|after| after.strip_prefix('-')).is_some_and(|rest| rest.starts_with(is_blank));
        let mut kept = if trims { before.trim_start_matches(is_blank) } else { before };
        if trims_next {
            kept = kept.trim_end_matches(is_blank);
        }
        if !kept.is_empty() {
            pieces.push(TemplatePiece::Text(kept.to_owned()));
        }
        let Some(after) = after else { return Ok(pieces) };
        let at = start + before.len();
        let fail = |found: &str| TemplateError { at, found: Escaped::new(found).to_string() };
        let Some(end) = end_of(after) else { return Err(fail(after)) };
        let whole = after.get(..end).unwrap_or_default();
        let inside = if trims_next { whole.get(1..).unwrap_or_default() } else { whole };
        trims = inside.ends_with('-') && inside.get(..inside.len() - 1).is_some_and(|rest| rest.ends_with(is_blank));
        let inside = if trims { inside.get(..inside.len() - 1).unwrap_or_default() } else { inside };
        match action(inside.trim_matches(is_blank)) {
            Some(Some(field)) => pieces.push(TemplatePiece::Field(field)),
            Some(None) => {}
            None => return Err(fail(whole)),
        }
        rest = after.get(end + CLOSE.len()..).unwrap_or_default();
    }
}

/// The end of an action; its strings and comments may contain the closing delimiter.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
            None if text.get(at..)?.starts_with(CLOSE) => return Some(at),
            None => {}
        }
    }
    None
}

/// The field that an action inserts; `Some(None)` for a comment.
fn action(text: &str) -> Option<Option<Vec<String>>> {
    if text.starts_with("/*") && text.ends_with("*/") && text.len() >= 4 {
        return Some(None);
    }
    if let Some(inside) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return action(inside.trim_matches(is_blank)).filter(Option::is_some);
    }
    let Some(rest) = text.strip_prefix("index").filter(|rest| rest.starts_with(is_blank)) else {
        return field(text).map(Some);
    };
    let (name, key) = rest.trim_start_matches(is_blank).split_once(is_blank)?;
    let mut found = field(name)?;
    let key = key.trim_start_matches(is_blank);
    let quoted = ['"', '`'].into_iter().find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote));
    let is_key = |key: &&str| !key.is_empty() && !key.contains(['"', '`', '\\']);
    let is_index = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    found.push(quoted.filter(is_key).or(Some(key).filter(is_index))?.to_owned());
    Some(Some(found))
}

fn field(text: &str) -> Option<Vec<String>> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let names: Vec<String> = text.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    names.iter().all(|name| is_name(name)).then_some(names)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> String {
        match parse(text) {
            Ok(pieces) => {
                let piece = |piece: &TemplatePiece| match piece {
                    TemplatePiece::Text(text) => text.clone(),
                    TemplatePiece::Field(names) => format!("[{}]", names.join(" ")),
                };
                pieces.iter().map(piece).collect()
            }
            Err(TemplateError { at, found }) => format!("{at}: {found}"),
        }
    }

    #[test]
    fn parses() {
        for (text, expected) in [
            ("", ""),
            ("up > 1 < 2", "up > 1 < 2"),
            (
                "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)",
                "sum(rate([Series]{[LabelMatchers]}[2m])) by ([GroupBy])",
            ),
            ("<< .Series >>", "[Series]"),
            ("<<\n.Series\t>>", "[Series]"),
            ("a <<- .Series ->> b", "a[Series]b"),
            // A sign without a space is part of the field, not a trim marker.
            ("a <<-.Series>> b", "2: \"-.Series\""),
            (r#"<<index .LabelValuesByName "pod">>"#, "[LabelValuesByName pod]"),
            (r#"<<index .LabelValuesByName "a>>b">>"#, "[LabelValuesByName a>>b]"),
            ("<<index .LabelValuesByName `pod`>>", "[LabelValuesByName pod]"),
            ("<<(index .GroupBySlice 0)>>", "[GroupBySlice 0]"),
            ("<<.LabelValuesByName.pod>>", "[LabelValuesByName pod]"),
            ("a<</* >  */>>b", "ab"),
            ("<<.Series", "0: \".Series\""),
            ("x <<>>", "2: \"\""),
            ("<<if .Series>>", "0: \"if .Series\""),
            ("<<range .GroupBySlice>><<.>><<end>>", "0: \"range .GroupBySlice\""),
            ("<<.Series | printf \"%s\">>", "0: \".Series | printf \\\"%s\\\"\""),
            ("<<.>>", "0: \".\""),
            ("<<.a.>>", "0: \".a.\""),
            ("<<()>>", "0: \"()\""),
            ("<<(/* */)>>", "0: \"(/* */)\""),
            ("<<index .A>>", "0: \"index .A\""),
            (r#"<<index .A "b" "c">>"#, "0: \"index .A \\\"b\\\" \\\"c\\\"\""),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }
}
