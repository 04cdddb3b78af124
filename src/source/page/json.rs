//! A JSON page: read whole, then searched by each path.

use std::io::Read;
use std::time::Duration;

use super::{BodyError, Found, Items, JsonItem, Page, PageBody, Query, Refusal, Want, textual};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::json::{self, Path};

/// The most bytes of a page of a source with this `maxBytes`.
pub(super) fn max_bytes(configured: Option<u64>, limits: &Limits) -> u64 {
    configured.unwrap_or(limits.page.json as u64).min(limits.page.max_json as u64)
}

pub(super) fn read(body: &mut PageBody<'_>, wants: &[Want], at: i64, limits: &Limits) -> Result<Page, BodyError> {
    let most = max_bytes(body.max_bytes, limits);
    let mut bytes = Vec::new();
    body.reader.take(most + 1).read_to_end(&mut bytes).map_err(BodyError::Io)?;
    if bytes.len() as u64 > most {
        return Err(BodyError::TooLarge(most));
    }
    let values = usize::try_from(most).unwrap_or(usize::MAX) / limits.page.json_bytes_per_value.max(1);
    let shape = json::PageLimits { depth: limits.expression.depth, values };
    let page = json::parse_page(&bytes, &shape).map_err(BodyError::Json)?;
    let found = |query: &Query| match query {
        Query::Json { value, items } => items_of(&page, value, items.as_deref(), limits),
        Query::Named { name, .. } => items_of(&page, &Path::member(name), None, limits),
        Query::Number => match json::number(&page, textual) {
            Ok(value) => Found::Number(value),
            Err(_) => Found::Refused(Refusal::WrongFormat("one number", Format::Json)),
        },
        Query::Series { .. } => Found::Refused(Refusal::WrongFormat("series", Format::Json)),
    };
    let found = wants.iter().map(|want| (want.id, found(&want.query))).collect();
    Ok(Page {
        at,
        taken: None,
        age: Duration::ZERO,
        bytes: bytes.len() as u64,
        samples: 1,
        format: Format::Json,
        process: None,
        series: Vec::new(),
        found,
    })
}

fn items_of(page: &serde_json::Value, value: &Path, items: Option<&Items>, limits: &Limits) -> Found {
    let max = limits.page.kept_series;
    let Ok(list) = items.map_or(Ok(vec![page]), |items| items.items.query(page, max)) else {
        return Found::Refused(Refusal::TooMany(max));
    };
    let mut found = Vec::with_capacity(list.len());
    let mut left = max;
    for item in list {
        let Ok(values) = value.query(item, left) else { return Found::Refused(Refusal::TooMany(max)) };
        left -= values.len().min(left);
        let text = |path: &Path| match path.query(item, 1).as_deref() {
            Ok([serde_json::Value::String(text)]) => Some(text.clone()),
            _ => None,
        };
        let is_empty = values.is_empty() && value.selects_from_empty(item);
        found.push(JsonItem {
            is_empty,
            namespace: items.and_then(|items| items.namespace_from.as_ref()).and_then(text),
            name: items.map(|items| &items.name_from).and_then(text),
            values: values.into_iter().map(|value| json::number(value, textual).map_err(|error| error.found)).collect(),
        });
    }
    Found::Json(found)
}
