//! A rule on a source with a `url`: one page for the request, expanded from the URL template.

use std::sync::Arc;

use super::active_rule::ActiveRule;
use super::failure::{About, Failure};
use super::freshness::Freshness;
use super::subject::Subject;
use super::trace::{Event, Trace};
use super::{over_time, page_members};
use crate::config::model::SelectorMode;
use crate::kube::custom_metrics::MetricValue;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::url_template::{Placeholder, Values};
use crate::source::error::SourceError;
use crate::source::page::Page;
use crate::source::page_request::PageRequest;
use crate::source::waiting::{AllowedWaits, Waiting};

/// The values of the objects that the page describes, and how long they stay valid if that depends on the page alone.
pub(super) fn answer(
    subject: &Subject<'_>,
    waits: AllowedWaits,
    freshness: &mut Option<Freshness>,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let request = expand(subject)?;
    trace.record(|| Event::Url { url: request.to_string() });
    if let Some(sampling) = &subject.served.sampling {
        return over_time::of_page(subject, sampling, waits, trace);
    }
    let page = fetch(subject.served, &subject.about(), &request, waits, trace)?;
    let values = page_members::answer(subject, &page, waits, trace)?;
    let is_listed = subject.request.path.name == ObjectName::All
        && subject.served.upstream.source().label_selector == SelectorMode::Kubernetes
        && !subject.request.label_selector.is_everything();
    if !is_listed && trace.left_out().is_empty() {
        let times = values.iter().map(|value| value.timestamp.millis());
        *freshness = Freshness::of_page(subject.served, &page, times, subject.services.shared.clock().now());
    }
    Ok(values)
}

/// The failure of a page that was fetched in the background too long ago: it shows neither the current values nor that
/// one is missing.
pub(super) const OUTLIVED: &str = "its last refresh is older than maxAge allows";

/// Fetches the page of this request.
pub(super) fn fetch(
    served: &ActiveRule,
    about: &About<'_>,
    request: &PageRequest,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Arc<Page>, Failure> {
    let waiting = Waiting::Source(served.upstream.index());
    match served.upstream.page(request, &served.want, waits.wait_for(waiting)) {
        Ok(page) if served.upstream.is_stale(page.at, served.rule.max_age) => Err(about.page(&OUTLIVED)),
        Ok(page) => {
            trace.record(|| Event::Page { summary: page.summary() });
            Ok(page)
        }
        Err(SourceError::WouldWait) => Err(Failure::WouldWait(waiting)),
        Err(error) => {
            trace.record(|| Event::FetchFailed { error: error.clone() });
            Err(about.source(&error))
        }
    }
}

/// The page request for this metric request.
fn expand(subject: &Subject<'_>) -> Result<PageRequest, Failure> {
    let source = subject.served.upstream.source();
    let MetricPath { namespace, resource, name, metric, .. } = subject.request.path;
    let (name, selector) = match name {
        ObjectName::One(name) => (Some(name.as_str()), String::new()),
        ObjectName::All if source.uses(Placeholder::Name) => {
            let why = "its source has one page an object, so * is not served; ask for one by name";
            return Err(subject.about().bad_request(&why));
        }
        ObjectName::All => (None, subject.request.label_selector.to_string()),
    };
    // The URL of a Namespace object is expanded with its own name as the namespace.
    let namespace = if resource == "namespaces" { name } else { namespace.as_deref() };
    let values = Values { namespace, resource, name, metric, label_selector: &selector };
    PageRequest::expand(source, &values).map_err(|error| subject.about().bad_request(&error))
}
