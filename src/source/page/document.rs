//! Pages that are held completely and searched with JSONPaths.

use std::io::Read;

use serde_json::Value as Document;

use super::{BodyError, Found, Items, Page, PageBody, PageItem, PartValue, Query, Refusal, WantedValues, number};
use crate::config::limits::Limits;
use crate::config::model::{Format, ItemText};
use crate::parse::json::{self, Path};

/// The maximum size of a page of a source with this `maxBytes`.
pub(super) fn max_bytes(configured: Option<u64>, limits: &Limits) -> u64 {
    configured.unwrap_or(limits.page.json as u64).min(limits.page.max_json as u64)
}

/// The maximum number of values of a page.
pub(super) fn max_values(body: &PageBody<'_>, limits: &Limits) -> usize {
    let bytes = usize::try_from(max_bytes(body.max_bytes, limits)).unwrap_or(usize::MAX);
    bytes / limits.page.json_bytes_per_value.max(1)
}

/// The complete body of a format whose syntax shows its end.
pub(super) fn bytes(body: &mut PageBody<'_>, limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let most = max_bytes(body.max_bytes, limits);
    let mut bytes = Vec::new();
    body.reader.take(most + 1).read_to_end(&mut bytes).map_err(BodyError::Io)?;
    match bytes.len() as u64 > most {
        true if most == limits.page.max_json as u64 => Err(BodyError::ExceedsGlobalLimit(most)),
        true => Err(BodyError::TooLarge(most)),
        false => Ok(bytes),
    }
}

/// The complete body of a format of lines; its last line must be complete.
pub(super) fn lines(body: &mut PageBody<'_>, limits: &Limits) -> Result<Vec<u8>, BodyError> {
    let bytes = bytes(body, limits)?;
    match body.delimited || bytes.ends_with(b"\n") {
        true => Ok(bytes),
        false => Err(BodyError::Truncated),
    }
}

