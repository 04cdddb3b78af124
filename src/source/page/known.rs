//! The series of a page that was read last, by which the next one is read faster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metriclet_exposition::KnownSeries;

use super::Format;

/// The series of one of a source's pages. Pods of one workload mostly serve the same.
#[derive(Debug)]
pub struct KnownPage {
    known: Mutex<Known>,
    /// The bytes of those of all sources, and the most of them.
    taken: Arc<AtomicUsize>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    series: Option<(Format, Arc<KnownSeries>)>,
    /// How many pages had few of them since it was noted.
    strangers: u32,
    /// How many are to pass before another page is noted.
    patience: u32,
}

/// After this many pages with few known series, another page is noted. The number doubles each time, because pods of
/// several programs may alternate.
const STRANGERS: u32 = 8;

/// The largest such number.
const MOST_STRANGERS: u32 = 4_096;

impl KnownPage {
    /// Creates an empty one. `taken` counts the bytes of all known pages, at most `most`.
    pub(crate) fn new(taken: Arc<AtomicUsize>, most: usize) -> Self {
        Self { known: Mutex::default(), taken, most }
    }

    /// The series of a page of this format.
    pub(super) fn of(&self, format: Format) -> Option<Arc<KnownSeries>> {
        let known = self.lock();
        known.series.as_ref().filter(|(of, _)| *of == format).map(|(_, series)| series.clone())
    }

    /// Whether the next page is to be noted.
    pub(super) fn is_to_be_noted(&self) -> bool {
        let mut known = self.lock();
        let is_due = known.strangers >= known.patience;
        if is_due {
            // One of the pages that are read at once.
            known.strangers = 0;
            known.patience = (2 * known.patience).clamp(STRANGERS, MOST_STRANGERS);
        }
        is_due
    }

    /// Notes a page.
    pub(super) fn note(&self, format: Format, series: KnownSeries) {
        let mut known = self.lock();
        self.give_back(known.series.take());
        let more = |taken: usize| Some(taken + series.cost()).filter(|taken| *taken <= self.most);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            known.series = Some((format, Arc::new(series)));
        }
    }

    fn give_back(&self, series: Option<(Format, Arc<KnownSeries>)>) {
        let cost = series.map_or(0, |(_, series)| series.cost());
        self.taken.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Tells how many of a page's samples were known.
    pub(super) fn tell(&self, recognized: u64, samples: u64) {
        if recognized < samples / 2 {
            self.lock().strangers += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KnownPage {
    fn drop(&mut self) {
        let series = self.lock().series.take();
        self.give_back(series);
    }
}

#[cfg(test)]
mod tests {
    use metriclet_exposition::{ExpositionLimits, Parser};

    use super::*;

    fn series() -> KnownSeries {
        let limits = ExpositionLimits { line: 100 };
        let mut parser = Parser::new(metriclet_exposition::Format::Prometheus, limits).noting(10_000);
        parser.feed(b"up 1\n", &mut ()).unwrap();
        parser.noted().unwrap()
    }

    #[test]
    fn another_page_is_noted_after_many_strangers() {
        let known = KnownPage::new(Arc::default(), 10_000);
        let noted = |pages: u32| {
            (0..pages).filter(|_| {
                let is_noted = known.is_to_be_noted();
                known.tell(1, 4);
                is_noted
            })
        };
        assert_eq!(noted(1).count(), 1);
        assert_eq!(noted(1 + STRANGERS).count(), 1);
        // Ever more rarely, but never never.
        let (first, last) = (noted(100 * MOST_STRANGERS).count(), noted(100 * MOST_STRANGERS).count());
        assert!(first > last && last == 100, "{first}, {last}");
        known.lock().strangers = 0;
        (0..100 * MOST_STRANGERS).for_each(|_| known.tell(2, 4));
        assert!(!known.is_to_be_noted());
    }

    #[test]
    fn all_together_have_a_bound() {
        let taken = Arc::new(AtomicUsize::new(0));
        let one = series().cost();
        let sources = [(); 3].map(|()| KnownPage::new(taken.clone(), 2 * one));
        for source in &sources {
            source.note(Format::Prometheus, series());
            source.note(Format::Prometheus, series());
        }
        let known = |source: &KnownPage| source.of(Format::Prometheus).is_some();
        assert_eq!((sources.each_ref().map(known), taken.load(Ordering::Relaxed)), ([true, true, false], 2 * one));
        assert!(sources[0].of(Format::OpenMetrics).is_none());
        drop(sources);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
