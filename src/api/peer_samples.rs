//! `/peers/samples`: samples over time, for other replicas.

use std::sync::atomic::Ordering;

use super::message::{BYTES, Origin, Reply, Request};
use super::{Api, RouteError, discovery};
use crate::parse::query::Query;
use crate::source::waiting::{AllowedWaits, Waiting};

impl Api {
    /// Allows other replicas to read samples from now on.
    pub fn share(&self) {
        self.shares.store(true, Ordering::Relaxed);
    }

    /// The samples or the list of selections, if they are shared. A blocking worker serializes them, because they can be large.
    pub(super) fn peer_samples(
        &self,
        query: &Query,
        request: &Request<'_>,
        waits: AllowedWaits,
    ) -> Result<Reply, RouteError> {
        if !self.shares.load(Ordering::Relaxed) || matches!(request.origin, Origin::Loopback) {
            return Ok(discovery::root(404, false));
        }
        if request.method != "GET" {
            return Err(self.failures().method().into());
        }
        if !waits.includes(Waiting::DirectReviews) {
            return Err(RouteError::WouldWait(Waiting::DirectReviews));
        }
        let rule = query.rule.as_deref().map(|rule| u64::from_str_radix(rule, 16));
        let rule = rule.transpose().map_err(|error| self.failures().bad_request(&format_args!("rule: {error}")))?;
        Ok(Reply::new(200, BYTES, self.metrics.sharing().export(rule)))
    }
}
