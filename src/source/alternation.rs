//! Detects processes with different pages that alternate behind a URL, such as replicas behind a Service.

use std::collections::HashSet;

/// The maximum number of processes that can be distinguished by the content of their pages, each seen twice.
const PROCESSES: usize = 4;

/// The mark that distinguishes the page of one process from that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageMark {
    /// `process_start_time_seconds`, in bits, if the page has one.
    pub process: Option<u64>,
    /// A hash of the parts that rules use, including values.
    pub content: u64,
}

/// The latest pages of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alternation {
    /// The newest last.
    recent: Vec<PageMark>,
    seen: bool,
}

impl Alternation {
    /// Records a page; returns whether it shows that processes alternate, and whether it is the first that does.
    pub(crate) fn note(&mut self, mark: PageMark) -> Option<FirstAlternation> {
        let taken = match (self.recent.last(), mark.process) {
            // A process that started earlier, or that was seen before, is not a restart.
            (Some(PageMark { process: Some(last), .. }), Some(process)) => {
                let (last, process) = (f64::from_bits(*last), f64::from_bits(process));
                let was_there = || self.recent.iter().any(|earlier| earlier.process == mark.process);
                process != last && (process < last || was_there())
            }
            (_, None) => (2..=PROCESSES).any(|period| self.repeats(period, mark.content)),
            _ => false,
        };
        if self.recent.len() == 2 * PROCESSES - 1 {
            self.recent.remove(0);
        }
        self.recent.push(mark);
        let first = taken && !self.seen;
        self.seen |= taken;
        taken.then_some(FirstAlternation(first))
    }

    /// Whether the last pages, including this one, are the same sequence of different pages twice.
    fn repeats(&self, period: usize, content: u64) -> bool {
        let pages: Vec<u64> = self.recent.iter().map(|mark| mark.content).chain([content]).collect();
        let Some(last) = pages.len().checked_sub(2 * period).and_then(|from| pages.get(from..)) else { return false };
        let (first, second) = last.split_at(period);
        let distinct: HashSet<&u64> = first.iter().collect();
        first == second && distinct.len() == period
    }
}

/// Whether this is the first detected alternation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstAlternation(pub bool);

#[cfg(test)]
mod tests {
    use super::*;

    fn alternation(pages: &[(Option<f64>, u64)]) -> Vec<bool> {
        let mut alternation = Alternation::default();
        pages
            .iter()
            .map(|&(process, content)| {
                alternation.note(PageMark { process: process.map(f64::to_bits), content }).is_some()
            })
            .collect()
    }

    #[test]
    fn distinguishes_alternating_from_changing_pages() {
        for (pages, expected) in [
            // Replicas: the start time of the process shows it immediately.
            (
                &[(Some(1.0), 1), (Some(2.0), 2), (Some(1.0), 3), (Some(1.0), 4), (Some(2.0), 5)][..],
                &[false, false, true, false, true][..],
            ),
            // Four replicas: an earlier start time shows it.
            (&[(Some(1.0), 1), (Some(2.0), 2), (Some(3.0), 3), (Some(1.5), 4)], &[false, false, false, true]),
            // A restart.
            (&[(Some(1.0), 1), (Some(2.0), 1), (Some(2.0), 1), (Some(3.0), 1)], &[false; 4]),
            // Without start times: two alternating pages.
            (&[(None, 80), (None, 20), (None, 80), (None, 20), (None, 80)], &[false, false, false, true, true]),
            (
                &[(None, 80), (None, 20), (None, 30), (None, 80), (None, 20), (None, 30)],
                &[false, false, false, false, false, true],
            ),
            // A value that increases and decreases.
            (&[(None, 1), (None, 2), (None, 1), (None, 1), (None, 2), (None, 3), (None, 2)], &[false; 7]),
            (&[(None, 1), (None, 1), (None, 1), (None, 1)], &[false; 4]),
        ] {
            assert_eq!(alternation(pages), expected, "{pages:?}");
        }
    }

    #[test]
    fn reports_the_first_alternation() {
        let mut alternation = Alternation::default();
        let told = [2.0, 3.0, 2.0, 3.0]
            .map(|process: f64| alternation.note(PageMark { process: Some(f64::to_bits(process)), content: 0 }));
        assert_eq!(told, [None, None, Some(FirstAlternation(true)), Some(FirstAlternation(false))]);
    }
}
