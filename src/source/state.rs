//! The state of each URL of a source: last success, last error, and since when. Each change is logged once.

use std::collections::HashMap;

use super::error::SourceError;
use super::turns::{FirstTurn, PageMark, Turns};
use crate::parse::sort::sort;

/// States by URL. Bounded: URLs whose last fetch is oldest are dropped first. The query of a URL may contain a secret.
#[derive(Debug)]
pub struct UrlStates {
    states: HashMap<String, UrlState>,
    max: usize,
}

/// The state of one URL. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlState {
    pub last_fetch: i64,
    /// Its last successful fetch.
    pub last_success: Option<i64>,
    /// Its last failed fetch, and why it failed.
    pub last_error: Option<(i64, SourceError)>,
    /// Since when all its fetches have succeeded, or all have failed.
    pub since: i64,
    /// Whether processes take turns behind it.
    turns: Turns,
}

/// The change by a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing, or the first fetch succeeded.
    None,
    /// It failed after a success, or the first time.
    Failed,
    /// It succeeded after a failure.
    Recovered,
}

impl UrlState {
    /// Whether its last fetch failed.
    pub fn is_failing(&self) -> bool {
        self.last_success != Some(self.last_fetch)
    }
}

impl UrlStates {
    /// Remembers `max` URLs.
    pub fn new(max: usize) -> Self {
        Self { states: HashMap::new(), max }
    }

    /// Records the outcome of a fetch.
    pub fn note(&mut self, url: &str, now: i64, error: Option<&SourceError>) -> Change {
        let before = self.states.get(url).map(UrlState::is_failing);
        if before.is_none() {
            self.make_room();
            let turns = Turns::default();
            let unknown = UrlState { last_fetch: now, last_success: None, last_error: None, since: now, turns };
            self.states.insert(url.to_owned(), unknown);
        }
        let Some(state) = self.states.get_mut(url) else { return Change::None };
        state.last_fetch = now;
        let change = match (before, error) {
            (Some(true), None) => Change::Recovered,
            (None | Some(false), Some(_)) => Change::Failed,
            _ => Change::None,
        };
        if change != Change::None {
            state.since = now;
        }
        match error {
            None => state.last_success = Some(now),
            Some(error) => {
                state.last_error = Some((now, error.clone()));
                // If there are several fetches within one millisecond, the last one counts.
                state.last_success = state.last_success.filter(|at| *at != now);
            }
        }
        change
    }

    /// Records a page of a URL whose fetch has been recorded; returns whether it shows that processes take turns behind
    /// it.
    pub(crate) fn note_page(&mut self, url: &str, mark: PageMark) -> Option<FirstTurn> {
        self.states.get_mut(url)?.turns.note(mark)
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
    fn tells_changes_of_each_url_once() {
        let mut states = UrlStates::new(8);
        let error = SourceError::Busy;
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
            assert_eq!(states.note(url, now, error), expected, "{url} at {now}");
        }
        let state = states.iter().find(|(url, _)| *url == "a").unwrap().1.clone();
        let turns = Turns::default();
        let expected = UrlState { last_fetch: 5, last_success: Some(2), last_error: Some((5, error)), since: 4, turns };
        assert_eq!(state, expected);
        assert!(state.is_failing());
    }

    #[test]
    fn forgets_what_was_fetched_longest_ago() {
        let mut states = UrlStates::new(4);
        for (now, url) in [(1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "a"), (4, "e")] {
            states.note(url, now, None);
        }
        let mut urls: Vec<&str> = states.iter().map(|(url, _)| url).collect();
        urls.sort_unstable();
        assert_eq!(urls, ["a", "d", "e"]);
    }
}
