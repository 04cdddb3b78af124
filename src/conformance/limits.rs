//! What the suite takes of a server's time and of this machine's memory, and how often it asks.

use std::time::Duration;

/// The longest time for one answer. 15 s: kube-apiserver gives discovery 5 s, and nobody waits for a metric longer than
/// an HPA's sync period of 15 s.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);

/// The longest body. 16 MiB: a list of 50,000 pods has 15 MB.
pub(crate) const BODY: u64 = 16 * 1024 * 1024;

/// The longest body after gzip is undone, against bombs.
pub(crate) const INFLATED: u64 = 4 * BODY;

/// Attempts of a check that compares answers, as the value may change between the two.
pub(crate) const ATTEMPTS: usize = 5;

/// Between two such attempts.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// How long a value that the hook has set may take to be served. 60 s: adapters cache, and scrape at intervals.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);

/// Metrics of discovery that are tried, where none is named. 16: one that has values is enough, and each is asked for.
pub(crate) const TRIED: usize = 16;

/// Metrics of each kind that are checked, at most. 16: each costs several requests.
pub(crate) const TARGETS: usize = 16;

/// The longest YAML that is compared with JSON, and its values: a suite needs no more to tell.
pub(crate) const YAML: usize = 1024 * 1024;
pub(crate) const YAML_NODES: usize = 131_072;

/// Answers that are kept to be judged again. 64 MiB: all of those that are judged twice, of the largest lists too.
pub(crate) const KEPT: u64 = 4 * BODY;

/// Exchanges that are noted for the checks over all of them. 10,000: twenty times what a run has.
pub(crate) const EXCHANGES: usize = 10_000;

/// What is noted of the body of an error, and of a good answer, in bytes. 64 KiB: a Status has a few hundred.
pub(crate) const NOTED: usize = 64 * 1024;
pub(crate) const NOTED_GOOD: usize = 64;
