//! Records the outcome of a fetch: counters, the state of its URL, and the log.

use std::time::Instant;

use log::{debug, info, warn};

use super::Upstream;
use crate::config::model::Target;
use crate::parse::duration::millis;
use crate::parse::escape::Escaped;
use crate::source::alternation::FirstAlternation;
use crate::source::error::SourceError;
use crate::source::page::Page;
use crate::source::state::{Change, Fetched};

impl Upstream {
    pub(super) fn fetched(&self, since: Instant, bytes: u64, samples: u64) -> Fetched {
        let took = self.shared.clock.now().monotonic.saturating_duration_since(since);
        Fetched { took, bytes, samples }
    }

    /// Counts a fetch, and logs when a URL starts to fail or recovers. A fetch that its request's deadline cut short
    /// says nothing about the URL.
    pub(super) fn report(
        &self,
        url: &str,
        fetched: Result<(Fetched, impl Fn() -> String), &SourceError>,
        cut_by_caller: bool,
    ) {
        let now = self.shared.clock.now().unix_millis;
        let change = match cut_by_caller {
            true => Change::None,
            false => self.states().note(url, now, fetched.as_ref().map(|(page, _)| *page).map_err(|error| *error)),
        };
        // Changes are not logged: among a thousand pods, some always fail.
        let change = if self.source.is_of_pods() {
            self.states().sweep(now, millis(self.shared.limits.cache.pod_state));
            Change::None
        } else {
            change
        };
        match fetched {
            Ok((page, describe)) => {
                self.counters.succeeded.increment();
                self.counters.bytes.add(page.bytes);
                debug!("source {}: {}", self.named(url), describe());
                if change == Change::Recovered {
                    info!("source {}: answers again", self.named(url));
                }
            }
            Err(error) => {
                self.counters.failed.increment();
                match change {
                    Change::Failed => warn!("source {}: {error}", self.named(url)),
                    _ => debug!("source {}: {}", self.named(url), error.detail()),
                }
            }
        }
    }

    /// Counts, and logs once, that processes with different pages alternate behind a URL.
    pub(super) fn note_alternation(&self, url: &str, page: &Page) {
        if self.source.shared_url().is_none() {
            return;
        }
        let Some(FirstAlternation(is_first)) = self.states().note_page(url, page.mark()) else { return };
        self.counters.turns.increment();
        if is_first {
            warn!(
                "source {}: processes with different pages take turns behind its URL: scrape each with pods:, or set \
                 single: false if the differences do not matter",
                self.named(url)
            );
        }
    }

    /// The source's name for the log, with the page's path if it has several pages.
    pub(super) fn named(&self, url: &str) -> String {
        let name = &self.source.name;
        match &self.source.target {
            Target::Url(template) if template.is_templated() => {
                // A query may contain a key.
                format!("{name} at {}", Escaped::new(url.split(['?', '#']).next().unwrap_or_default()))
            }
            Target::Pods(_) => format!("{name} at {}", Escaped::new(url.split(['?', '#']).next().unwrap_or_default())),
            Target::Url(_) | Target::Prometheus(_) => name.clone(),
        }
    }
}
