//! One request to a configuration that is loaded here, as `get` and `explain` make it.

use std::thread;
use std::time::{Duration, Instant};

use crate::api::message::{Reply, Request};
use crate::api::{Answer, Api};
use crate::config::limits::Limits;
use crate::metrics::trace::{Event, Trace};
use crate::source::waiting::Patience;
use crate::telemetry::clock::Clock;

/// Between two questions, with `--wait`.
const MOMENT: Duration = Duration::from_millis(250);

/// Requests a target, and again for so long while the answer is 503.
pub(super) fn ask(api: &Api, target: &str, wait: Duration, limits: &Limits, clock: &Clock) -> (Reply, Trace) {
    let until = Instant::now() + wait;
    loop {
        let mut trace = Trace::on();
        let reply = answer(api, target, limits, clock, &mut trace);
        // Without a rule that can answer, as when it is invalid, nothing changes by waiting.
        let has_rule = trace.events().iter().any(|event| matches!(event, Event::Rule { .. } | Event::Forwarded { .. }));
        if reply.code != 503 || !has_rule || Instant::now() >= until {
            return (reply, trace);
        }
        thread::sleep(MOMENT.min(until.saturating_duration_since(Instant::now())));
    }
}

fn answer(api: &Api, target: &str, limits: &Limits, clock: &Clock, trace: &mut Trace) -> Reply {
    let (since, request) = (clock.now(), Request::get(target));
    let patience = Patience::until(since.monotonic + limits.answer.deadline);
    match api.answer(&request, patience, since, trace) {
        Answer::Reply(reply) => reply,
        Answer::WouldWait(waiting) => api.overloaded(&request, waiting, since),
    }
}

/// Names of objects and labels may come from a page: control characters are escaped.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}
