//! `/healthz`, `/livez` and `/readyz`, as Kubernetes' API servers answer them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::message::Reply;
use crate::parse::escape::Escaped;
use crate::parse::path::Probe;
use crate::parse::query::Query;

/// The facts that health checks report, set by the code that knows them.
#[derive(Debug, Default)]
pub struct Health {
    configured: AtomicBool,
    trusted: AtomicBool,
    stopping: AtomicBool,
    stuck: AtomicBool,
}

/// A named check and whether it passes.
type Check = (&'static str, bool);

impl Health {
    /// The configuration was read, valid or not: discovery can be served.
    pub fn set_configured(&self) {
        self.configured.store(true, Ordering::Relaxed);
    }

    /// The authorities to trust are known, or none is needed.
    pub fn set_trusted(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    /// The process was asked to stop.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests are waiting and no worker takes them.
    pub fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// Answers a probe, or one of its checks.
    pub fn answer(&self, probe: Probe, check: Option<&str>, query: &Query) -> Reply {
        let checks = self.checks(probe);
        let Some(name) = check else { return all(probe, &checks, query) };
        match checks.iter().find(|(known, _)| *known == name) {
            Some((_, true)) => Reply::text(200, "ok"),
            Some((_, false)) => Reply::text(500, "internal server error: check failed"),
            None => {
                let known: Vec<&str> = checks.iter().map(|(name, _)| *name).collect();
                Reply::text(404, format!("no check {}; known: {}\n", Escaped::new(name), known.join(", ")))
            }
        }
    }

    fn checks(&self, probe: Probe) -> Vec<Check> {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let mut checks = vec![("ping", true), ("workers", !is(&self.stuck))];
        if probe == Probe::Readyz {
            let (configured, trusted) = (is(&self.configured), is(&self.trusted));
            checks.extend([("config", configured), ("trust", trusted), ("shutdown", !is(&self.stopping))]);
        }
        checks
    }
}

/// `ok`, or one line per check and a summary; a failure always lists the checks.
fn all(probe: Probe, checks: &[Check], query: &Query) -> Reply {
    let excluded = |name: &str| query.exclude.iter().any(|excluded| excluded == name);
    let passed = checks.iter().all(|(name, passes)| *passes || excluded(name));
    if passed && !query.verbose {
        return Reply::text(200, "ok");
    }
    let mut body = String::new();
    for (name, passes) in checks {
        body += &match (excluded(name), passes) {
            (true, _) => format!("[+]{name} excluded: ok\n"),
            (false, true) => format!("[+]{name} ok\n"),
            (false, false) => format!("[-]{name} failed: reason withheld\n"),
        };
    }
    for name in query.exclude.iter().filter(|name| checks.iter().all(|(known, _)| known != name)) {
        body += &format!("warn: some health checks cannot be excluded: no matches for {}\n", Escaped::new(name));
    }
    body += &format!("{} check {}\n", probe.as_str(), if passed { "passed" } else { "failed" });
    Reply::text(if passed { 200 } else { 500 }, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(health: &Health, probe: Probe, check: Option<&str>, query: &str) -> (u16, String) {
        let query = crate::parse::query::parse(Some(query), 1024).unwrap();
        let reply = health.answer(probe, check, &query);
        (reply.code, String::from_utf8(reply.body.to_vec()).unwrap())
    }

    #[test]
    fn answers_as_kubernetes_does() {
        let health = Health::default();
        health.set_trusted();
        let verbose = "[+]ping ok\n[+]workers ok\nlivez check passed\n";
        for (probe, check, query, code, body) in [
            (Probe::Livez, None, "", 200, "ok"),
            (Probe::Healthz, None, "", 200, "ok"),
            (Probe::Livez, None, "verbose", 200, verbose),
            (Probe::Livez, None, "verbose=true", 200, verbose),
            (Probe::Livez, Some("ping"), "", 200, "ok"),
            (Probe::Livez, Some("pong"), "", 404, "no check \"pong\"; known: ping, workers\n"),
            (
                Probe::Readyz,
                None,
                "",
                500,
                "[+]ping ok\n[+]workers ok\n[-]config failed: reason withheld\n[+]trust ok\n[+]shutdown ok\nreadyz check failed\n",
            ),
            (Probe::Readyz, Some("config"), "", 500, "internal server error: check failed"),
            (Probe::Readyz, None, "exclude=config", 200, "ok"),
            (
                Probe::Readyz,
                None,
                "verbose&exclude=config&exclude=x",
                200,
                "[+]ping ok\n[+]workers ok\n[+]config excluded: ok\n[+]trust ok\n[+]shutdown ok\n\
                 warn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n",
            ),
        ] {
            assert_eq!(answer(&health, probe, check, query), (code, body.to_owned()), "{probe:?} {check:?} {query}");
        }
    }

    #[test]
    fn is_ready_from_configuration_to_shutdown() {
        let health = Health::default();
        assert_eq!(answer(&health, Probe::Readyz, None, "").0, 500);
        health.set_configured();
        assert_eq!(answer(&health, Probe::Readyz, None, "").0, 500);
        health.set_trusted();
        assert_eq!(answer(&health, Probe::Readyz, None, "").0, 200);
        health.set_stopping();
        assert_eq!(answer(&health, Probe::Readyz, None, "").0, 500);
        assert_eq!(answer(&health, Probe::Livez, None, "").0, 200);
        health.set_stuck(true);
        assert_eq!(answer(&health, Probe::Livez, None, "").0, 500);
    }
}
