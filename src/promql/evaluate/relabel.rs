//! `label_replace`: sets a label from another one.

use regex_lite::Captures;

use super::{Element, EvalError, distinct};
use crate::promql::LabelReplace;

/// Sets the label of each element whose source label matches; other elements remain unchanged.
pub(super) fn replace(replace: &LabelReplace, mut elements: Vec<Element>) -> Result<Vec<Element>, EvalError> {
    for Element { labels, .. } in &mut elements {
        let source = labels.get(replace.source.label()).unwrap_or_default();
        if let Some(captures) = replace.source.captures(source) {
            let value = expand(&replace.replacement, &captures);
            *labels = labels.with(&replace.target, &value);
        }
    }
    distinct(elements).map_err(|_| EvalError::SameResult)
}

/// Expands `$1`, `${1}`, `$name` and `${name}` as Go does: a name is as long as possible, an unknown group is empty,
/// and `$$` is `$`.
fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        let (inside, braced) = after.strip_prefix('{').map_or((after, false), |inside| (inside, true));
        let (name, behind) = inside.split_at(inside.find(|c| !is_part(c)).unwrap_or(inside.len()));
        let end = if braced { behind.strip_prefix('}') } else { Some(behind) };
        rest = match (after.strip_prefix('$'), end.filter(|_| !name.is_empty())) {
            (None, Some(end)) => {
                text.push_str(group(name, captures));
                end
            }
            // A repeated group name, or not a name: it stays as written.
            (twice, _) => {
                text.push('$');
                twice.unwrap_or(after)
            }
        };
    }
    text + rest
}

/// The content of a group. A group's number has no leading zero.
fn group<'a>(name: &str, captures: &Captures<'a>) -> &'a str {
    let is_number = name.bytes().all(|digit| digit.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let found = match name.parse() {
        Ok(number) if is_number => captures.get(number),
        _ => captures.name(name),
    };
    found.map_or("", |found| found.as_str())
}