/// The page of a document, with the results for all wanted values.
pub(super) fn page(
    document: &Document,
    format: Format,
    bytes: &[u8],
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Page {
    let found = |query: &Query| match query {
        Query::Json { parts, items } if format == Format::Csv && compare_numbers(parts, items.as_deref()) => {
            Found::Refused(Refusal::TextFields)
        }
        Query::Json { parts, items } => {
            or_error(parts.len(), |document| items_of(document, parts, items.as_deref(), limits), document)
        }
        Query::Named { name, .. } => {
            or_error(1, |document| items_of(document, &[Path::member(name)], None, limits), document)
        }
        Query::Number => match json::number(document, number::textual) {
            Ok(value) => Found::Number(value),
            Err(_) => Found::Refused(Refusal::WrongFormat("one number", format)),
        },
        Query::Series { .. } => Found::Refused(Refusal::WrongFormat("series", format)),
        Query::Text(_) => Found::Refused(Refusal::WrongFormat("text", format)),
    };
    let found = wants.iter().map(|want| (want.id, found(&want.query))).collect();
    Page::of_values(format, bytes.len(), found, at)
}

/// The result for wanted values, or the error that the document reports instead. Jolokia answers 200 with `error` and `status`
/// inside, for each of its requests, and a value that could not be read must not count as missing.
fn or_error(parts: usize, find: impl Fn(&Document) -> Found, document: &Document) -> Found {
    let found = find(document);
    let count = |found: &Found| match found {
        Found::Items(items) => items.iter().map(|item| item.values.len()).sum(),
        _ => usize::MAX,
    };
    if let Document::Array(answers) = document
        && let Some(error) = answers.iter().find(|answer| is_error(answer))
    {
        // If there are several answers, an error may take the place of a needed value; then a valid value in its place
        // would add another one.
        let good = answers.iter().find(|answer| !is_error(answer));
        let mended: Vec<_> = answers
            .iter()
            .map(|answer| if is_error(answer) { good.unwrap_or(answer) } else { answer })
            .cloned()
            .collect();
        let needs_it = lacks_a_part(&found, parts) || count(&find(&Document::Array(mended))) > count(&found);
        return if needs_it { Found::Refused(Refusal::ErrorInside(status(error))) } else { found };
    }
    match lacks_a_part(&found, parts) && is_error(document) {
        true => Found::Refused(Refusal::ErrorInside(status(document))),
        false => found,
    }
}

/// Whether any part of the expression has no value.
fn lacks_a_part(found: &Found, parts: usize) -> bool {
    match found {
        Found::Items(items) => (0..parts).any(|part| items.iter().all(|item| item.of_part(part).next().is_none())),
        _ => false,
    }
}

/// Whether an answer is an error: it has `error` or `errors`, as in Jolokia, GraphQL and Prometheus.
fn is_error(answer: &Document) -> bool {
    ["error", "errors"].iter().any(|member| match answer.get(member) {
        None | Some(Document::Null | Document::Bool(false)) => false,
        Some(Document::String(text)) => !text.is_empty(),
        Some(Document::Array(errors)) => !errors.is_empty(),
        Some(Document::Number(_)) => false,
        Some(_) => true,
    })
}

/// The status of an error, if present.
fn status(answer: &Document) -> Option<u64> {
    answer.get("status").and_then(Document::as_u64)
}

/// The name of an object on the page; empty if it is too long for a name (RFC 1123: 253 bytes).
pub(super) fn name(text: &str) -> String {
    if text.len() > 253 { String::new() } else { text.to_owned() }
}

/// An item of a page, with its key if items are members of an object.
type KeyedItem<'p> = (Option<&'p str>, &'p Document);

/// A text or number about an item; empty if it is too long.
fn text((key, item): KeyedItem<'_>, from: &ItemText) -> Option<String> {
    match from {
        ItemText::Key => key.map(name),
        ItemText::Path(path) => match path.query(item, 1).as_deref() {
            Ok([Document::String(text)]) => Some(name(text)),
            Ok([value @ Document::Number(_)]) => Some(value.to_string()),
            _ => None,
        },
    }
}

/// The namespace that an item describes. A value that is not text counts as a namespace other than the requested one.
fn namespace(item: KeyedItem<'_>, from: &ItemText) -> Option<String> {
    text(item, from).or_else(|| match from {
        ItemText::Key => None,
        ItemText::Path(path) => match path.query(item.1, 1).as_deref() {
            Ok([] | [Document::Null]) => None,
            _ => Some(String::new()),
        },
    })
}

/// The labels of an item. Booleans are converted to text; values of other types are ignored.
fn labels(item: KeyedItem<'_>, from: &[(String, ItemText)]) -> Vec<(String, String)> {
    let value = |from: &ItemText| match from {
        ItemText::Path(path) => match path.query(item.1, 1).as_deref() {
            Ok([value @ Document::Bool(_)]) => Some(value.to_string()),
            _ => text(item, from),
        },
        ItemText::Key => text(item, from),
    };
    from.iter().filter_map(|(label, from)| Some((label.clone(), value(from)?))).collect()
}

/// The items of a page, or the page itself.
fn list<'p>(page: &'p Document, items: Option<&Items>, max: usize) -> Result<Vec<KeyedItem<'p>>, Refusal> {
    let Some(items) = items else { return Ok(vec![(None, page)]) };
    let found = items.items.query(page, max).map_err(|_| Refusal::TooMany(max))?;
    if !items.has_keys() {
        return Ok(found.into_iter().map(|item| (None, item)).collect());
    }
    let mut list = Vec::new();
    for container in found {
        let Document::Object(members) = container else { return Err(Refusal::NoKeys) };
        if list.len() + members.len() > max {
            return Err(Refusal::TooMany(max));
        }
        list.extend(members.iter().map(|(key, item)| (Some(key.as_str()), item)));
    }
    Ok(list)
}

/// Whether filters of a rule compare numbers with values of a CSV page, which are text; such filters would silently
/// select nothing.
fn compare_numbers(parts: &[Path], items: Option<&Items>) -> bool {
    parts.iter().any(Path::compares_numbers) || items.is_some_and(|items| items.items.compares_numbers())
}

fn items_of(page: &Document, parts: &[Path], items: Option<&Items>, limits: &Limits) -> Found {
    let max = limits.page.kept_series;
    let list = match list(page, items, max) {
        Ok(list) => list,
        Err(refusal) => return Found::Refused(refusal),
    };
    let mut found = Vec::with_capacity(list.len());
    let mut left = max;
    for keyed in list {
        let item = keyed.1;
        let (mut values, mut empty) = (Vec::new(), 0);
        for (path, part) in parts.iter().zip(0..) {
            let Ok(found) = path.query(item, left) else { return Found::Refused(Refusal::TooMany(max)) };
            left -= found.len().min(left);
            if found.is_empty() && path.selects_from_empty(item) {
                empty |= 1 << part;
            }
            let value = |value| json::number(value, number::textual).map_err(|error| error.found);
            values.extend(found.into_iter().map(|found| PartValue { part, value: value(found) }));
        }
        found.push(PageItem {
            namespace: items.and_then(|items| namespace(keyed, items.namespace_from.as_ref()?)),
            name: items.and_then(|items| text(keyed, items.name_from.as_ref()?)),
            labels: items.map(|items| labels(keyed, &items.labels_from)).unwrap_or_default(),
            values,
            empty,
        });
    }
    Found::Items(found)
}
