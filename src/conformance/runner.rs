//! Runs the checks one after the other.

use super::check::{Check, Finding, Timing};
use super::checks;
use super::exchange::Exchange;
use super::facts::Facts;
use super::limits;
use super::session::{Server, Session};

/// A check and its result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) check: &'static Check,
    pub(crate) finding: Finding,
}

/// Sets a value; an error says why that failed.
pub(crate) type Hook<'a> = dyn Fn(&str) -> Result<(), String> + 'a;

/// The environment that checks need in addition to the server.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    /// Sets a value.
    pub(crate) hook: Option<&'a Hook<'a>>,
    /// Waits between two attempts.
    pub(crate) pause: &'a dyn Fn(),
}

/// Runs the checks whose IDs start with one of `wanted`, or all checks if it is empty.
pub(crate) fn run<S: Server>(
    session: &mut Session<S>,
    facts: &Facts,
    environment: Environment<'_>,
    wanted: &[String],
) -> Vec<Row> {
    let is_wanted =
        |check: &&Check| wanted.is_empty() || wanted.iter().any(|start| check.id.starts_with(start.as_str()));
    let chosen: Vec<_> = checks::all().filter(is_wanted).collect();
    let mut rows: Vec<Option<Row>> = chosen.iter().map(|_| None).collect();
    // Checks over all exchanges run last, but are reported in order.
    for last in [false, true] {
        for (check, row) in chosen.iter().zip(&mut rows) {
            if (check.timing == Timing::Last) == last {
                *row = Some(Row { check, finding: make(session, facts, environment, check) });
            }
        }
    }
    rows.into_iter().flatten().collect()
}

fn make<S: Server>(session: &mut Session<S>, facts: &Facts, environment: Environment<'_>, check: &Check) -> Finding {
    let attempts = match check.timing {
        Timing::Last => return (check.judge)(facts, session.log()),
        Timing::Once => 1,
        Timing::Repeated => limits::ATTEMPTS,
        Timing::Hooked(_) => (limits::SETTLE.as_millis() / limits::PAUSE.as_millis()) as usize,
    };
    if let Err(why) = (check.plan)(facts) {
        return Finding::Skipped(why);
    }
    let mut facts = facts.clone();
    if let (Timing::Hooked(value), Some(hook)) = (check.timing, environment.hook) {
        facts.hooked = Some(value);
        if let Err(why) = hook(value) {
            return Finding::Fails(why);
        }
    }
    let mut finding = once(session, &facts, check);
    for _ in 1..attempts {
        if !matches!(finding, Finding::Fails(_)) {
            break;
        }
        (environment.pause)();
        finding = once(session, &facts, check);
    }
    finding
}

fn once<S: Server>(session: &mut Session<S>, facts: &Facts, check: &Check) -> Finding {
    let requests = match (check.plan)(facts) {
        Ok(requests) => requests,
        Err(why) => return Finding::Skipped(why),
    };
    let mut send = |request| match check.timing {
        Timing::Once | Timing::Last => session.send(&request),
        Timing::Repeated | Timing::Hooked(_) => session.request_again(&request),
    };
    let mut exchanges: Vec<Exchange> = requests.into_iter().map(|request| (*send(request)).clone()).collect();
    let further = (check.follow)(&exchanges);
    exchanges.extend(further.into_iter().map(|request| (*send(request)).clone()));
    (check.judge)(facts, &exchanges)
}
