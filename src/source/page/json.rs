//! A JSON page.

use super::{BodyError, Page, PageBody, WantedValues, document};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::json::{self, PageLimits};

pub(super) fn read(
    body: &mut PageBody<'_>,
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let bytes = document::bytes(body, limits)?;
    let shape = PageLimits { depth: limits.expression.depth, values: document::max_values(body, limits) };
    let document = json::parse_page(&bytes, &shape).map_err(BodyError::Json)?;
    Ok(document::page(&document, Format::Json, &bytes, wants, at, limits))
}
