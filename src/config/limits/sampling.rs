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
        /// Samples of one series. 12,288: one every 15 s for a day, and as many again from selections that overlap.
        samples: usize = 12_288,
        /// Bytes over all rules. 32 MiB: 100,000 series over a minute.
        bytes: usize = 32 * MIB,
        /// Objects whose last good value a rule with `onMissing: last` remembers. 1,024.
        last_values: usize = 1_024,
    }

    /// Limits of what a replica takes over from others, its peers.
    PeerLimits {
        /// How often each is asked for its selections. 10 s: a third of the half range of a minute, and as long as a
        /// TokenReview is cached.
        interval: Duration = secs(10),
        /// The shortest time between two rounds, where a new selection is to be looked for at once. 1 s.
        pause: Duration = secs(1),
        /// The first round, for which the listeners wait. 3 s: a peer in a cluster answers in some milliseconds.
        start: Duration = secs(3),
        /// One request. 2 s, so that the first round has time for another peer after one that is away.
        timeout: Duration = secs(2),
        /// One message, held whole. 16 MiB: 50,000 series with 12 samples each.
        bytes: usize = 16 * MIB,
        /// Peers. 8: more replicas have no use.
        count: usize = 8,
        /// How much earlier a peer must have begun to sample a selection for its samples to be taken over, or a quarter of an
        /// interval. 1 s: messages take a little while.
        slack: Duration = secs(1),
    }
}

impl SamplingLimits {
    /// The interval at which a value over `range` is sampled.
    pub fn interval_for(&self, range: Duration) -> Duration {
        (range / 4).min(self.interval).max(millis(250))
    }

    /// Samples of one series that may be kept to look back over `range`, sampled at this interval: a few more than fit,
    /// and twice as many, as overlapping selections sample the same objects out of step.
    pub fn samples_for(range: Duration, interval: Duration) -> usize {
        let kept = 2 * (range.as_millis() / interval.as_millis().max(1) + 2) + 1;
        usize::try_from(kept).unwrap_or(usize::MAX)
    }
}
