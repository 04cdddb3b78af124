//! The status page: a report, made at most once a second, and printed as HTML or JSON.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use once_cell::sync::OnceCell;
use ring::digest;

use super::adapters;
use super::answers::AnswerLog;
use super::configuration::LoadedConfiguration;
use super::exposition;
use super::gather;
use super::hpa_lister::HpaLister;
use super::html::{self, Page};
use super::query::Filter;
use super::report::Report;
use crate::config::limits::Limits;
use crate::forward::shadow_log::ShadowLog;
use crate::kube_api::client::Client;
use crate::metrics::rules::Rules;
use crate::parse::duration::millis;
use crate::telemetry::clock::{Clock, Now};
use crate::telemetry::counters::Counters;

/// The state of the status page.
#[derive(Debug)]
pub(crate) struct StatusPage {
    pub(crate) answers: AnswerLog,
    pub(crate) configuration: LoadedConfiguration,
    hpas: OnceCell<Arc<HpaLister>>,
    started: Now,
    limits: Limits,
    /// The last report, and when it was complete. The lock is held while a report is made, so only one is made at a time.
    report: Mutex<Option<(Now, Arc<Report>)>>,
    policy: OnceCell<String>,
}

impl StatusPage {
    pub(crate) fn new(limits: &Limits, started: Now) -> Self {
        Self {
            answers: AnswerLog::new(limits.status.clone(), started),
            configuration: LoadedConfiguration::default(),
            hpas: OnceCell::new(),
            started,
            limits: limits.clone(),
            report: Mutex::default(),
            policy: OnceCell::new(),
        }
    }

    /// Sets the client that lists HPAs. A second call has no effect.
    pub(crate) fn set_client(&self, client: Arc<Client>) {
        let _ = self.hpas.set(Arc::new(HpaLister::new(client, &self.limits)));
    }

    /// The report, no older than `cache` of its limits.
    pub(crate) fn report(&self, rules: &Rules, shadows: &ShadowLog, counters: &Counters, clock: &Clock) -> Arc<Report> {
        self.remembered(clock, || self.make(rules, shadows, counters, clock))
    }

    /// The last report, or a new one. Requests that waited while a report was made use it, too, however long that took.
    fn remembered(&self, clock: &Clock, make: impl FnOnce() -> Report) -> Arc<Report> {
        let mut kept = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, report)) = &*kept
            && clock.now().monotonic.saturating_duration_since(made.monotonic) < self.limits.status.cache
        {
            return report.clone();
        }
        let report = Arc::new(make());
        *kept = Some((clock.now(), report.clone()));
        report
    }

    fn make(&self, rules: &Rules, shadows: &ShadowLog, counters: &Counters, clock: &Clock) -> Report {
        let hpas = self.hpas.get().map(|lister| lister.list(clock.now()));
        // The time after the wait for HPAs.
        let now = clock.now();
        let mut report = gather::rules_and_sources(rules, &self.answers, hpas.as_ref(), &self.limits, now);
        adapters::add_shadows(&mut report.rules, shadows, now);
        report.process = gather::process(counters, self.started, &self.limits.status, now);
        report.configuration = self.configuration.status();
        report
    }

    /// Metrics about failing rules, as lines for the metrics page.
    pub(crate) fn failing_rules(&self, now: Now) -> String {
        let since = now.unix_millis.saturating_sub(millis(self.limits.status.recent));
        exposition::failing_rules(&self.answers, self.limits.request.path, since)
    }

    /// The report as HTML, filtered by the query.
    pub(crate) fn html(&self, report: &Report, query: Option<&str>) -> String {
        let filter = Filter::parse(query.unwrap_or_default());
        Page { report, filter: &filter, limits: &self.limits.status }.to_string()
    }

    /// The page's Content-Security-Policy: its own style and script, by their hashes, and nothing else.
    pub(crate) fn policy(&self) -> &str {
        let hash = |text: &str| STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()));
        self.policy.get_or_init(|| {
            format!(
                "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                hash(html::STYLE),
                hash(html::SCRIPT)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_report_is_remembered_from_when_it_is_complete() {
        let start = Now { monotonic: Instant::now(), unix_millis: 0 };
        let passed = Arc::new(Mutex::new(Duration::ZERO));
        let told = passed.clone();
        let clock = Clock::from_fn(move || Now { monotonic: start.monotonic + *told.lock().unwrap(), unix_millis: 0 });
        let page = StatusPage::new(&Limits::default(), start);
        let pass = |millis| *passed.lock().unwrap() += Duration::from_millis(millis);
        let made = Mutex::new(0);
        let get = || {
            page.remembered(&clock, || {
                *made.lock().unwrap() += 1;
                pass(1_500);
                Report::default()
            })
        };
        let first = get();
        for (wait, reports) in [(0, 1), (999, 1), (1, 2), (999, 2)] {
            pass(wait);
            let report = get();
            assert_eq!((*made.lock().unwrap(), Arc::ptr_eq(&first, &report)), (reports, reports == 1), "{wait}");
        }
    }
}
