//! Whether processes with different pages take turns behind a URL, as replicas behind a Service do.

/// As many pages as tell a pattern from a change: two processes, each twice.
const REMEMBERED: usize = 3;

/// What tells the page of one process from that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageMark {
    /// `process_start_time_seconds`, in bits, if the page has one.
    pub process: Option<u64>,
    /// A hash of what rules want of it, values included.
    pub content: u64,
}

/// The pages of a URL of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns {
    /// The newest last.
    recent: Vec<PageMark>,
    seen: bool,
}

impl Turns {
    /// Notes a page; says whether it shows that processes take turns, and whether it is the first that does.
    pub(crate) fn note(&mut self, mark: PageMark) -> Option<FirstTurn> {
        let taken = match (self.recent.as_slice(), mark.process) {
            // One that was there before is back.
            ([.., last], Some(process)) => {
                last.process.is_some_and(|last| last != process)
                    && self.recent.iter().any(|earlier| earlier.process == Some(process))
            }
            (&[a, b, c], None) => mark.content == b.content && a.content == c.content && mark.content != c.content,
            _ => false,
        };
        if self.recent.len() == REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(mark);
        let first = taken && !self.seen;
        self.seen |= taken;
        taken.then_some(FirstTurn(first))
    }
}

/// Whether a turn is the first that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstTurn(pub bool);

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(pages: &[(Option<u64>, u64)]) -> Vec<bool> {
        let mut turns = Turns::default();
        pages.iter().map(|&(process, content)| turns.note(PageMark { process, content }).is_some()).collect()
    }

    #[test]
    fn tells_turns_from_changes() {
        for (pages, expected) in [
            // Replicas: the start of the process tells at once.
            (
                &[(Some(1), 1), (Some(2), 2), (Some(1), 3), (Some(1), 4), (Some(2), 5)][..],
                &[false, false, true, false, true][..],
            ),
            // A restart.
            (&[(Some(1), 1), (Some(2), 1), (Some(2), 1), (Some(3), 1)], &[false; 4]),
            // Without it, the same two pages in turn.
            (&[(None, 80), (None, 20), (None, 80), (None, 20), (None, 80)], &[false, false, false, true, true]),
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
        let told = [1, 2, 1, 2].map(|process| turns.note(PageMark { process: Some(process), content: 0 }));
        assert_eq!(told, [None, None, Some(FirstTurn(true)), Some(FirstTurn(false))]);
    }
}
