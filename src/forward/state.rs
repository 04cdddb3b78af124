//! The state of another adapter: its last answer, its last failure, and since when.

use std::time::Instant;

use super::error::ForwardError;
use crate::telemetry::clock::Now;

/// The number of failures in a row after which an adapter is away.
const FAILURES: u32 = 2;

/// The state of an adapter. Integer times are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterState {
    pub last_answer: Option<i64>,
    pub last_error: Option<(i64, ForwardError)>,
    /// Since when all requests have succeeded, or all have failed.
    pub since: Option<i64>,
    failures: u32,
    failed: Option<Instant>,
}

/// The change that a request caused.
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

    /// Since when it has been away, if it is.
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
