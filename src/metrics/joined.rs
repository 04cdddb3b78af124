//! The pages of several pods, joined into one: each series gets the labels of its pod.

use std::borrow::Cow;
use std::sync::Arc;

use super::active_rule::ActiveRule;
use super::coverage::Coverage;
use super::evaluation;
use super::member::Member;
use super::outcome::Finding;
use super::page_data::is_plain;
use super::page_members::{self, PageMembers};
use super::reason::{MissingReason, RefusalReason};
use super::select::Describes;
use super::target_labels::TargetLabels;
use super::targets::{self, PodTarget};
use super::trace::{Event, Trace};
use crate::cache::Wait;
use crate::config::model::{PodSet, Pods, Value};
use crate::kube::pod::Pod;
use crate::promql::evaluate::{Data, EachSeries, Element, Labels, Times, evaluate};
use crate::promql::{Expr, VectorSelector};
use crate::source::page::{Page, PageItem, Series};

/// The pages of pods.
pub(super) struct JoinedPages {
    /// The usable pages.
    pub(super) pages: Vec<(Arc<Page>, TargetLabels)>,
    pub(super) coverage: Coverage,
}

/// The series or values of joined pages for a rule.
pub(super) enum JoinedMembers<'p> {
    Series(Vec<JoinedSeries<'p>>),
    Items(Vec<Cow<'p, PageItem>>),
}

/// A series of the page of one pod.
pub(super) struct JoinedSeries<'p> {
    series: &'p Series,
    target: &'p TargetLabels,
    /// When its page was created.
    at: i64,
}

impl JoinedPages {
    /// Scrapes these pods of a set. `None` if a fetch is needed and the caller does not wait.
    pub(super) fn scrape(
        served: &ActiveRule,
        pods: &[&Pod],
        set: &PodSet,
        of: &Pods,
        wait: Wait,
        trace: &mut Trace,
    ) -> Option<Self> {
        let (mut readable, mut coverage) = (Vec::new(), Coverage::default());
        let (targets, skipped) = targets::pages(pods.iter().copied(), of);
        let urls: Vec<String> = targets.iter().map(PodTarget::url).collect();
        let pages = served.upstream.pages(&urls, &served.want, wait)?;
        for (pod, reason) in skipped {
            trace.record(|| Event::PodSkipped { pod: pod.name().to_owned(), reason });
            coverage.skip(pod, reason);
        }
        for ((target, url), page) in targets.iter().zip(&urls).zip(pages) {
            let (name, at) = (|| target.pod.name().to_owned(), || target.plain_url());
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    coverage.fail(&error);
                    trace.record(|| Event::PodFetchFailed { pod: name(), url: at(), error });
                    continue;
                }
            };
            trace.record(|| Event::PodPage { pod: name(), url: at(), summary: page.summary() });
            match page_members::found(served, &page) {
                Ok(members) => {
                    let lack = members.lack(&served.rule);
                    readable.push((lack, page, TargetLabels::of(target.pod, &set.namespace, url, of)));
                }
                Err(why) => coverage.fail(&why),
            }
        }
        // If some pages have the value, those without it would be missing from a sum.
        let is_there = readable.iter().any(|(lack, ..)| lack.is_none());
        let mut joined = Vec::with_capacity(readable.len());
        for (lack, page, target) in readable {
            match lack.filter(|_| is_there) {
                Some(why) => coverage.fail(&why),
                None => {
                    coverage.answer();
                    joined.push((page, target));
                }
            }
        }
        trace.record(|| Event::PodsJoined { count: coverage.count });
        Some(Self { pages: joined, coverage })
    }

    /// The series or values of the pages for a rule.
    pub(super) fn members(&self, served: &ActiveRule, trace: &mut Trace) -> JoinedMembers<'_> {
        let (mut series, mut items) = (Vec::new(), Vec::new());
        for (page, target) in &self.pages {
            match page_members::found(served, page) {
                Ok(PageMembers::Series(found)) => {
                    series.extend(found.into_iter().map(|series| JoinedSeries { series, target, at: page.at }));
                }
                Ok(PageMembers::Items(found)) => items.extend(found.into_iter().map(Cow::Borrowed)),
                Ok(PageMembers::Number(item)) => items.push(Cow::Owned(item)),
                Err(_) => {}
            }
        }
        if !items.is_empty() || matches!(served.rule.value, Value::Json(_) | Value::Text(_) | Value::Number) {
            return JoinedMembers::Items(items);
        }
        if trace.is_on() {
            let of_pages: Vec<&Series> = series.iter().map(|joined| joined.series).collect();
            page_members::record(served, &of_pages, trace);
        }
        JoinedMembers::Series(series)
    }
}

