//! A CSV page.

use super::{BodyError, Page, PageBody, WantedValues, document};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::csv::{self, CsvLimits};

pub(super) fn read(
    body: &mut PageBody<'_>,
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let bytes = document::lines(body, limits)?;
    let document =
        csv::parse_page(&bytes, &CsvLimits { values: document::max_values(body, limits) }).map_err(BodyError::Csv)?;
    Ok(document::page(&document, Format::Csv, &bytes, wants, at, limits))
}
