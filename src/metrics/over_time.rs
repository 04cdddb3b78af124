//! Values that look back: pods are sampled in the background, and a value is made of the samples that are there.

use std::sync::Arc;
use std::time::Instant;

use super::evaluate::{self, Labels};
use super::history::{OfPast, Seen, Trouble, View};
use super::objects::Objects;
use super::outcome::{Fault, Finding, Number, Verdict};
use super::pods::{Outcome, page, plain};
use super::request::Request;
use super::rules::{Past, Served};
use super::scrape::Selected;
use super::select;
use super::trace::Trace;
use crate::cluster::objects::Selection;
use crate::config::model::{Target, Value};
use crate::kube::pod::Pod;
use crate::parse::duration;
use crate::parse::expression::NAME_LABEL;
use crate::parse::path::ObjectName;
use crate::source::cache::Wait;
use crate::source::page::Found;
use crate::source::upstream::Shared;
use crate::telemetry::clock::Steady;

/// The values of these pods, each with the address of its page.
pub(super) fn answer(
    request: &Request<'_>,
    past: &Past,
    pods: &[(&Pod, String)],
    outcome: &mut Outcome,
    trace: &mut Trace,
) {
    let (selector, name) = match &request.ask.path.name {
        ObjectName::All => (request.ask.label_selector.to_string(), None),
        ObjectName::One(name) => (String::new(), Some(name.clone())),
    };
    let namespace = request.ask.path.namespace.clone();
    let selected = Selected { namespace, label_selector: selector, name };
    let room = request.scraper.ask(request.served, selected, past.interval);
    trace.note("range", || {
        format!("looks back {}, sampled every {}", duration::format(past.range), duration::format(past.interval))
    });
    for (pod, url) in pods {
        let (name, owner) = (&pod.metadata.name, format!("#{}", pod.owner()));
        let one = Request { owner: &owner, ..*request };
        let seen = past.history.seen(&object(pod, request.ask.path.namespace.as_deref()), &pod.owner());
        trace.note("samples", || format!("{name}: {}, {}", plain(url), seen.describe()));
        let mut trouble = None;
        let finding = match seen {
            _ if !room => Finding::Unusable(Fault::NoRoom(request.shared.limits().sampled)),
            Seen::Full(most) => Finding::Unusable(Fault::NoRoom(most)),
            Seen::Nothing => Finding::Unusable(Fault::Gathering),
            Seen::View(mut view) => {
                trouble = view.trouble.take();
                of_view(request, past, view)
            }
        };
        match (one.judge(name, finding, request.shared.clock().now().unix_millis, trace), trouble) {
            (Verdict::Serve(value), _) => outcome.items.push(request.item(name, value)),
            // What is too little, is so because of this.
            (_, Some(Trouble::Failed(error))) => outcome.failed.push(error),
            (_, Some(Trouble::Refused(refusal))) => outcome.unusable.push(request.about().page(&refusal)),
            (verdict, None) => outcome.left_out.push(verdict),
        }
    }
}

/// The value of one pod, from its samples.
fn of_view(request: &Request<'_>, past: &Past, mut view: View) -> Finding {
    let Value::Series(expr) = &request.served.rule.value else { return Finding::Unusable(Fault::Several) };
    let now = request.shared.clock().now();
    let steady = request.steady.at(now.monotonic);
    let range = i64::try_from(past.range.as_millis()).unwrap_or(i64::MAX);
    if view.span(range, steady).is_none_or(|span| span < range / 2) {
        return Finding::Unusable(Fault::Gathering);
    }
    let selector = request.ask.metric_selector;
    if !selector.is_everything() {
        view.series.retain(|series| select::matches_labels(selector, |key| series.labels.get(key)));
    }
    let elements = match evaluate::evaluate(expr, &OfPast::new(expr, &view), steady) {
        Ok(elements) => elements,
        Err(error) => return Finding::Unusable(Fault::Evaluation(error)),
    };
    // Samples are timed by a clock that is never set; what is served, by the other one.
    let shift = now.unix_millis - steady;
    match evaluate::one(&elements) {
        Finding::Number(number) => {
            Finding::Number(Number { at: number.at + shift, newest: number.newest + shift, ..number })
        }
        finding => finding,
    }
}

/// Samples the pods of one selection.
pub(super) fn sample(
    served: &Arc<Served>,
    selected: &Selected,
    objects: Option<&Objects>,
    shared: &Shared,
    steady: Steady,
    now: Instant,
) {
    let (Some(objects), Some(past)) = (objects, &served.past) else { return };
    let Target::Pods(of) = &served.upstream.source().target else { return };
    let wait = Wait::Until(now + shared.limits().answer);
    let selection = Selection {
        namespace: selected.namespace.as_deref(),
        label_selector: &selected.label_selector,
        name: selected.name.as_deref(),
    };
    let Ok(list) = objects.pods(selection, wait, now) else { return };
    let pods: Vec<(&Pod, String)> =
        list.iter().flatten().filter_map(|pod| page(pod, of).ok().map(|url| (pod, url))).collect();
    let urls: Vec<String> = pods.iter().map(|(_, url)| url.clone()).collect();
    for ((pod, _), page) in pods.iter().zip(served.upstream.pages(&urls, &served.want, wait).unwrap_or_default()) {
        let (object, owner) = (object(pod, selected.namespace.as_deref()), pod.owner());
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                past.history.fail(&object, &owner, steady.at(now), Trouble::Failed(error));
                continue;
            }
        };
        let positions = match page.found(served.want.id) {
            Some(Found::Series(positions)) => positions,
            Some(Found::Refused(refusal)) => {
                past.history.fail(&object, &owner, steady.at(now), Trouble::Refused(refusal.clone()));
                continue;
            }
            _ => continue,
        };
        let Some(taken) = page.taken else { continue };
        let samples = page.series(positions).map(|series| {
            let name = std::iter::once((NAME_LABEL, std::borrow::Cow::Borrowed(series.name())));
            (Labels::new(name.chain(series.labels().iter())), series.value())
        });
        past.history.observe(&object, &owner, steady.at(taken), samples);
    }
    past.history.prune(steady.at(shared.clock().now().monotonic));
}

fn object(pod: &Pod, namespace: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), pod.metadata.name)
}
