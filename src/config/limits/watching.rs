//! Limits of watches of pods.

use std::time::Duration;

use super::units::{KIB, MIB, millis, secs};

limits! {
    /// Limits of watches of pods.
    WatchLimits {
        /// Namespaces that are watched, each by a thread; of others, pods are listed. 32.
        namespaces: usize = 32,
        /// Pods in all watched namespaces. 50,000: ten times what one list may have.
        pods: usize = 50_000,
        /// Bytes of them. 24 MiB: 50,000 pods of StatefulSets, or twice as many of Deployments.
        bytes: usize = 24 * MIB,
        /// Bytes that the API server may send for the first list of a namespace. 512 MiB, read as a stream, of which only what
        /// is kept stays in memory.
        list_bytes: u64 = 512 * MIB as u64,
        /// The time for that list. 30 s: no request waits for it.
        list_timeout: Duration = secs(30),
        /// Lists in a row that had too little time, after which pods are listed for each request, as if there were too many. 3.
        slow_lists: u32 = 3,
        /// Selections of pods that are kept for one namespace. 1,024: one for each HPA.
        selections: usize = 1_024,
        /// Pods in all selections of one namespace. 200,000: ten rules on each of 20,000 pods. The list takes 8 bytes for each;
        /// the pods are those of the namespace, apart from those that have left it.
        selected: usize = 200_000,
        /// Bytes of pods that have left a namespace, but are in selections from before. 256 KiB: 1,000 pods. Beyond it, those
        /// selections are forgotten, and evaluated again when they are asked for. They count as bytes of the namespace.
        left: usize = 256 * KIB,
        /// How long one exchange of a watch takes, after which the next one continues it. 30 s: each proves that there is an API
        /// server, and the bookmark at its end what is current. With the usual five to ten minutes, the periodic bookmarks of
        /// kube-apiserver would be the only proof, one a minute.
        exchange: Duration = secs(30),
        /// The first exchange after a list. 5 s: its bookmark, two seconds before its end, shows that the store has caught up
        /// with the lists that were read while it was being filled.
        first_exchange: Duration = secs(5),
        /// How much longer an exchange may take than the API server was asked for. 5 s, as of connecting and a slow answer.
        margin: Duration = secs(5),
        /// How long pods are answered from a watch that has ended or failed and is being continued. 10 s: a kube-apiserver is
        /// replaced by another one meanwhile, and it is less than an HPA sync. Of a connection that is silent, see
        /// [`WatchLimits::silence`].
        broken: Duration = secs(10),
        /// The first pause after a failure; each one after it is twice as long.
        back_off: Duration = millis(100),
        /// The longest pause after failures. 5 s: an API server that is back is found before the next HPA sync.
        longest_back_off: Duration = secs(5),
        /// When a watch is tried again that cannot be, or that would be too large. 5 min.
        retry: Duration = secs(300),
        /// How long a namespace is watched after the last question. 5 min: twenty HPA syncs.
        linger: Duration = secs(300),
        /// One event. 4 MiB: etcd stores objects of 1.5 MiB at most, which are longer as JSON.
        event: usize = 4 * MIB,
        /// The buffer that events are read through. 16 KiB: the usual pod.
        buffer: usize = 16 * KIB,
    }
}

impl WatchLimits {
    /// How long pods are answered from a connection on which nothing comes: until the exchange would have ended.
    pub(crate) fn silence(&self) -> Duration {
        self.exchange + self.margin
    }
}
