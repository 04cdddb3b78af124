//! How long a response stays valid, so that its serialized form can be cached.

use std::time::Instant;

use super::active_rule::ActiveRule;
use crate::config::model::OnMissing;
use crate::parse::duration::millis;
use crate::source::page::Page;
use crate::telemetry::clock::Now;

/// The time for which the response to a request does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// When its page is fetched again.
    pub(crate) until: Instant,
    /// The wall-clock times in Unix milliseconds at which the response was created, and until which none of its values is
    /// too old. The clock may be set.
    from: i64,
    to: i64,
}

impl Freshness {
    /// The freshness of values of a page, with these timestamps in Unix milliseconds. `None` if the next response may
    /// depend on something other than the page.
    pub(super) fn of_page(
        served: &ActiveRule,
        page: &Page,
        times: impl Iterator<Item = i64>,
        now: Now,
    ) -> Option<Self> {
        Self::of_values(served, served.upstream.fresh_until(page)?, times, now)
    }

    /// The freshness of values that do not change until this moment, as long as none of them is too old.
    pub(super) fn of_values(
        served: &ActiveRule,
        until: Instant,
        times: impl Iterator<Item = i64>,
        now: Now,
    ) -> Option<Self> {
        if served.rule.on_missing != OnMissing::Error || served.sampling.is_some() {
            return None;
        }
        let to = times.min()?.saturating_add(millis(served.rule.max_age));
        Some(Self { until, from: now.unix_millis, to })
    }

    /// Whether the response is still valid.
    pub(crate) fn holds(&self, now: Now) -> bool {
        now.monotonic < self.until && (self.from..=self.to).contains(&now.unix_millis)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn expires_with_the_page_and_with_the_age_of_values() {
        let now = Now { monotonic: Instant::now(), unix_millis: 1_000 };
        let freshness = Freshness { until: now.monotonic + Duration::from_secs(5), from: 1_000, to: 3_000 };
        let at = |seconds, unix_millis| {
            freshness.holds(Now { monotonic: now.monotonic + Duration::from_secs(seconds), unix_millis })
        };
        assert!(at(0, 1_000) && at(2, 3_000) && at(4, 2_000));
        assert!(!at(5, 2_000), "its page is fetched again");
        assert!(!at(2, 3_001), "a value is too old");
        assert!(!at(0, 999), "the clock was set back, and a value may be of the future");
    }
}
