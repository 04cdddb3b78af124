//! A page of text, searched by regular expressions.

use super::{BodyError, Found, Page, PageBody, PageItem, Query, Refusal, Want, document, number};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::regex::Pattern;

pub(super) fn read(body: &mut PageBody<'_>, wants: &[Want], at: i64, limits: &Limits) -> Result<Page, BodyError> {
    let bytes = document::lines(body, limits)?;
    // Numbers are ASCII in each of the encodings that such pages have.
    let text = String::from_utf8_lossy(&bytes);
    let found = |query: &Query| match query {
        Query::Text(pattern) => matches(pattern, &text, limits.page.kept_series),
        Query::Series { .. } | Query::Named { .. } => Found::Refused(Refusal::WrongFormat("series", Format::Text)),
        Query::Json { .. } => Found::Refused(Refusal::WrongFormat("JSON", Format::Text)),
        Query::Number => Found::Refused(Refusal::WrongFormat("one number", Format::Text)),
    };
    let found = wants.iter().map(|want| (want.id, found(&want.query))).collect();
    Ok(Page::of_values(Format::Text, bytes.len(), found, at))
}

/// One item for each match if the pattern names objects, otherwise the page as one item.
fn matches(pattern: &Pattern, text: &str, max: usize) -> Found {
    let mut items = Vec::new();
    for (count, found) in pattern.matches(text).enumerate() {
        if count >= max {
            return Found::Refused(Refusal::TooMany(max));
        }
        let value = found.value.map(|text| number::textual(text).ok_or("text that is not a number"));
        if pattern.names_objects() || items.is_empty() {
            items.push(PageItem {
                namespace: found.namespace.map(str::to_owned),
                name: found.name.map(str::to_owned),
                values: Vec::new(),
                is_empty: false,
            });
        }
        if let Some(item) = items.last_mut() {
            item.values.extend(value);
        }
    }
    Found::Items(items)
}
