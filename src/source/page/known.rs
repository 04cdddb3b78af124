//! The series of an earlier page, with which later pages are parsed faster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metriclet_exposition::KnownSeries;

use super::Format;

/// The series of one of a source's pages. Pods of one workload mostly serve the same series.
#[derive(Debug)]
pub struct KnownPage {
    known: Mutex<Known>,
    /// The size of the known series of all sources in bytes, and its maximum.
    taken: Arc<AtomicUsize>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    series: Option<(Format, Arc<KnownSeries>)>,
    /// The number of pages with few known series since the page was recorded.
    unfamiliar: u32,
    /// The number of such pages after which another page is recorded.
    relearn_after: u32,
}

/// The first value of [`Known::relearn_after`]. It doubles each time, because pods of several programs may alternate.
const MIN_RELEARN_AFTER: u32 = 8;

/// The maximum of [`Known::relearn_after`].
const MAX_RELEARN_AFTER: u32 = 4_096;

impl KnownPage {
    /// No known series. `taken` counts the bytes of all known pages, at most `most`.
    pub(crate) fn new(taken: Arc<AtomicUsize>, most: usize) -> Self {
        Self { known: Mutex::default(), taken, most }
    }

    /// The series of a page of this format.
    pub(super) fn of(&self, format: Format) -> Option<Arc<KnownSeries>> {
        let known = self.lock();
        known.series.as_ref().filter(|(of, _)| *of == format).map(|(_, series)| series.clone())
    }

    /// Whether to record the next page.
    pub(super) fn should_record(&self) -> bool {
        let mut known = self.lock();
        let is_due = known.unfamiliar >= known.relearn_after;
        if is_due {
            // Only one of the pages that are parsed concurrently.
            known.unfamiliar = 0;
            known.relearn_after = (2 * known.relearn_after).clamp(MIN_RELEARN_AFTER, MAX_RELEARN_AFTER);
        }
        is_due
    }

    /// Records a page.
    pub(super) fn record(&self, format: Format, series: KnownSeries) {
        let mut known = self.lock();
        self.release(known.series.take());
        let more = |taken: usize| Some(taken + series.cost()).filter(|taken| *taken <= self.most);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            known.series = Some((format, Arc::new(series)));
        }
    }

    fn release(&self, series: Option<(Format, Arc<KnownSeries>)>) {
        let cost = series.map_or(0, |(_, series)| series.cost());
        self.taken.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Counts a page if few of its samples had known series.
    pub(super) fn count(&self, recognized: u64, samples: u64) {
        if recognized < samples / 2 {
            self.lock().unfamiliar += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KnownPage {
    fn drop(&mut self) {
        let series = self.lock().series.take();
        self.release(series);
    }
}

#[cfg(test)]
mod tests {
    use metriclet_exposition::{ExpositionLimits, Parser};

    use super::*;

    fn series() -> KnownSeries {
        let limits = ExpositionLimits { line: 100 };
        let mut parser = Parser::new(metriclet_exposition::Format::Prometheus, limits).recording_series(10_000);
        parser.feed(b"up 1\n", &mut ()).unwrap();
        parser.recorded().unwrap()
    }

    #[test]
    fn records_another_page_after_many_unknown_series() {
        let known = KnownPage::new(Arc::default(), 10_000);
        let recorded = |pages: u32| {
            (0..pages).filter(|_| {
                let is_recorded = known.should_record();
                known.count(1, 4);
                is_recorded
            })
        };
        assert_eq!(recorded(1).count(), 1);
        assert_eq!(recorded(1 + MIN_RELEARN_AFTER).count(), 1);
        // Less and less often, but never stops.
        let (first, last) = (recorded(100 * MAX_RELEARN_AFTER).count(), recorded(100 * MAX_RELEARN_AFTER).count());
        assert!(first > last && last == 100, "{first}, {last}");
        known.lock().unfamiliar = 0;
        (0..100 * MAX_RELEARN_AFTER).for_each(|_| known.count(2, 4));
        assert!(!known.should_record());
    }

    #[test]
    fn limits_all_pages_together() {
        let taken = Arc::new(AtomicUsize::new(0));
        let one = series().cost();
        let sources = [(); 3].map(|()| KnownPage::new(taken.clone(), 2 * one));
        for source in &sources {
            source.record(Format::Prometheus, series());
            source.record(Format::Prometheus, series());
        }
        let known = |source: &KnownPage| source.of(Format::Prometheus).is_some();
        assert_eq!((sources.each_ref().map(known), taken.load(Ordering::Relaxed)), ([true, true, false], 2 * one));
        assert!(sources[0].of(Format::OpenMetrics).is_none());
        drop(sources);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
