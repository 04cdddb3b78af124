//! The samples of one object, as data of an expression.

use crate::metrics::coverage::PodCount;
use crate::metrics::reason::MissingReason;
use crate::parse::duration::millis;
use crate::promql::evaluate::{Data, Element, Sample, Series, Times};
use crate::promql::{Expr, NAME_LABEL, VectorSelector};
use crate::source::error::SourceError;
use crate::source::page::{Refusal, Unmatched};

/// Why an object could not be sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum ScrapeError {
    /// The page could not be fetched.
    Failed(SourceError),
    /// The rule could not use the page.
    Refused(Refusal),
    /// Too few of several pods served a usable page; the reason as text.
    NotWhole(String),
}

/// The sampling of one object, as it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When it was sampled, milliseconds, oldest first.
    pub times: Vec<i64>,
    /// Why the last attempt failed.
    pub scrape_error: Option<ScrapeError>,
    /// Selectors of the rule that matched nothing on the last page, with suggestions.
    pub unmatched: Vec<Unmatched>,
    /// For joined pages, how many pods responded the last time.
    pub pods: Option<PodCount>,
    /// All samples that are still needed.
    pub series: Vec<StoredSeries>,
}

/// A series, and when it last occurred on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSeries {
    /// Milliseconds; one of [`Snapshot::times`].
    pub seen: i64,
    /// Its samples may have their own times.
    pub series: Series,
}

/// The sampling of an object as data of an expression.
pub(crate) struct SnapshotData<'a> {
    selectors: Vec<&'a VectorSelector>,
    expr: &'a Expr,
    snapshot: &'a Snapshot,
    /// From the clock of samples to Unix time.
    shift: i64,
}

impl Snapshot {
    /// The time span of the samples in the last `range` milliseconds before `end`; `None` without any.
    pub fn span(&self, range: i64, end: i64) -> Option<i64> {
        let mut within = self.times.iter().filter(|at| **at > end.saturating_sub(range) && **at <= end);
        let first = within.next()?;
        Some(within.next_back().unwrap_or(first) - first)
    }

    /// Its age if series come and go with their pods: that of the oldest current series; series that have ended do not
    /// count.
    pub(crate) fn at(&self) -> Option<i64> {
        let last = self.times.last()?;
        let there = self.series.iter().filter(|kept| kept.seen == *last);
        Some(there.filter_map(|kept| kept.series.samples.last()).map(|sample| sample.at).min().unwrap_or(*last))
    }
}

impl<'a> SnapshotData<'a> {
    /// For this expression; `shift` leads from the clock of samples to Unix time.
    pub(crate) fn new(expr: &'a Expr, snapshot: &'a Snapshot, shift: i64) -> Self {
        Self { selectors: expr.selectors().collect(), expr, snapshot, shift }
    }

    /// Why the expression returns nothing at the time `now`; `pairs` are those of its selectors that need two samples.
    pub(crate) fn nothing(&self, pairs: &[&VectorSelector], now: i64) -> MissingReason {
        let is_pair = |selector: &VectorSelector, series: &Series| {
            let end = now.saturating_sub(millis(selector.offset));
            let start = end.saturating_sub(selector.range.map_or(i64::MAX, millis));
            series.samples.iter().filter(|sample| sample.at > start && sample.at <= end).nth(1).is_some()
        };
        let all = || self.snapshot.series.iter().map(|kept| &kept.series);
        let is_there = |selector: &VectorSelector| all().any(|series| picks(selector, series));
        if !self.selectors.iter().any(|selector| is_there(selector)) {
            return MissingReason::NoSeries;
        }
        let too_few = |selector: &&VectorSelector| {
            is_there(selector) && !all().any(|series| picks(selector, series) && is_pair(selector, series))
        };
        if pairs.iter().any(too_few) {
            return MissingReason::TooFewSamples;
        }
        let has_bounds = all().any(|series| series.labels.get("le").is_some());
        MissingReason::left_nothing(self.expr, is_there, has_bounds)
    }

    fn picked(&self, selector: usize) -> impl Iterator<Item = &StoredSeries> {
        let selector = self.selectors.get(selector).copied();
        self.snapshot.series.iter().filter(move |kept| selector.is_some_and(|selector| picks(selector, &kept.series)))
    }
}

/// Whether a selector picks a series.
pub(crate) fn picks(selector: &VectorSelector, series: &Series) -> bool {
    let name = series.labels.get(NAME_LABEL).unwrap_or_default();
    selector.matches(name, |label| series.labels.get(label).map(Into::into))
}

impl Data for SnapshotData<'_> {
    /// The samples of the last time before it at which the object was sampled; a series that was not on that page is
    /// missing.
    fn instant(&self, selector: usize, at: i64) -> Vec<Element> {
        let times = &self.snapshot.times;
        let Some(scraped) = times.iter().rev().find(|time| **time <= at) else { return Vec::new() };
        let next = times.iter().find(|time| *time > scraped);
        // The pages of several pods are sampled one by one, from the time of their round on.
        let of_round = |sample: &Sample| sample.at >= *scraped && next.is_none_or(|next| sample.at < *next);
        let of_then = |StoredSeries { seen, series }: &StoredSeries| {
            let Sample { at, value } = *series.samples.iter().rev().find(|sample| sample.at <= at)?;
            // A sample with its own time may be older than the page that it was on.
            let present = if next.is_none() {
                seen == scraped
            } else if self.snapshot.pods.is_some() {
                series.samples.iter().any(of_round)
            } else {
                at >= *scraped || times.binary_search(&at).is_err()
            };
            present.then(|| Element { labels: series.labels.clone(), value, times: Times::of(at) })
        };
        self.picked(selector).filter_map(of_then).collect()
    }

    fn unix(&self, at: i64) -> i64 {
        at.saturating_add(self.shift)
    }

    fn seen(&self, now: i64) -> i64 {
        self.snapshot.times.last().map_or(now, |last| now.min(*last))
    }

    fn range(&self, selector: usize) -> Vec<Series> {
        self.picked(selector).map(|kept| kept.series.clone()).collect()
    }
}
