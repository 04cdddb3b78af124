//! Limits of other adapters.

use std::time::Duration;

use super::units::{KIB, MIB, millis, secs};

limits! {
    /// Limits of requests to other adapters.
    ForwardLimits {
        /// A list of values, held whole. 4 MiB: 10,000 pods.
        answer: u64 = 4 * MIB as u64,
        /// Values of one answer. 10,000: more pods than an HPA scales.
        values: usize = 10_000,
        /// Any other answer: a Status, or something unexpected. 64 KiB.
        refusal: u64 = 64 * KIB as u64,
        /// A list of resources, held whole. 16 MiB: 100,000 metrics of one kind of object.
        discovery: u64 = 16 * MIB as u64,
        /// Metrics of one adapter that are remembered. 100,000, some 10 MB; most adapters have some hundreds.
        metrics: usize = 100_000,
        /// How often the list of resources is requested. 1 min, as kube-apiserver does itself.
        interval: Duration = secs(60),
        /// The same after a failure, or as long as there is no list. 5 s.
        retry: Duration = secs(5),
        /// The first lists, for which the listeners wait. 3 s.
        start: Duration = secs(3),
        /// How long an answer serves further requests. 2 s: a request may be repeated while it waits for something else.
        cached_for: Duration = secs(2),
        /// Cached answers. 1,024: one for each HPA.
        cached: usize = 1_024,
        /// Bytes of them. 4 MiB.
        cached_bytes: usize = 4 * MIB,
        /// Patterns of names. 1,000: they are compared one by one.
        globs: usize = 1_000,
        /// A request for a metric that a rule serves as well. 2 s: what is left of an answer's 5 s is enough for the rule.
        shadowed: Duration = secs(2),
        /// How long such requests are not made after two in a row have failed. 10 s: less than an HPA sync.
        skip: Duration = secs(10),
        /// What a request with a rule beside it leaves of its time for the reply. 100 ms.
        margin: Duration = millis(100),
    }

    /// Limits of comparing another adapter's values with those of rules.
    ShadowLimits {
        /// Threads. 2: one slow source leaves one for the others.
        threads: usize = 2,
        /// Comparisons that wait for a thread. 256: one for each HPA of a large cluster; beyond that they are counted as
        /// skipped.
        queue: usize = 256,
        /// Values of other adapters that wait for comparison, all together. 50,000, some 12 MB.
        values: usize = 50_000,
        /// The time for a rule's value. 4 s, the longest timeout of a source.
        deadline: Duration = secs(4),
        /// Metrics and resources that are counted. 1,024: each takes six series.
        metrics: usize = 1_024,
        /// The largest difference is that of the last one or two of these. 1 min: four HPA syncs.
        window: Duration = secs(60),
    }
}
