//! Makes the report from the current state of rules, sources and counters, without a fetch.

use std::sync::Arc;

use super::adapters;
use super::answers::{AnswerLog, Answers, Point};
use super::fixes;
use super::hpa_lister::HpaList;
use super::ids;
use super::report::{
    AdapterStatus, Count, ErrorStatus, PodWatchStatus, ProcessStatus, Report, RequestStatus, RuleStatus, SourceStatus,
    UrlStatus,
};
use super::served_hpas::ServedHpas;
use crate::config::limits::{Limits, StatusLimits};
use crate::config::model::{DescribedObject, Target};
use crate::kube::meta::Time;
use crate::metrics::active_rule::ActiveRule;
use crate::metrics::listing::ListedRule;
use crate::metrics::rules::Rules;
use crate::parse::path::{self, ApiPath, ObjectName};
use crate::parse::sort::sort_by;
use crate::source::state::UrlState;
use crate::source::upstream::Upstream;
use crate::telemetry::clock::Now;
use crate::telemetry::counters::Counters;
use crate::telemetry::pod_watches::PodWatchGauges;
use crate::telemetry::process::Process;

const DAY: i64 = 24 * 60 * 60;

/// The current rules, sources, answers and HPAs.
pub(super) fn rules_and_sources(
    rules: &Rules,
    answers: &AnswerLog,
    hpas: Option<&HpaList>,
    limits: &Limits,
    now: Now,
) -> Report {
    let listed = rules.listing();
    let mut statuses: Vec<RuleStatus> = listed.iter().map(rule).collect();
    let ids = ids::ids(&listed.iter().map(|rule| rule.metric).collect::<Vec<_>>());
    statuses.iter_mut().zip(ids).for_each(|(status, id)| status.id = id);
    let mut unserved = Vec::new();
    let mut adapters: Vec<AdapterStatus> = adapters::all(rules);
    for (target, answers, points) in answers.all(now) {
        let Ok(path) = path::parse(target.split('?').next().unwrap_or_default(), limits.request.path) else {
            continue;
        };
        let request = request(target, &path, answers, points);
        if let Some(group) = rules.forwards_to(&path) {
            let adapter = adapters.iter_mut().find(|adapter| adapter.group == group.as_str());
            adapter.into_iter().for_each(|adapter| adapter.requests.push(request.clone()));
            continue;
        }
        let serving = rules.of_path(&path);
        let is_its = |rule: &ListedRule<'_>| match rule.served {
            Some(served) => serving.iter().any(|one| Arc::ptr_eq(one, served)),
            None => serving.is_empty() && is_about(rule, &path),
        };
        match statuses.iter_mut().zip(&listed).find(|(_, listed)| is_its(listed)) {
            Some((status, _)) => status.requests.push(request),
            None if serving.is_empty() => unserved.push(request),
            None => {}
        }
    }
    let hpas = hpas.map(|list| ServedHpas::new(rules, &listed, &statuses).of(list, limits.status.hpas));
    let sources = rules.upstreams().iter().map(source).collect();
    Report { rules: statuses, unserved, hpas, adapters, sources, ..Report::default() }
}

/// The state of the process.
pub(super) fn process(counters: &Counters, started: Now, limits: &StatusLimits, now: Now) -> ProcessStatus {
    let process = Process::read();
    let expires = i64::try_from(counters.connections.certificate_expires.get()).ok().filter(|expires| *expires != 0);
    let days_left = expires.map(|expires| (expires - now.unix_millis / 1000).div_euclid(DAY));
    let count = |(name, count): (&str, u64)| Count { name: name.to_owned(), count };
    let mut refused: Vec<Count> = counters.connections.refused().map(count).collect();
    for (name, attempts) in [("authentication", &counters.authentication), ("authorization", &counters.authorization)] {
        let [_, failed, unknown] = attempts.all();
        refused.push(Count { name: format!("{name} failed"), count: failed });
        refused.push(Count { name: format!("{name} not reviewed"), count: unknown });
    }
    refused.push(Count { name: "overloaded".to_owned(), count: counters.overloaded.get() });
    refused.retain(|refused| refused.count > 0);
    ProcessStatus {
        version: env!("CARGO_PKG_VERSION"),
        time: Some(Time::from_millis(now.unix_millis)),
        started: Some(Time::from_millis(started.unix_millis)),
        resident_bytes: process.resident_bytes,
        threads: process.threads,
        queued: counters.queued.get(),
        connections: counters.connections.open().map(count).collect(),
        refused,
        pod_watches: counters.pod_watches.all().into_iter().map(pod_watch).collect(),
        certificate_expires: expires.map(Time),
        certificate_days_left: days_left,
        is_certificate_expiring: days_left.is_some_and(|days| days < limits.certificate_days),
    }
}

fn pod_watch((namespace, gauges): (String, Arc<PodWatchGauges>)) -> PodWatchStatus {
    let contact = i64::try_from(gauges.contact()).ok().filter(|contact| *contact != 0);
    PodWatchStatus {
        namespace,
        state: gauges.watch_state().as_str(),
        pods: gauges.pods.get(),
        last_contact: contact.map(Time::from_millis),
    }
}

