//! A check: what is asked, and what is made of the answers. Both are pure, so that a recorded exchange can be judged again.

use super::exchange::{Exchange, Request, Response};
use super::facts::Facts;

/// How much depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// A client of Kubernetes fails, or acts on a wrong number, without it.
    Must,
    /// People and tools other than Kubernetes' own controllers notice.
    Should,
    /// The Go library does so, and no client depends on it.
    AsGo,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It holds; what was found.
    Holds(String),
    /// It does not; what was found.
    Fails(String),
    /// Nothing can be said; why.
    Skipped(String),
}

/// The requests of a check, or why there are none.
pub(crate) type Plan = Result<Vec<Request>, String>;

/// One check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// `area.name`; it stays the same from one version to the next.
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// What clients need, in a sentence.
    pub(crate) need: &'static str,
    pub(crate) plan: fn(&Facts) -> Plan,
    /// Requests that the first answers call for.
    pub(crate) follow: fn(&[Exchange]) -> Vec<Request>,
    pub(crate) judge: fn(&Facts, &[Exchange]) -> Finding,
    pub(crate) timing: Timing,
}

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Once; answers that are there already are used again.
    Once,
    /// Again if it does not hold, as the value may have changed between two answers.
    Repeated,
    /// After the hook has set this value, until it is served.
    Hooked(&'static str),
    /// When all others are done, over all that was exchanged.
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

/// Holds if each answer passes; tells of the first that does not.
pub(crate) fn every(exchanges: &[Exchange], passes: impl Fn(&Request, &Response) -> Result<(), String>) -> Finding {
    let mut failures = exchanges.iter().filter_map(|exchange| {
        let passed = match &exchange.result {
            Ok(response) => passes(&exchange.request, response),
            Err(why) => Err(format!("no answer: {why}")),
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

/// `200 application/json (3), 404 application/json`: the answers, in the order in which they came.
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

/// Whether the status is the one that is expected.
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
    fn tells_of_the_first_failure() {
        let judge = |statuses: &[u16]| {
            let exchanges: Vec<_> = statuses.iter().map(|status| exchange(*status)).collect();
            every(&exchanges, |_, response| expect(response, 200))
        };
        let fails = |why: &str| Finding::Fails(why.to_owned());
        assert_eq!(judge(&[200, 200]), Finding::Holds("200 (2)".to_owned()));
        assert_eq!(judge(&[200, 404]), fails("GET /404: expected 200, found 404"));
        assert_eq!(judge(&[0, 404, 200]), fails("GET /0: no answer: timeout (and 1 more)"));
    }
}
