//! Answers a request from a configuration in this process, for `get` and `explain`.

use std::thread;
use std::time::{Duration, Instant};

use crate::api::message::{Reply, Request};
use crate::api::{Answer, Api};
use crate::config::limits::Limits;
use crate::metrics::trace::{Event, Trace};
use crate::source::waiting::AllowedWaits;
use crate::telemetry::clock::Clock;

/// The time between two requests with `--wait`.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Requests a target, and retries for up to `wait` while the answer is 503.
pub(super) fn local_answer(api: &Api, target: &str, wait: Duration, limits: &Limits, clock: &Clock) -> (Reply, Trace) {
    let until = Instant::now() + wait;
    loop {
        let mut trace = Trace::on();
        let reply = answer(api, target, limits, clock, &mut trace);
        // If no rule can answer, as when the rule is invalid, a retry cannot succeed.
        let has_rule = trace.events().iter().any(|event| matches!(event, Event::Rule { .. } | Event::Forwarded { .. }));
        if reply.code != 503 || !has_rule || Instant::now() >= until {
            return (reply, trace);
        }
        thread::sleep(RETRY_INTERVAL.min(until.saturating_duration_since(Instant::now())));
    }
}

fn answer(api: &Api, target: &str, limits: &Limits, clock: &Clock, trace: &mut Trace) -> Reply {
    let (since, request) = (clock.now(), Request::get(target));
    let waits = AllowedWaits::until(since.monotonic + limits.answer.deadline);
    match api.answer(&request, waits, since, trace) {
        Answer::Reply(reply) => reply,
        Answer::WouldWait(waiting) => api.overloaded(&request, waiting, since),
    }
}

/// Escapes control characters, because names of objects and labels may come from a page.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}
