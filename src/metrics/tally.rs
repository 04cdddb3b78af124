//! The outcome for all pods of a request.

use super::failure::Failure;
use super::outcome::{Verdict, nothing_left};
use super::subject::Subject;
use super::targets::SkippedTarget;
use super::trace::Trace;
use crate::kube::custom_metrics::MetricValue;
use crate::parse::path::ObjectName;
use crate::source::error::SourceError;

/// The outcome for all pods of a request.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) items: Vec<MetricValue>,
    pub(super) left_out: Vec<Verdict>,
    pub(super) unusable: Vec<Failure>,
    pub(super) failed: Vec<SourceError>,
    pub(super) skipped: Vec<SkippedTarget>,
}

impl Tally {
    /// Whether each pod has a value.
    pub(super) fn is_whole(&self) -> bool {
        self.left_out.is_empty() && self.unusable.is_empty() && self.failed.is_empty() && self.skipped.is_empty()
    }

    /// The values, or one reason why there are none; equal tallies have equal reasons. Counts the pods that are left
    /// out.
    pub(super) fn finish(self, subject: &Subject<'_>, trace: &mut Trace) -> Result<Vec<MetricValue>, Failure> {
        let about = subject.about();
        if subject.request.path.name == ObjectName::All {
            let reasons = self.left_out.iter().map(Verdict::as_str);
            let reasons = reasons.chain(self.failed.iter().map(|_| "pod_failed"));
            let reasons = reasons.chain(self.unusable.iter().map(|_| "page_refused"));
            for reason in reasons.chain(self.skipped.iter().map(|reason| reason.label())) {
                subject.services.shared.counters().left_out(reason);
                trace.leave_out(reason);
            }
        }
        if !self.items.is_empty() {
            return Ok(self.items);
        }
        if let Some(error) = self.failed.iter().min_by_key(ToString::to_string) {
            return Err(about.source(error));
        }
        if let Some(failure) = self.unusable.into_iter().min_by_key(ToString::to_string) {
            return Err(failure);
        }
        match nothing_left(self.left_out) {
            Some(Verdict::Refuse(reason)) => return Err(about.refused(&reason)),
            Some(Verdict::Missing(reason)) => return Err(about.missing(&reason)),
            Some(Verdict::Serve(_)) | None => {}
        }
        match self.skipped.iter().min() {
            Some(reason) => Err(about.page(&format_args!("no pod to scrape: {}", reason.as_str()))),
            None => Err(about.no_object()),
        }
    }
}
