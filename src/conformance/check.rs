//! A check plans requests and judges the responses. Both steps are pure, so a recorded exchange can be judged again.

use super::exchange::{Exchange, Request, Response};
use super::facts::Facts;

/// The importance of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Without it, a Kubernetes client fails or acts on a wrong number.
    Must,
    /// Users and tools other than Kubernetes' controllers notice its absence.
    Should,
    /// The Go library behaves like this, but no client depends on it.
    AsGo,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The check passed; describes what was found.
    Holds(String),
    /// The check failed; describes what was found.
    Fails(String),
    /// The check could not be made; explains why.
    Skipped(String),
}

/// The requests of a check, or the reason why it is skipped.
pub(crate) type Plan = Result<Vec<Request>, String>;

/// One check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// `area.name`; stable across versions.
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// The requirement of clients, as a sentence.
    pub(crate) need: &'static str,
    pub(crate) plan: fn(&Facts) -> Plan,
    /// Further requests that depend on the first responses.
    pub(crate) follow: fn(&[Exchange]) -> Vec<Request>,
    pub(crate) judge: fn(&Facts, &[Exchange]) -> Finding,
    pub(crate) timing: Timing,
}

/// When a check runs, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Once; responses to earlier requests are reused.
    Once,
    /// Again if it fails, because the value may have changed between two responses.
    Repeated,
    /// After the hook has set this value, repeatedly until it is served.
    Hooked(&'static str),
    /// After all other checks, over all exchanges.
    Last,
}

impl Check {
    pub(crate) const fn must(
        id: &'static str,
        need: &'static str,
        plan: fn(&Facts) -> Plan,
        judge: fn(&Facts, &[Exchange]) -> Finding,
    ) -> Self {
        Self { id, level: Level::Must, need, plan, follow: |_| Vec::new(), judge, timing: Timing::Once }
    }

    pub(crate) const fn should(
        id: &'static str,
        need: &'static str,
        plan: fn(&Facts) -> Plan,
        judge: fn(&Facts, &[Exchange]) -> Finding,
    ) -> Self {
        Self { level: Level::Should, ..Self::must(id, need, plan, judge) }
    }

    pub(crate) const fn as_go(
        id: &'static str,
        need: &'static str,
        plan: fn(&Facts) -> Plan,
        judge: fn(&Facts, &[Exchange]) -> Finding,
    ) -> Self {
        Self { level: Level::AsGo, ..Self::must(id, need, plan, judge) }
    }

    #[must_use]
    pub(crate) const fn then(self, follow: fn(&[Exchange]) -> Vec<Request>) -> Self {
        Self { follow, ..self }
    }

    #[must_use]
    pub(crate) const fn at(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }
}

/// Passes if every response passes; otherwise describes the first that does not.
pub(crate) fn every(exchanges: &[Exchange], passes: impl Fn(&Request, &Response) -> Result<(), String>) -> Finding {
    let mut failures = exchanges.iter().filter_map(|exchange| {
        let passed = match &exchange.result {
            Ok(response) => passes(&exchange.request, response),
            Err(why) => Err(format!("no response: {why}")),
        };
        passed.err().map(|why| format!("{}: {why}", exchange.request))
    });
    match failures.next() {
        None => Finding::Holds(summary(exchanges)),
        Some(first) => Finding::Fails(match failures.count() {
            0 => first,
            more => format!("{first} (and {more} more)"),
        }),
    }
}

/// Summarizes the responses in order: `200 application/json (3), 404 application/json`.
pub(crate) fn summary(exchanges: &[Exchange]) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for exchange in exchanges {
        let kind = exchange.result.as_ref().map_or_else(|_| "no answer".to_owned(), ToString::to_string);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let texts = kinds.into_iter().map(|(kind, count)| if count == 1 { kind } else { format!("{kind} ({count})") });
    texts.collect::<Vec<_>>().join(", ")
}

/// Checks the HTTP status.
pub(crate) fn expect(response: &Response, status: u16) -> Result<(), String> {
    match response.status == status {
        true => Ok(()),
        false => Err(format!("expected {status}, found {response}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(status: u16) -> Exchange {
        let result =
            if status == 0 { Err("timeout".to_owned()) } else { Ok(Response { status, ..Response::default() }) };
        Exchange { request: Request::get(format!("/{status}")), result }
    }

    #[test]
    fn describes_the_first_failure() {
        let judge = |statuses: &[u16]| {
            let exchanges: Vec<_> = statuses.iter().map(|status| exchange(*status)).collect();
            every(&exchanges, |_, response| expect(response, 200))
        };
        let fails = |why: &str| Finding::Fails(why.to_owned());
        assert_eq!(judge(&[200, 200]), Finding::Holds("200 (2)".to_owned()));
        assert_eq!(judge(&[200, 404]), fails("GET /404: expected 200, found 404"));
        assert_eq!(judge(&[0, 404, 200]), fails("GET /0: no response: timeout (and 1 more)"));
    }
}
