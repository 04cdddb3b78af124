//! `label_replace`: a label made of another one.

use regex_lite::Captures;

use super::{Element, EvalError, distinct};
use crate::promql::LabelReplace;

/// Sets the label of each element whose other label matches; the rest stays as it is.
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

/// Puts what groups have found in the place of `$1`, `${1}`, `$name` and `${name}`, as Go does: a name is as long as it
/// can be, a group that is not there is empty, and `$$` is `$`.
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
            // Twice, or no name: it stands for itself.
            (twice, _) => {
                text.push('$');
                twice.unwrap_or(after)
            }
        };
    }
    text + rest
}

/// What a group has found. A number has no zero before it.
fn group<'a>(name: &str, captures: &Captures<'a>) -> &'a str {
    let is_number = name.bytes().all(|digit| digit.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let found = match name.parse() {
        Ok(number) if is_number => captures.get(number),
        _ => captures.name(name),
    };
    found.map_or("", |found| found.as_str())
}
