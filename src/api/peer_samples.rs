//! `/peers/samples`: samples over time, for other replicas.

use std::sync::atomic::Ordering;

use super::message::{BYTES, Origin, Reply, Request};
use super::{Api, Stop, discovery};
use crate::parse::query::Query;
use crate::source::waiting::{Patience, Waiting};

impl Api {
    /// Allows other replicas to read samples from now on.
    pub fn share(&self) {
        self.shares.store(true, Ordering::Relaxed);
    }

    /// What is sampled, as long as it is shared. A blocking worker prints it, as it can be large.
    pub(super) fn peer_samples(&self, query: &Query, request: &Request<'_>, patience: Patience) -> Result<Reply, Stop> {
        if !self.shares.load(Ordering::Relaxed) || matches!(request.origin, Origin::Loopback) {
            return Ok(discovery::root(404, false));
        }
        if request.method != "GET" {
            return Err(self.failures().method().into());
        }
        if !patience.includes(Waiting::DirectReviews) {
            return Err(Stop::WouldWait(Waiting::DirectReviews));
        }
        let rule = query.rule.as_deref().map(|rule| u64::from_str_radix(rule, 16));
        let rule = rule.transpose().map_err(|error| self.failures().bad_request(&format_args!("rule: {error}")))?;
        Ok(Reply::new(200, BYTES, self.metrics.sharing().tell(rule)))
    }
}
