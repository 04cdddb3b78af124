//! A YAML page.

use super::{BodyError, Page, PageBody, WantedValues, document};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::yaml::{YamlLimits, page};

pub(super) fn read(
    body: &mut PageBody<'_>,
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let bytes = document::lines(body, limits)?;
    // Keys count too, and positions are kept for a while.
    let nodes = document::max_values(body, limits) / 4;
    let shape = YamlLimits { bytes: bytes.len(), depth: limits.expression.depth, nodes };
    let document = page::parse_page(&bytes, &shape).map_err(BodyError::Yaml)?;
    Ok(document::page(&document, Format::Yaml, &bytes, wants, at, limits))
}
