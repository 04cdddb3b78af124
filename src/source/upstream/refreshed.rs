//! A source that is fetched in the background: requests are answered from the last page.

use std::sync::Arc;
use std::time::Duration;

use super::Upstream;
use crate::cache::{Key, Outcome, Wait};
use crate::source::error::SourceError;
use crate::source::refresh::{Demand, Refreshed};

impl Upstream {
    /// The result of `peek` for a demand, which is refreshed from now on; if there is none, the result after the next
    /// fetch.
    pub(super) fn refreshed<T>(
        self: &Arc<Self>,
        demand: Demand,
        interval: Duration,
        wait: Wait,
        peek: impl Fn() -> Outcome<T>,
    ) -> Result<Outcome<T>, SourceError> {
        let of: Arc<dyn Refreshed> = self.clone();
        let refresher = &self.shared.refresher;
        let noted = refresher.ask(&of, demand, interval).ok_or(SourceError::TooManyRefreshed)?;
        let found = peek();
        let (Outcome::WouldWait, Wait::Until(deadline)) = (&found, wait) else { return Ok(found) };
        refresher.wait(&noted, deadline.saturating_duration_since(self.shared.clock.now().monotonic));
        Ok(match peek() {
            Outcome::WouldWait => Outcome::TimedOut,
            found => found,
        })
    }
}

impl Refreshed for Upstream {
    fn refresh(&self, demand: &Demand) -> bool {
        let now = self.shared.clock.now().monotonic;
        match demand {
            Demand::Page(request) => {
                let key = Key::of(&(self.index, request));
                self.settled(self.pages.reload(&key, now, || self.load(&key, request, Wait::No))).is_ok()
            }
            Demand::Query(query) => {
                self.settled(self.answers.reload(&Key::of(query), now, || self.load_query(query, Wait::No))).is_ok()
            }
        }
    }
}
