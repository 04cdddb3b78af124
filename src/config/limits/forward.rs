//! Limits of other adapters.

use std::time::Duration;

use super::units::{KIB, MIB, millis, secs};

limits! {
    /// Limits of requests to other adapters.
    ForwardLimits {
        /// A list of values, held in memory. 4 MiB: 10,000 pods.
        answer: u64 = 4 * MIB as u64,
        /// Values of one answer. 10,000: more pods than an HPA scales.
        values: usize = 10_000,
        /// Any other answer: a Status, or something unexpected. 64 KiB.
        refusal: u64 = 64 * KIB as u64,
        /// A list of resources, held in memory. 16 MiB: 100,000 metrics of one kind of object.
        discovery: u64 = 16 * MIB as u64,
        /// Metrics of one adapter that are remembered. 100,000, about 10 MB; most adapters have a few hundred.
        metrics: usize = 100_000,
        /// The interval between requests for the list of resources. 1 min, as in kube-apiserver.
        interval: Duration = secs(60),
        /// That interval after a failure, or while there is no list. 5 s.
        retry: Duration = secs(5),
        /// How long the listeners wait for the first lists. 3 s.
        start: Duration = secs(3),
        /// How long an answer is cached. 2 s: a request that waits for something else is repeated.
        cached_for: Duration = secs(2),
        /// Cached answers. 1,024: one for each HPA.
        cached: usize = 1_024,
        /// Bytes of cached answers. 4 MiB.
        cached_bytes: usize = 4 * MIB,
        /// Patterns of names. 1,000: they are compared one by one.
        globs: usize = 1_000,
        /// A request for the metric of a shadowed rule. 2 s: the rest of an answer's 5 s is enough for the rule.
        shadowed: Duration = secs(2),
        /// How long no such requests are made after two failures in a row. 10 s: less than an HPA sync.
        skip: Duration = secs(10),
        /// The part of a request's time that is reserved for the reply, if a shadowed rule can serve it. 100 ms.
        margin: Duration = millis(100),
    }

    /// Limits of comparisons of another adapter's values with those of rules.
    ShadowLimits {
        /// Threads. 2: one slow source leaves one for the others.
        threads: usize = 2,
        /// Comparisons that wait for a thread. 256: one for each HPA of a large cluster; further ones are counted as
        /// skipped.
        queue: usize = 256,
        /// Values of other adapters in all waiting comparisons. 50,000, about 12 MB.
        values: usize = 50_000,
        /// The time for a rule's value. 4 s, the longest timeout of a source.
        deadline: Duration = secs(4),
        /// Metrics and resources that are counted. 1,024: each takes six series.
        metrics: usize = 1_024,
        /// The window of the largest difference, which is that of the last one or two windows. 1 min: four HPA syncs.
        window: Duration = secs(60),
    }
}
