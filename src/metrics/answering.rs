//! Answers requests by rules: computes the values for the entries of a request.

use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::active_rule::ActiveRule;
use super::answer;
use super::entries::Entry;
use super::external::ExternalSubject;
use super::failure::{Failure, MetricReference};
use super::objects::Objects;
use super::request::{ExternalRequest, ExternalValues, MetricRequest, MetricValues};
use super::rules::{ExternalEntry, Rules};
use super::scrape::Scraper;
use super::several;
use super::subject::{Services, Subject};
use super::trace::Trace;
use super::unavailable;
use crate::config::model::ObjectKind;
use crate::kube::kinds;
use crate::parse::path::MetricPath;
use crate::promql::Bindings;
use crate::source::shared::Shared;
use crate::source::waiting::AllowedWaits;
use crate::telemetry::clock::SteadyClock;

/// Everything that rules need to answer.
#[derive(Clone, Debug)]
pub(super) struct Answering {
    pub(super) shared: Arc<Shared>,
    pub(super) objects: Arc<OnceCell<Objects>>,
    pub(super) scraper: Arc<Scraper>,
    pub(super) steady: SteadyClock,
}

impl Answering {
    /// The values of objects, computed by these entries of the rules.
    pub(super) fn objects(
        &self,
        rules: &Rules,
        entries: Vec<Entry>,
        request: MetricRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<MetricValues, Failure> {
        let mut answer = |entry| {
            let (served, kind) = rule(rules, request.path, entry)?;
            let subject = Subject { request, served: &served, kind: &kind, services: self.services() };
            let served = subject.bound()?;
            let subject = Subject { served: &served, ..subject };
            answer::answer(&subject, waits, trace)
                .or_else(|failure| unavailable::answer(&subject, failure, waits, trace))
        };
        match <[Entry; 1]>::try_from(entries) {
            Ok([entry]) => answer(entry),
            Err(entries) => several::join(request, entries.into_iter().map(answer)),
        }
    }

    /// The values of an external metric.
    pub(super) fn external(
        &self,
        rules: &Rules,
        request: ExternalRequest<'_>,
        waits: AllowedWaits,
        trace: &mut Trace,
    ) -> Result<ExternalValues, Failure> {
        let metric = MetricReference::External(request.path);
        match rules.find_external(&request.path.metric) {
            ExternalEntry::Rule(served) => {
                let bindings = Bindings { namespace: Some(&request.path.namespace), ..Bindings::default() };
                let served = served.bound(&bindings, self.shared.limits().expression.regex);
                let served = served.map_err(|error| Failure::BadRequest(format!("{metric}: {error}")))?;
                ExternalSubject { request, served: &served, services: self.services() }.answer(waits, trace)
            }
            ExternalEntry::Broken(problem) => Err(Failure::Unavailable(format!("{metric}: {problem}"))),
            ExternalEntry::Unknown => {
                let hint = match rules.resources_of(&request.path.metric).as_slice() {
                    [] => String::new(),
                    resources => format!(
                        "; there are rules for {}, which an HPA asks for by type Pods or Object",
                        resources.join(", ")
                    ),
                };
                Err(Failure::NotFound(format!("{metric}: no rule is configured for it{hint}")))
            }
        }
    }

    fn services(&self) -> Services<'_> {
        let Self { shared, objects, scraper, steady } = self;
        Services { shared, objects: objects.get(), scraper, steady: *steady, moment: None }
    }
}

fn rule(rules: &Rules, path: &MetricPath, entry: Entry) -> Result<(Arc<ActiveRule>, Arc<ObjectKind>), Failure> {
    match entry {
        Entry::Rule(served, kind) if kind.namespaced == path.namespace.is_some() => Ok((served, kind)),
        Entry::Rule(_, kind) => Err(Failure::NotFound(format!(
            "{}: {} are {}",
            MetricReference::Objects(path),
            kind.resource,
            if kind.namespaced { "in namespaces, and the path names none" } else { "not in namespaces" }
        ))),
        Entry::Broken(problem) => Err(Failure::Unavailable(format!("{}: {problem}", MetricReference::Objects(path)))),
        Entry::Unknown => {
            let hint = match (rules.resources_of(&path.metric).as_slice(), kinds::suggest(&path.resource)) {
                ([], _) if rules.has_external(&path.metric) => {
                    "; there is an external metric of this name, which an HPA asks for by type External".to_owned()
                }
                ([], Some(plural)) if plural.resource != path.resource => {
                    format!("; the resource may be meant as {}", plural.resource)
                }
                ([], _) => String::new(),
                (resources, _) => format!("; there are rules for {}", resources.join(", ")),
            };
            Err(Failure::NotFound(format!("{}: no rule is configured for it{hint}", MetricReference::Objects(path))))
        }
    }
}
