//! How another adapter does: its last answer, its last failure, and since when.

use std::time::Instant;

use super::error::ForwardError;
use crate::telemetry::clock::Now;

/// After so many failures in a row it is away.
const FAILURES: u32 = 2;

/// How an adapter does. Times without a type are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterState {
    pub last_answer: Option<i64>,
    pub last_error: Option<(i64, ForwardError)>,
    /// Since when all requests were answered, or none.
    pub since: Option<i64>,
    failures: u32,
    failed: Option<Instant>,
}

/// What a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Fails,
    Answers,
}

impl AdapterState {
    /// Whether its last request failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Since when it is away, if it is.
    pub(super) fn away(&self) -> Option<Instant> {
        self.failed.filter(|_| self.failures >= FAILURES)
    }

    pub(super) fn note(&mut self, outcome: Result<(), &ForwardError>, now: Now) -> Change {
        let was_failing = self.is_failing();
        match outcome {
            Ok(()) => {
                self.last_answer = Some(now.unix_millis);
                (self.failures, self.failed) = (0, None);
            }
            Err(error) => {
                self.last_error = Some((now.unix_millis, error.clone()));
                (self.failures, self.failed) = (self.failures.saturating_add(1), Some(now.monotonic));
            }
        }
        if was_failing != self.is_failing() || self.since.is_none() {
            self.since = Some(now.unix_millis);
        }
        match (was_failing, self.is_failing()) {
            (false, true) => Change::Fails,
            (true, false) => Change::Answers,
            _ => Change::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_away_after_two_failures() {
        let now = Now { monotonic: Instant::now(), unix_millis: 5 };
        let mut state = AdapterState::default();
        for (outcome, change, away) in [
            (Ok(()), Change::Nothing, false),
            (Err(&ForwardError::Code(502)), Change::Fails, false),
            (Err(&ForwardError::Code(502)), Change::Nothing, true),
            (Err(&ForwardError::Code(502)), Change::Nothing, true),
            (Ok(()), Change::Answers, false),
            (Err(&ForwardError::Code(502)), Change::Fails, false),
        ] {
            assert_eq!(state.note(outcome, now), change);
            assert_eq!(state.away().is_some(), away);
        }
    }
}
