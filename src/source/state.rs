//! The state of each URL of a source: its last success, its last error, and when it last started to fail or recovered.
//! Each change is logged once.

use std::collections::HashMap;
use std::time::Duration;

use super::alternation::{Alternation, FirstAlternation, PageMark};
use super::error::SourceError;
use crate::parse::sort::sort;

/// States by URL. Bounded: URLs whose last fetch is oldest are dropped first. The query of a URL may contain a secret.
#[derive(Debug)]
pub struct UrlStates {
    states: HashMap<String, UrlState>,
    max: usize,
    /// The time at which states of deleted pods were last dropped.
    swept: i64,
}

/// The state of one URL. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlState {
    pub last_fetch: i64,
    /// Its last successful fetch.
    pub last_success: Option<i64>,
    /// The result of the last successful fetch.
    pub last_page: Fetched,
    /// Its last failed fetch, and why it failed.
    pub last_error: Option<(i64, SourceError)>,
    /// The time since which all fetches have succeeded, or all have failed.
    pub since: i64,
    /// Whether different processes alternate behind the URL.
    alternation: Alternation,
}

/// The result of a successful fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    pub took: Duration,
    /// The size of the body in bytes.
    pub bytes: u64,
    /// The number of samples, whether or not a rule uses them.
    pub samples: u64,
}

/// How a fetch changed the state of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No change, or the first fetch succeeded.
    None,
    /// The first fetch, or one after a success, failed.
    Failed,
    /// A fetch succeeded after a failure.
    Recovered,
}

impl UrlState {
    /// Whether the last fetch failed.
    pub fn is_failing(&self) -> bool {
        self.last_success != Some(self.last_fetch)
    }
}

impl UrlStates {
    /// States of at most `max` URLs.
    pub fn new(max: usize) -> Self {
        Self { states: HashMap::new(), max, swept: 0 }
    }

    /// Records the outcome of a fetch.
    pub fn note(&mut self, url: &str, now: i64, fetched: Result<Fetched, &SourceError>) -> Change {
        let before = self.states.get(url).map(UrlState::is_failing);
        if before.is_none() {
            self.make_room();
            let alternation = Alternation::default();
            let last_page = Fetched::default();
            let unknown =
                UrlState { last_fetch: now, last_success: None, last_page, last_error: None, since: now, alternation };
            self.states.insert(url.to_owned(), unknown);
        }
        let Some(state) = self.states.get_mut(url) else { return Change::None };
        state.last_fetch = now;
        let change = match (before, &fetched) {
            (Some(true), Ok(_)) => Change::Recovered,
            (None | Some(false), Err(_)) => Change::Failed,
            _ => Change::None,
        };
        if change != Change::None {
            state.since = now;
        }
        match fetched {
            Ok(page) => (state.last_success, state.last_page) = (Some(now), page),
            Err(error) => {
                state.last_error = Some((now, error.clone()));
                // If there are several fetches within one millisecond, the last one counts.
                state.last_success = state.last_success.filter(|at| *at != now);
            }
        }
        change
    }

    /// Records a page of a URL whose fetch has been recorded; returns whether it shows that processes alternate behind
    /// the URL.
    pub(crate) fn note_page(&mut self, url: &str, mark: PageMark) -> Option<FirstAlternation> {
        self.states.get_mut(url)?.alternation.note(mark)
    }

    /// Drops URLs that have not been fetched for `keep` milliseconds, such as those of deleted pods.
    pub(crate) fn sweep(&mut self, now: i64, keep: i64) {
        // Works even if the clock was set back.
        if !(0..=keep / 4).contains(&now.saturating_sub(self.swept)) {
            self.swept = now;
            self.states.retain(|_, state| state.last_fetch >= now.saturating_sub(keep));
        }
    }

    /// All URLs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &UrlState)> {
        self.states.iter().map(|(url, state)| (url.as_str(), state))
    }

    /// Drops the older half, so that scans are rare.
    fn make_room(&mut self) {
        if self.states.len() < self.max {
            return;
        }
        let mut urls: Vec<(i64, String)> =
            self.states.iter().map(|(url, state)| (state.last_fetch, url.clone())).collect();
        sort(&mut urls);
        for (_, url) in urls.iter().take(self.max.div_ceil(2)) {
            self.states.remove(url);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_change_of_a_url_once() {
        let mut states = UrlStates::new(8);
        let error = SourceError::Busy;
        let page = Fetched { took: Duration::from_millis(7), bytes: 8, samples: 9 };
        for (now, url, error, expected) in [
            (1, "a", None, Change::None),
            (1, "b", Some(&error), Change::Failed),
            (2, "a", None, Change::None),
            (2, "b", Some(&error), Change::None),
            (3, "b", None, Change::Recovered),
            (3, "b", Some(&error), Change::Failed),
            (4, "a", Some(&error), Change::Failed),
            (5, "a", Some(&error), Change::None),
        ] {
            assert_eq!(states.note(url, now, error.map_or(Ok(page), Err)), expected, "{url} at {now}");
        }
        let state = states.iter().find(|(url, _)| *url == "a").unwrap().1.clone();
        let alternation = Alternation::default();
        let expected = UrlState {
            last_fetch: 5,
            last_success: Some(2),
            last_page: page,
            last_error: Some((5, error)),
            since: 4,
            alternation,
        };
        assert_eq!(state, expected);
        assert!(state.is_failing());
    }

    #[test]
    fn removes_urls_that_are_no_longer_fetched() {
        let mut states = UrlStates::new(8);
        states.sweep(900, 100);
        for (now, url) in [(1_000, "a"), (1_020, "b"), (1_100, "b")] {
            states.note(url, now, Ok(Fetched::default()));
            states.sweep(now, 100);
        }
        assert_eq!(states.iter().count(), 2, "as long as it is kept");
        states.sweep(1_110, 100);
        assert_eq!(states.iter().count(), 2, "and until the next look");
        states.sweep(1_130, 100);
        assert_eq!(states.iter().map(|(url, _)| url).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn evicts_the_least_recently_fetched() {
        let mut states = UrlStates::new(4);
        for (now, url) in [(1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "a"), (4, "e")] {
            states.note(url, now, Ok(Fetched::default()));
        }
        let mut urls: Vec<&str> = states.iter().map(|(url, _)| url).collect();
        urls.sort_unstable();
        assert_eq!(urls, ["a", "d", "e"]);
    }
}
