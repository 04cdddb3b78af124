//! Whether processes with different pages take turns behind a URL, as replicas behind a Service do.

use std::collections::HashSet;

/// The maximum number of processes that can be distinguished by the content of their pages, each seen twice.
const PROCESSES: usize = 4;

/// What distinguishes the page of one process from that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageMark {
    /// `process_start_time_seconds`, in bits, if the page has one.
    pub process: Option<u64>,
    /// A hash of the parts that rules use, including values.
    pub content: u64,
}

/// The latest pages of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns {
    /// The newest last.
    recent: Vec<PageMark>,
    seen: bool,
}

impl Turns {
    /// Records a page; returns whether it shows that processes take turns, and whether it is the first that does.
    pub(crate) fn note(&mut self, mark: PageMark) -> Option<FirstTurn> {
        let taken = match (self.recent.last(), mark.process) {
            // One that started earlier is no restart, and one that was there before neither.
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
        taken.then_some(FirstTurn(first))
    }

    /// Whether with this page the last pages are twice the same sequence of different ones.
    fn repeats(&self, period: usize, content: u64) -> bool {
        let pages: Vec<u64> = self.recent.iter().map(|mark| mark.content).chain([content]).collect();
        let Some(last) = pages.len().checked_sub(2 * period).and_then(|from| pages.get(from..)) else { return false };
        let (first, second) = last.split_at(period);
        let distinct: HashSet<&u64> = first.iter().collect();
        first == second && distinct.len() == period
    }
}

/// Whether a turn is the first that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstTurn(pub bool);

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(pages: &[(Option<f64>, u64)]) -> Vec<bool> {
        let mut turns = Turns::default();
        pages
            .iter()
            .map(|&(process, content)| turns.note(PageMark { process: process.map(f64::to_bits), content }).is_some())
            .collect()
    }

    #[test]
    fn tells_turns_from_changes() {
        for (pages, expected) in [
            // Replicas: the start of the process tells at once.
            (
                &[(Some(1.0), 1), (Some(2.0), 2), (Some(1.0), 3), (Some(1.0), 4), (Some(2.0), 5)][..],
                &[false, false, true, false, true][..],
            ),
            // Four of them: one that started earlier tells.
            (&[(Some(1.0), 1), (Some(2.0), 2), (Some(3.0), 3), (Some(1.5), 4)], &[false, false, false, true]),
            // A restart.
            (&[(Some(1.0), 1), (Some(2.0), 1), (Some(2.0), 1), (Some(3.0), 1)], &[false; 4]),
            // Without it, the same two pages in turn.
            (&[(None, 80), (None, 20), (None, 80), (None, 20), (None, 80)], &[false, false, false, true, true]),
            (
                &[(None, 80), (None, 20), (None, 30), (None, 80), (None, 20), (None, 30)],
                &[false, false, false, false, false, true],
            ),
            // A value that goes up and down.
            (&[(None, 1), (None, 2), (None, 1), (None, 1), (None, 2), (None, 3), (None, 2)], &[false; 7]),
            (&[(None, 1), (None, 1), (None, 1), (None, 1)], &[false; 4]),
        ] {
            assert_eq!(turns(pages), expected, "{pages:?}");
        }
    }

    #[test]
    fn tells_the_first() {
        let mut turns = Turns::default();
        let told = [2.0, 3.0, 2.0, 3.0]
            .map(|process: f64| turns.note(PageMark { process: Some(f64::to_bits(process)), content: 0 }));
        assert_eq!(told, [None, None, Some(FirstTurn(true)), Some(FirstTurn(false))]);
    }
}
