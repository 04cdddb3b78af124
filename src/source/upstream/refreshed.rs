//! A source that is fetched in the background: requests are answered from the last page.

use std::sync::Arc;
use std::time::Duration;

use super::Upstream;
use crate::cache::{Key, Outcome, Wait};
use crate::source::error::SourceError;
use crate::source::refresh::{RefreshSource, RefreshTarget};

impl Upstream {
    /// The result of `peek` for a target, which is refreshed from now on; if there is none, the result after the next
    /// fetch.
    pub(super) fn refreshed<T>(
        self: &Arc<Self>,
        target: RefreshTarget,
        interval: Duration,
        wait: Wait,
        peek: impl Fn() -> Outcome<T>,
    ) -> Result<Outcome<T>, SourceError> {
        let of: Arc<dyn RefreshSource> = self.clone();
        let refresher = &self.shared.refresher;
        let registered = refresher.register(&of, target, interval).ok_or(SourceError::TooManyRefreshed)?;
        let found = peek();
        let (Outcome::WouldWait, Wait::Until(deadline)) = (&found, wait) else { return Ok(found) };
        refresher.wait(&registered, deadline.saturating_duration_since(self.shared.clock.now().monotonic));
        Ok(match peek() {
            Outcome::WouldWait => Outcome::TimedOut,
            found => found,
        })
    }
}

impl RefreshSource for Upstream {
    fn refresh(&self, target: &RefreshTarget) -> bool {
        let now = self.shared.clock.now().monotonic;
        match target {
            RefreshTarget::Page(request) => {
                let key = Key::of(&(self.index, request));
                self.settled(self.pages.reload(&key, now, || self.load(&key, request, Wait::No))).is_ok()
            }
            RefreshTarget::Query(query) => {
                self.settled(self.answers.reload(&Key::of(query), now, || self.load_query(query, Wait::No))).is_ok()
            }
        }
    }
}
