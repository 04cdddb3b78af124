//! The samples of one object, as data of an expression.

use std::cell::Cell;

use super::snapshot::Snapshot;
use crate::metrics::reason::MissingReason;
use crate::parse::duration::millis;
use crate::promql::evaluate::{Block, Data, EachSeries, Element, Labels, Sample, Times};
use crate::promql::{Expr, NAME_LABEL, VectorSelector, Window};

/// An expression that is evaluated over the samples of one object or of many.
pub(crate) struct SnapshotQuery<'e> {
    expr: &'e Expr,
    selectors: Vec<&'e VectorSelector>,
    /// Whether its only selector picks all that is stored.
    is_picked: bool,
    /// Holds the samples of a series while they are read.
    scratch: Cell<Vec<Sample>>,
}

/// The samples of an object as data of an expression.
pub(crate) struct SnapshotData<'a> {
    query: &'a SnapshotQuery<'a>,
    snapshot: &'a Snapshot,
    /// The positions of the series to evaluate; `None` for all.
    chosen: Option<&'a [u32]>,
    /// The difference from the clock of samples to Unix time.
    shift: i64,
}

/// A series of a snapshot.
#[derive(Clone, Copy)]
struct Stored<'a> {
    labels: &'a Labels,
    /// When it last occurred on a page; one of the snapshot's times.
    seen: i64,
    /// The samples, which may have their own times.
    samples: &'a [Sample],
}

impl<'e> SnapshotQuery<'e> {
    /// `is_its_own`: all samples are stored for this expression alone, because it has no placeholders.
    pub(crate) fn new(expr: &'e Expr, is_its_own: bool) -> Self {
        let selectors: Vec<&VectorSelector> = expr.selectors().collect();
        let is_picked = is_its_own && selectors.len() == 1;
        Self { expr, selectors, is_picked, scratch: Cell::default() }
    }

    pub(crate) fn expr(&self) -> &'e Expr {
        self.expr
    }

    /// The data of the expression; `shift` is the difference from the clock of samples to Unix time.
    pub(crate) fn over<'a>(&'a self, snapshot: &'a Snapshot, shift: i64) -> SnapshotData<'a> {
        SnapshotData { query: self, snapshot, chosen: None, shift }
    }
}

impl<'a> SnapshotData<'a> {
    /// Restricts the data to the series at these positions; `None` for all.
    pub(crate) fn of(self, chosen: Option<&'a [u32]>) -> Self {
        Self { chosen, ..self }
    }

    /// The time of the samples if series come and go with their pods: that of the oldest current series. Series that have
    /// ended do not count.
    pub(crate) fn at(&self) -> Option<i64> {
        let last = *self.snapshot.times.last()?;
        let mut oldest = None;
        self.each(|series| {
            if let Some(sample) = series.samples.last().filter(|_| series.seen == last) {
                oldest = Some(oldest.map_or(sample.at, |oldest: i64| oldest.min(sample.at)));
            }
        });
        Some(oldest.unwrap_or(last))
    }

    /// Why the expression returns nothing at the time `now`; `pairs` are those of its selectors that need two samples.
    pub(crate) fn nothing(&self, pairs: &[&VectorSelector], now: i64) -> MissingReason {
        let is_there = |selector: &VectorSelector| self.any(|series| picks(selector, series.labels));
        if !self.query.selectors.iter().any(|selector| is_there(selector)) {
            return MissingReason::NoSeries;
        }
        let is_pair = |selector: &VectorSelector, samples: &[Sample]| {
            let end = now.saturating_sub(millis(selector.offset));
            let start = end.saturating_sub(selector.range.map_or(i64::MAX, millis));
            samples.iter().filter(|sample| sample.at > start && sample.at <= end).nth(1).is_some()
        };
        let too_few = |selector: &&VectorSelector| {
            let has_pair = |series: Stored<'_>| picks(selector, series.labels) && is_pair(selector, series.samples);
            is_there(selector) && !self.any(has_pair)
        };
        if pairs.iter().any(too_few) {
            return MissingReason::TooFewSamples;
        }
        let has_bounds = self.any(|series| series.labels.get("le").is_some());
        MissingReason::left_nothing(self.query.expr, is_there, has_bounds)
    }