impl JoinedMembers<'_> {
    /// The number of series or values.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Series(series) => series.len(),
            Self::Items(items) => items.len(),
        }
    }
}

impl JoinedSeries<'_> {
    fn all_labels(&self) -> Labels {
        self.target.join_named(self.series.name(), self.series.labels().iter())
    }
}

impl Describes for JoinedSeries<'_> {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.target.get(key) {
            Some(value) => Some(Cow::Borrowed(value)),
            None if key.starts_with("exported_") => {
                let labels = self.target.join(self.series.labels().iter());
                labels.into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            None => self.series.label(key),
        }
    }

    fn labels(&self) -> Vec<Cow<'_, str>> {
        self.target.join(self.series.labels().iter()).into_iter().map(|(name, _)| name).collect()
    }
}

impl Member for JoinedSeries<'_> {
    const HAS_EXPRESSION: bool = true;

    fn evaluate(members: &[&Self], served: &ActiveRule, scraped: i64) -> Finding {
        let Value::Series(expr) = &served.rule.value else { return Finding::Unusable(RefusalReason::Several) };
        let data = JoinedData { labels: !is_plain(expr), ..JoinedData::new(expr, members) };
        match evaluate(expr, &data, scraped) {
            Ok(elements) if elements.is_empty() => Finding::Nothing(data.nothing(expr)),
            Ok(elements) => evaluation::one(&elements),
            Err(error) => Finding::Unusable(RefusalReason::Evaluation(error)),
        }
    }
}

/// Joined series as data of an expression.
pub(super) struct JoinedData<'a> {
    selectors: Vec<&'a VectorSelector>,
    series: &'a [&'a JoinedSeries<'a>],
    /// Whether the labels of its series are needed.
    labels: bool,
}

impl<'a> JoinedData<'a> {
    /// Creates the data of an expression that needs the labels of its series.
    pub(super) fn new(expr: &'a Expr, series: &'a [&'a JoinedSeries<'a>]) -> Self {
        Self { selectors: expr.selectors().collect(), series, labels: true }
    }

    /// Why the expression returns nothing.
    pub(super) fn nothing(&self, expr: &Expr) -> MissingReason {
        let is_there = |selector: &VectorSelector| self.picked(selector).next().is_some();
        if !self.selectors.iter().any(|selector| is_there(selector)) {
            return MissingReason::NoSeries;
        }
        let has_bounds = self.series.iter().any(|joined| joined.label("le").is_some());
        MissingReason::left_nothing(expr, is_there, has_bounds)
    }

    fn picked(&self, selector: &VectorSelector) -> impl Iterator<Item = &'a JoinedSeries<'a>> {
        let all = self.series.iter().copied();
        all.filter(move |joined| selector.matches(joined.series.name(), |label| joined.label(label)))
    }
}

impl Data for JoinedData<'_> {
    fn instant(&self, selector: usize, _: i64) -> Vec<Element> {
        let element = |joined: &JoinedSeries<'_>| Element {
            labels: if self.labels { joined.all_labels() } else { Labels::default() },
            value: joined.series.value(),
            times: Times::of(joined.series.timestamp().unwrap_or(joined.at)),
        };
        let selector = self.selectors.get(selector).copied();
        selector.into_iter().flat_map(|selector| self.picked(selector)).map(element).collect()
    }

    /// Pages have no earlier samples.
    fn range(&self, _: usize, _: EachSeries<'_>) {}
}
