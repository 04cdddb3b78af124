//! Limits of watches of pods.

use std::time::Duration;

use super::units::{KIB, MIB, millis, secs};

limits! {
    /// Limits of watches of pods.
    WatchLimits {
        /// The namespaces that are watched, each by a thread; in others, pods are listed. 32.
        namespaces: usize = 32,
        /// Pods in all watched namespaces. 50,000: ten times the limit of one list.
        pods: usize = 50_000,
        /// Bytes of these pods. 24 MiB: 50,000 pods of StatefulSets, or twice as many of Deployments.
        bytes: usize = 24 * MIB,
        /// Bytes that the API server may send for the first list of a namespace. 512 MiB: it is read as a stream, and
        /// only the fields in use stay in memory.
        list_bytes: u64 = 512 * MIB as u64,
        /// The timeout of that list. 30 s: no request waits for it.
        list_timeout: Duration = secs(30),
        /// The number of consecutive timeouts of that list after which pods are listed for each request, as if there
        /// were too many. 3.
        slow_lists: u32 = 3,
        /// Cached selections of pods per namespace. 1,024: one per HPA.
        selections: usize = 1_024,
        /// Pods in all selections of one namespace. 200,000: ten rules on each of 20,000 pods. A selection takes 8
        /// bytes per pod, and shares the pods with the namespace, except for those that have left it.
        selected: usize = 200_000,
        /// Bytes of pods that have left a namespace but are in outdated selections. 256 KiB: 1,000 pods. Beyond it,
        /// those selections are dropped, and evaluated again on request. These bytes count as bytes of the namespace.
        left: usize = 256 * KIB,
        /// The duration of one exchange of a watch, after which the next one continues it. 30 s: each exchange proves
        /// that there is an API server, and the bookmark at its end that the pods are current. With the usual five to
        /// ten minutes, the periodic bookmarks of kube-apiserver would be the only proof, one per minute.
        exchange: Duration = secs(30),
        /// The first exchange after a list. 5 s: its bookmark, two seconds before its end, shows that the store has
        /// caught up with the lists that were read while it was being filled.
        first_exchange: Duration = secs(5),
        /// How much longer an exchange may take than was requested. 5 s, for connecting and a slow response.
        margin: Duration = secs(5),
        /// How long pods are served from a watch whose connection was lost and which is being resumed. 10 s: another
        /// kube-apiserver takes over within that time, and it is less than an HPA sync. For a silent connection, see
        /// [`WatchLimits::silence`].
        broken: Duration = secs(10),
        /// The first pause after a failure; it doubles with each failure.
        back_off: Duration = millis(100),
        /// The longest pause after failures. 5 s: a returning API server is found before the next HPA sync.
        longest_back_off: Duration = secs(5),
        /// The time until the next attempt if a watch is unavailable or too large. 5 min.
        retry: Duration = secs(300),
        /// How long a namespace is watched after its last request. 5 min: twenty HPA syncs.
        linger: Duration = secs(300),
        /// The size of an event. 4 MiB: etcd stores objects of at most 1.5 MiB, which are longer as JSON.
        event: usize = 4 * MIB,
        /// The buffer through which events are read. 16 KiB: the usual pod.
        buffer: usize = 16 * KIB,
    }
}

impl WatchLimits {
    /// How long pods are served from a connection on which nothing is received: until the exchange would have ended.
    pub(crate) fn silence(&self) -> Duration {
        self.exchange + self.margin
    }
}
