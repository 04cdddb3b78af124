//! The selectors in a query.

use super::failure::Failures;
use crate::config::limits::RequestLimits;
use crate::kube::status::Status;
use crate::parse::escape::Escaped;
use crate::parse::path::MetricPath;
use crate::parse::query::Query;
use crate::parse::selector::{Selector, SelectorLimits};

/// The selector of a parameter; without it, everything.
pub(super) fn selector(
    parameter: &str,
    text: Option<&str>,
    limits: &RequestLimits,
    failures: Failures,
) -> Result<Selector, Status> {
    let limits = SelectorLimits { bytes: limits.selector, requirements: limits.selector_requirements };
    Selector::parse(text.unwrap_or_default(), &limits)
        .map_err(|error| failures.bad_request(&format_args!("{parameter}: {error}")))
}

/// `fieldSelector` can only repeat the name in the path.
pub(super) fn check_field_selector(path: &MetricPath, query: &Query, failures: Failures) -> Result<(), Status> {
    let Some(selector) = query.field_selector.as_deref().filter(|selector| !selector.is_empty()) else {
        return Ok(());
    };
    let name = selector.strip_prefix("metadata.name=").map(|name| name.strip_prefix('=').unwrap_or(name));
    if name == Some(path.name.as_str()) {
        return Ok(());
    }
    let found = Escaped::new(selector);
    let why = format!("fieldSelector: expected metadata.name={}, found {found}", path.name.as_str());
    Err(failures.bad_request(&why))
}
