//! How long a connection may stay in each of its phases.

use std::time::{Duration, Instant};

use super::{Connection, Phase, Socket};
use crate::config::limits::Limits;
use crate::telemetry::connections::Ended;

impl<S: Socket> Connection<S> {
    /// Whether no request is in progress or was until recently, because the client may already have sent the next one.
    pub(in crate::server::secure) fn is_quiet(&self, now: Instant) -> bool {
        self.phase == Phase::Idle && now.saturating_duration_since(self.since) > QUIET
    }

    /// How the connection ends, if it is overdue.
    pub(in crate::server::secure) fn overdue(&self, limits: &Limits, now: Instant) -> Option<Ended> {
        let (longest, why) = match self.phase {
            Phase::Handshake => (limits.connection.handshake, Ended::Closed),
            Phase::Idle if self.is_unverified() => (limits.connection.idle, Ended::Idle),
            Phase::Idle => (limits.connection.verified_idle, Ended::Idle),
            Phase::Head => (limits.connection.head_time, Ended::HeadTimeout),
            // Workers answer by their deadline; this only covers a bug that loses the answer.
            Phase::Waiting => (3 * limits.answer.deadline, Ended::Broken),
            Phase::Writing => (limits.connection.write, Ended::WriteTimeout),
            Phase::Lingering(_) => {
                (limits.connection.linger, if self.refused { Ended::Refused } else { Ended::Closed })
            }
        };
        (now.saturating_duration_since(self.since) > longest).then_some(why)
    }
}

/// How long a connection idles before it counts as quiet.
const QUIET: Duration = Duration::from_secs(1);
