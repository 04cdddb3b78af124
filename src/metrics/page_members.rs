//! The members of a fetched page that a rule selects.

use super::active_rule::ActiveRule;
use super::failure::{About, Failure};
use super::judgement::Scrape;
use super::outcome::Verdict;
use super::reason::MissingReason;
use super::select;
use super::subject::Subject;
use super::trace::{Event, Trace};
use super::wildcard;
use crate::config::model::{ObjectMapping, Rule, Target, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::pod::Pod;
use crate::parse::sort;
use crate::source::page::{Found, Page, PageItem, Series};
use crate::source::waiting::AllowedWaits;

/// What a page holds for a rule.
pub(super) enum PageMembers<'p> {
    Items(Vec<&'p PageItem>),
    Series(Vec<&'p Series>),
    Number(PageItem),
}

impl PageMembers<'_> {
    /// Why a page of JSON, YAML, CSV or text that lists no objects lacks a part of the rule's value. Series come and
    /// go with their labels, but such a page is that of another program, or of one that is not ready.
    pub(super) fn lack(&self, rule: &Rule) -> Option<MissingReason> {
        let Self::Items(items) = self else { return None };
        let has = |part| items.iter().any(|item| item.is_empty(part) || item.of_part(part).next().is_some());
        match (&rule.value, &rule.mapping) {
            (_, ObjectMapping::Items { .. } | ObjectMapping::External { items: Some(_), .. }) => None,
            (Value::Json(expr), _) => (!(0..expr.parts().len()).all(has)).then_some(MissingReason::NoValue),
            (Value::Text(expr), _) => (!expr.pattern.names_objects() && !has(0)).then_some(MissingReason::NoMatch),
            _ => None,
        }
    }
}

/// The values of the objects that a page describes.
pub(super) fn answer(
    subject: &Subject<'_>,
    page: &Page,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let (members, scrape) = (of_objects(subject, page, trace)?, scrape(subject.served, page));
    match members {
        PageMembers::Items(items) => wildcard::of_members(subject, &items, scrape, waits, trace),
        PageMembers::Series(series) => wildcard::of_members(subject, &series, scrape, waits, trace),
        PageMembers::Number(item) => wildcard::of_members(subject, &[&item], scrape, waits, trace),
    }
}

/// The verdict on the one object that the page of this pod describes.
pub(super) fn verdict(subject: &Subject<'_>, pod: &Pod, page: &Page, trace: &mut Trace) -> Result<Verdict, Failure> {
    let (members, name) = (of_objects(subject, page, trace)?, pod.name());
    let scrape = Scrape { pod: Some(pod), ..scrape(subject.served, page) };
    Ok(match members {
        PageMembers::Items(items) => subject.named_verdict(name, &items, scrape, trace),
        PageMembers::Series(series) => subject.named_verdict(name, &series, scrape, trace),
        PageMembers::Number(item) => subject.named_verdict(name, &[&item], scrape, trace),
    })
}

pub(super) fn scrape<'p>(served: &ActiveRule, page: &'p Page) -> Scrape<'p> {
    Scrape { unmatched: page.unmatched(served.want.id), ..Scrape::of_page(page.at) }
}

fn of_objects<'p>(subject: &Subject<'_>, page: &'p Page, trace: &mut Trace) -> Result<PageMembers<'p>, Failure> {
    let mut members = page_members(subject.served, &subject.about(), page, trace)?;
    // Without a rule, a namespace is described by the series that name no other object.
    if let PageMembers::Series(series) = &mut members
        && subject.served.implicit
        && subject.kind.resource == "namespaces"
    {
        series.retain(|series| !select::names_an_object(series));
    }
    Ok(members)
}

/// What a page holds for a rule.
pub(super) fn page_members<'p>(
    served: &ActiveRule,
    about: &About<'_>,
    page: &'p Page,
    trace: &mut Trace,
) -> Result<PageMembers<'p>, Failure> {
    if let Some(Found::Refused(refusal)) = page.found(served.want.id) {
        trace.record(|| Event::PageRefused { refusal: refusal.clone() });
    }
    let members = found(served, page).map_err(|why| about.page(&why))?;
    if let PageMembers::Series(series) = &members {
        record(served, series, trace);
    }
    Ok(members)
}

/// What a page holds for a rule.
///
/// # Errors
/// Why the rule cannot use the page, as text.
pub(super) fn found<'p>(served: &ActiveRule, page: &'p Page) -> Result<PageMembers<'p>, String> {
    match page.found(served.want.id) {
        None => Err("its page was read for other rules".to_owned()),
        // The page comes from a cache and is too old: it does not show the current values, nor that one is missing.
        Some(_) if page.age > served.rule.max_age => {
            Err("its page is older than maxAge allows, by its Age or Date header".to_owned())
        }
        Some(Found::Refused(refusal)) => Err(refusal.to_string()),
        Some(Found::Number(value)) => {
            Ok(PageMembers::Number(PageItem { values: vec![Ok(*value).into()], ..PageItem::default() }))
        }
        Some(Found::Items(items)) => Ok(PageMembers::Items(items.iter().collect())),
        Some(Found::Series(positions)) => Ok(PageMembers::Series(page.series(positions).collect())),
    }
}

/// Whether a label shows that its series counts requests for metrics, by the names that client libraries use.
fn is_scrape(label: &str, value: &str, path: &str) -> bool {
    let labels = ["handler", "path", "uri", "route", "endpoint", "url", "http_route", "url_path", "target"];
    let plain = |path: &str| path.trim_matches('/').to_owned();
    let value = plain(value);
    labels.contains(&label) && !value.is_empty() && (value == plain(path) || value == "metrics")
}

/// Records which series match, and which of them are counters whose raw value is served.
pub(super) fn record(served: &ActiveRule, series: &[&Series], trace: &mut Trace) {
    trace.record(|| {
        let types = sort::set(series.iter().filter_map(|series| series.kind().as_str()));
        Event::SeriesMatched { count: series.len(), types: types.into_iter().collect() }
    });
    let Value::Series(expr) = &served.rule.value else { return };
    if !trace.is_on() {
        return;
    }
    let path = match &served.upstream.source().target {
        Target::Pods(pods) => pods.path.as_str(),
        Target::Url(url) => url.fixed_path().unwrap_or("/metrics"),
        Target::Prometheus(_) => "/metrics",
    };
    let own =
        series.iter().find_map(|series| series.labels().iter().find(|(label, value)| is_scrape(label, value, path)));
    if let Some((label, value)) = own {
        trace.record(|| Event::OwnScrape { label: label.into_owned(), value: value.into_owned() });
    }
    let levels = expr.levels();
    let is_level = |series: &&&Series| {
        series.kind().is_counter(series.name())
            && levels.iter().any(|selector| selector.matches(series.name(), |label| series.label(label)))
    };
    let names = sort::set(series.iter().filter(is_level).map(|series| series.name()));
    for name in names {
        trace.record(|| Event::CounterAsLevel { name: name.to_owned() });
    }
}
