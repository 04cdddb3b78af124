//! The formats of pages as HTTP media types: the requested ones, and the received one.

use super::error::SourceError;
use super::page;
use crate::config::model::Format;
use crate::parse::escape::Escaped;

/// The Accept header (RFC 9110 §12.5.1) for pages of this format. Like Prometheus 3, it has `escaping=allow-utf-8`:
/// without it, some libraries rewrite names with a colon.
pub(super) fn accept(format: Option<Format>) -> &'static str {
    match format {
        Some(Format::OpenMetrics) => {
            "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8, application/openmetrics-text; q=0.9"
        }
        Some(Format::Json) => "application/json",
        Some(Format::Prometheus) => {
            "text/plain; version=1.0.0; escaping=allow-utf-8, text/plain; version=0.0.4; q=0.9, text/plain; q=0.8"
        }
        Some(Format::Yaml) => "application/yaml, application/x-yaml, text/yaml, */*; q=0.1",
        Some(Format::Csv) => "text/csv, text/plain; q=0.9, */*; q=0.1",
        Some(Format::Text) => "text/plain, */*; q=0.1",
        Some(Format::Number) => "text/plain",
        None => {
            "text/plain; version=1.0.0; escaping=allow-utf-8, text/plain; version=0.0.4; q=0.9, application/json; q=0.8, \
             */*; q=0.1"
        }
    }
}

/// The format of a page: the configured one, or that of its Content-Type. `None` is text that may be a bare number.
///
/// # Errors
/// If neither determines it.
pub(super) fn format(configured: Option<Format>, content_type: Option<&str>) -> Result<Option<Format>, SourceError> {
    match (configured, content_type) {
        (Some(format), _) => Ok(Some(format)),
        (None, Some("text/plain")) => Ok(None),
        (None, Some("application/openmetrics-text")) => Ok(Some(Format::OpenMetrics)),
        (None, Some(media)) if media == "application/json" || media.ends_with("+json") => Ok(Some(Format::Json)),
        (None, Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml")) => Ok(Some(Format::Yaml)),
        (None, Some("text/csv")) => Ok(Some(Format::Csv)),
        (None, found) => Err(SourceError::ContentType(found.map(str::to_owned))),
    }
}

/// The error of a malformed page; it mentions a Content-Type that does not match the configured format.
pub(super) fn explained(error: SourceError, configured: Option<Format>, content_type: Option<&str>) -> SourceError {
    let SourceError::Page { cause, detail } = error else { return error };
    match configured.zip(content_type).and_then(|(format, found)| Some((found, other(format, found)?))) {
        Some((found, is)) if !cause.contains("looks like") => {
            let cause = format!("{cause}; its content-type {} is that of {is}", Escaped::new(found));
            SourceError::Page { cause, detail }
        }
        _ => SourceError::Page { cause, detail },
    }
}

/// The format of a page's Content-Type, if it differs from this one.
fn other(than: Format, content_type: &str) -> Option<&'static str> {
    match format(None, Some(content_type)).ok()? {
        Some(found) if found != than => Some(page::name(found)),
        None if matches!(than, Format::OpenMetrics | Format::Json) => Some("Prometheus text"),
        _ => None,
    }
}