    /// Whether a counter that one of these selectors picks resets more than once within its range: then several processes
    /// may alternate, and their counters cannot be combined.
    pub(crate) fn resets_often(&self, counters: &[&VectorSelector], now: i64) -> bool {
        let resets = |samples: &[Sample], window: Window| {
            let end = now.saturating_sub(millis(window.offset));
            let start = end.saturating_sub(millis(window.range));
            let within = samples.iter().filter(|sample| sample.at > start && sample.at <= end);
            let after = within.clone().skip(1);
            within.zip(after).filter(|(before, after)| after.value < before.value).count()
        };
        counters.iter().any(|selector| {
            let Some(window) = selector.window() else { return false };
            self.any(|series| picks(selector, series.labels) && resets(series.samples, window) > 1)
        })
    }

    fn each(&self, mut each: impl FnMut(Stored<'_>)) {
        self.any(|series| {
            each(series);
            false
        });
    }

    fn any(&self, mut is_so: impl FnMut(Stored<'_>) -> bool) -> bool {
        let mut scratch = self.query.scratch.take();
        let mut look = |at: usize| {
            let Some(labels) = self.snapshot.labels(at) else { return false };
            let (seen, samples) = self.snapshot.read(at, &mut scratch);
            is_so(Stored { labels, seen, samples })
        };
        let found = match self.chosen {
            Some(chosen) => chosen.iter().any(|at| look(*at as usize)),
            None => (0..self.snapshot.series()).any(look),
        };
        self.query.scratch.set(scratch);
        found
    }

    fn each_picked(&self, selector: usize, mut each: impl FnMut(Stored<'_>)) {
        let Some(selector) = self.query.selectors.get(selector) else { return };
        self.each(|series| {
            if self.query.is_picked || picks(selector, series.labels) {
                each(series);
            }
        });
    }
}

/// Whether a selector picks a series.
fn picks(selector: &VectorSelector, labels: &Labels) -> bool {
    let name = labels.get(NAME_LABEL).unwrap_or_default();
    selector.matches(name, |label| labels.get(label).map(Into::into))
}

impl Data for SnapshotData<'_> {
    /// The samples of the last page up to `at`; a series that was not on that page is missing.
    fn instant(&self, selector: usize, at: i64) -> Vec<Element> {
        let times = &self.snapshot.times;
        let Some(scraped) = times.iter().rev().find(|time| **time <= at) else { return Vec::new() };
        let next = times.iter().find(|time| *time > scraped);
        // The pages of several pods are sampled one by one, starting at the time of their round.
        let of_round = |sample: &Sample| sample.at >= *scraped && next.is_none_or(|next| sample.at < *next);
        let of_then = |Stored { labels, seen, samples }: Stored<'_>| {
            let Sample { at, value } = *samples.iter().rev().find(|sample| sample.at <= at)?;
            // A sample with its own time may be older than the page that it was on.
            let present = if next.is_none() {
                seen == *scraped
            } else if self.snapshot.pods.is_some() {
                samples.iter().any(of_round)
            } else {
                at >= *scraped || times.binary_search(&at).is_err()
            };
            present.then(|| Element { labels: labels.clone(), value, times: Times::of(at) })
        };
        let mut elements = Vec::new();
        self.each_picked(selector, |series| elements.extend(of_then(series)));
        elements
    }

    fn unix(&self, at: i64) -> i64 {
        at.saturating_add(self.shift)
    }

    fn seen(&self, now: i64) -> i64 {
        self.snapshot.times.last().map_or(now, |last| now.min(*last))
    }

    fn range(&self, selector: usize, each: EachSeries<'_>) {
        self.each_picked(selector, |series| each(series.labels, series.samples));
    }

    fn block(&self, _: usize) -> Option<Block<'_>> {
        if self.query.is_picked && self.chosen.is_none() { self.snapshot.block() } else { None }
    }
}
