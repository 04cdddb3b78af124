//! Limits of samples over time, and of sharing them among replicas.

use std::time::Duration;

use super::units::{MIB, millis, secs};

limits! {
    /// Limits of samples kept over time.
    SamplingLimits {
        /// The longest interval between two samples. 15 s, an HPA sync; a short range is sampled four times as often as
        /// it is long.
        interval: Duration = secs(15),
        /// How long sampling continues after the last request. 5 min: twenty HPA syncs.
        linger: Duration = secs(300),
        /// Threads. 4: each waits for one selection at a time. One is reserved for URLs, and one more for selections of
        /// pods that answered quickly.
        threads: usize = 4,
        /// Selections. 1,024: one for each HPA; one namespace may use a quarter.
        selections: usize = 1_024,
        /// Series of one rule. 50,000: 2,000 pods with 25 each.
        series: usize = 50_000,
        /// Samples of one series. 12,288: one every 15 s for a day, twice, because selections may overlap.
        samples: usize = 12_288,
        /// Bytes over all rules. 32 MiB: 100,000 series over a minute.
        bytes: usize = 32 * MIB,
        /// Objects whose last good value a rule with `onMissing: last` remembers. 1,024.
        last_values: usize = 1_024,
    }

    /// Limits of the samples that a replica takes over from its peers.
    PeerLimits {
        /// The interval between requests for a peer's selections. 10 s: a third of half a range of a minute, and as long as a
        /// TokenReview is cached.
        interval: Duration = secs(10),
        /// The shortest time between two rounds; a new selection starts a round. 1 s.
        pause: Duration = secs(1),
        /// How long the listeners wait for the first round. 3 s: a peer in a cluster answers within milliseconds.
        start: Duration = secs(3),
        /// One request. 2 s, so that the first round has time for another peer after an unreachable one.
        timeout: Duration = secs(2),
        /// One message, held in memory. 16 MiB: 50,000 series with 12 samples each.
        bytes: usize = 16 * MIB,
        /// Peers. 8: Metriclet needs no more replicas.
        count: usize = 8,
        /// How much earlier a peer must have started to sample a selection for its samples to be taken over; a quarter of
        /// the interval if that is less. 1 s: messages take some time.
        slack: Duration = secs(1),
    }
}

impl SamplingLimits {
    /// The interval at which a value over `range` is sampled.
    pub fn interval_for(&self, range: Duration) -> Duration {
        (range / 4).min(self.interval).max(millis(250))
    }

    /// Samples of one series that may be kept for `range`, sampled at this interval: a few more than fit, times two, because
    /// overlapping selections sample the same objects at different times.
    pub fn samples_for(range: Duration, interval: Duration) -> usize {
        let kept = 2 * (range.as_millis() / interval.as_millis().max(1) + 2) + 1;
        usize::try_from(kept).unwrap_or(usize::MAX)
    }
}
