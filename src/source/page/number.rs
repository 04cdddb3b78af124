//! Numbers as text: a page that is a number, and values of other pages.

use std::io::Read;

use super::{BodyError, Found, Page, PageBody, Query, Refusal, WantedValues};
use crate::config::model::Format;
use metriclet_exposition as exposition;

use crate::parse::quantity;

/// The maximum length of a bare number, including blanks.
const LONGEST_NUMBER: usize = 64;

/// The first bytes of a body: a complete bare number, or the start of a longer body.
pub(super) fn head(body: &mut PageBody<'_>) -> Result<Vec<u8>, BodyError> {
    let mut head = Vec::new();
    body.reader.take(LONGEST_NUMBER as u64 + 1).read_to_end(&mut head).map_err(BodyError::Io)?;
    Ok(head)
}

/// Parses the page that starts with `head`, which must be one number.
pub(super) fn read(head: &[u8], is_delimited: bool, wants: &[WantedValues], at: i64) -> Result<Page, BodyError> {
    if head.len() > LONGEST_NUMBER {
        return Err(BodyError::Number);
    }
    let text = str::from_utf8(head).map_err(|_| BodyError::Number)?.trim_ascii();
    let value = textual(text).ok_or(BodyError::Number)?;
    // The number may be truncated.
    if !is_delimited && !head.ends_with(b"\n") {
        return Err(BodyError::Truncated);
    }
    let found = |query: &Query| match query {
        Query::Number | Query::Named { number: true, .. } | Query::Series { or_number: true, .. } => {
            Found::Number(value)
        }
        Query::Named { .. } => Found::Refused(Refusal::Nameless),
        Query::Series { .. } => Found::Refused(Refusal::WrongFormat("series", Format::Number)),
        Query::Json { .. } => Found::Refused(Refusal::WrongFormat("JSON", Format::Number)),
        Query::Text(_) => Found::Refused(Refusal::WrongFormat("text", Format::Number)),
    };
    let found = wants.iter().map(|want| (want.id, found(&want.query))).collect();
    Ok(Page::of_values(Format::Number, head.len(), found, at))
}

/// Parses a number in text, such as a JSON string: a decimal number, a Kubernetes quantity, or `NaN` and the
/// infinities, which are not numbers in JSON.
pub(super) fn textual(text: &str) -> Option<f64> {
    quantity::parse(text).ok().or_else(|| exposition::value(text))
}