fn rule(listed: &ListedRule<'_>) -> RuleStatus {
    let served: Option<&ActiveRule> = listed.served.map(|served| &**served);
    let object = |object: &&DescribedObject| match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    };
    let mut resources: Vec<String> = listed.resources.iter().map(|resource| (*resource).to_owned()).collect();
    sort_by(&mut resources, String::cmp);
    RuleStatus {
        id: String::new(),
        metric: listed.metric.to_owned(),
        is_external: listed.is_external,
        resources,
        objects: listed.described.iter().map(object).collect(),
        source: served.map(|served| served.upstream.source().name.clone()),
        value: served.map(|served| served.rule.value.to_string()),
        line: served.map(|served| served.rule.line).filter(|line| *line != 0),
        problem: listed.problem.map(str::to_owned),
        shadow: None,
        requests: Vec::new(),
    }
}

/// Whether a broken rule is for the metric in a path.
fn is_about(rule: &ListedRule<'_>, path: &ApiPath) -> bool {
    match path {
        ApiPath::Metric(path) => {
            let is_of = |resource: &&str| **resource == path.resource;
            rule.metric == path.metric && (rule.resources.is_empty() || rule.resources.iter().any(is_of))
        }
        ApiPath::External(path) => rule.is_external && rule.metric.eq_ignore_ascii_case(&path.metric),
        _ => false,
    }
}

fn request(target: String, path: &ApiPath, answers: Answers, history: Vec<Point>) -> RequestStatus {
    let (namespace, object) = match path {
        ApiPath::Metric(path) => {
            let is_namespace = path.resource == "namespaces";
            let namespace = if is_namespace { Some(path.name.as_str().to_owned()) } else { path.namespace.clone() };
            let object = match &path.name {
                ObjectName::All => format!("all {}", path.resource),
                ObjectName::One(name) => format!("{}/{name}", path.resource),
            };
            (namespace, Some(object))
        }
        ApiPath::External(path) => (Some(path.namespace.clone()), None),
        _ => (None, None),
    };
    let left_out = |(reason, count): &(&'static str, u32)| Count { name: (*reason).to_owned(), count: (*count).into() };
    let value = answers.value.as_ref();
    RequestStatus {
        path: target,
        namespace,
        object,
        client: answers.client.as_str(),
        asked: Time::from_millis(answers.asked),
        value: value.map(|value| value.value),
        items: value.map_or(0, |value| value.items),
        measured: value.map(|value| Time::from_millis(value.at)),
        left_out: value.map(|value| value.left_out.iter().map(left_out).collect()).unwrap_or_default(),
        error: answers.error.map(|error| ErrorStatus {
            time: Time::from_millis(error.at),
            code: Some(error.code),
            fix: fixes::fix(&error.message),
            message: error.message,
        }),
        history,
    }
}

fn source(upstream: &Arc<Upstream>) -> SourceStatus {
    let source = upstream.source();
    let fetches = upstream.fetches();
    let (succeeded, failed) = (fetches.succeeded.get(), fetches.failed.get());
    let answered = fetches.pods_answered.get();
    let shown = |name: &str| match name.split_once('#') {
        Some((url, query)) if source.is_prometheus() => format!("{} {query}", plain(url)),
        _ => plain(name).to_owned(),
    };
    let mut urls: Vec<UrlStatus> = upstream.states().iter().map(|(name, state)| url(shown(name), state)).collect();
    // Failing URLs come first.
    sort_by(&mut urls, |a, b| (!a.is_failing, &a.url).cmp(&(!b.is_failing, &b.url)));
    SourceStatus {
        name: source.name.clone(),
        kind: match source.target {
            Target::Url(_) => "page",
            Target::Pods(_) => "pods",
            Target::Prometheus(_) => "prometheus",
        },
        fetched: succeeded,
        failed,
        cached: fetches.requests.get().saturating_sub(succeeded + failed),
        bytes: fetches.bytes.get(),
        pods_answered: answered,
        pods_joined: answered + fetches.pods_failed.get(),
        urls,
    }
}

/// A URL without its query, which may contain a key.
fn plain(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn url(url: String, state: &UrlState) -> UrlStatus {
    let error = state.last_error.as_ref().filter(|_| state.is_failing()).map(|(at, error)| {
        let message = error.to_string();
        ErrorStatus { time: Time::from_millis(*at), code: None, fix: fixes::fix(&message), message }
    });
    UrlStatus {
        url,
        is_failing: state.is_failing(),
        since: Time::from_millis(state.since),
        last_success: state.last_success.map(Time::from_millis),
        error,
        milliseconds: u64::try_from(state.last_page.took.as_millis()).unwrap_or(u64::MAX),
        bytes: state.last_page.bytes,
        samples: state.last_page.samples,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_certificate_that_expires_soon_is_a_problem() {
        let limits = StatusLimits::default();
        let alerts = include_str!("../../manifests/components/monitoring/prometheus-rule.yaml");
        let alert = format!(
            "metriclet_serving_certificate_expiration_timestamp_seconds > 0) - time() < {} * 24 * 60 * 60",
            limits.certificate_days
        );
        assert!(alerts.contains(&alert), "no alert has {alert}");
        let counters = Counters::default();
        let now = Now { monotonic: Instant::now(), unix_millis: 1_790_000_000_000 };
        let soon = 1_790_000_000 + 14 * 24 * 60 * 60;
        for (expires, days, failing) in
            [(0, None, 0), (soon, Some(14), 0), (soon - 1, Some(13), 1), (1_789_999_999, Some(-1), 1)]
        {
            counters.connections.certificate_expires.set(expires);
            let report = Report { process: process(&counters, now, &limits, now), ..Report::default() };
            assert_eq!((report.process.certificate_days_left, report.failing()), (days, failing), "{expires}");
        }
    }
}
