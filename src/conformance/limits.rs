//! Limits on time, memory and requests.

use std::time::Duration;

use crate::config::limits::FetchLimits;

/// The timeout of a connection, with its TLS handshake. 5 s: a person waits for the report, and a distant or busy adapter that
/// answers in that time is checked all the same.
const CONNECT: Duration = Duration::from_secs(5);

/// The limits of the program's fetches, with more time to connect.
pub(crate) fn fetch() -> FetchLimits {
    FetchLimits { connect: CONNECT, connect_tls: CONNECT, ..FetchLimits::default() }
}

/// The timeout of a response. 15 s: kube-apiserver allows 5 s for discovery, and a metric must arrive within an HPA's
/// sync period of 15 s.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);

/// The maximum length of a body. 16 MiB: a list of 50,000 pods has 15 MB.
pub(crate) const BODY: u64 = 16 * 1024 * 1024;

/// The maximum length of a decompressed body, as protection from gzip bombs.
pub(crate) const INFLATED: u64 = 4 * BODY;

/// The attempts of a check that compares responses, because the value may change between them.
pub(crate) const ATTEMPTS: usize = 5;

/// The pause between two attempts.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// The time until a value set by the hook must be served. 60 s: adapters cache, and scrape at intervals.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);

/// The number of metrics from discovery to try if none is given. 16: one with values suffices, and each costs a
/// request.
pub(crate) const TRIED: usize = 16;

/// The maximum number of metrics of each kind to check. 16: each costs several requests.
pub(crate) const TARGETS: usize = 16;

/// The maximum length and number of values of YAML to compare with JSON; larger documents are not needed.
pub(crate) const YAML: usize = 1024 * 1024;
pub(crate) const YAML_NODES: usize = 131_072;

/// The size of responses kept to be judged again. 64 MiB: enough for all that are judged twice, including the largest
/// lists.
pub(crate) const KEPT: u64 = 4 * BODY;

/// The maximum number of exchanges kept for the checks over all of them. 10,000: twenty times those of a run.
pub(crate) const EXCHANGES: usize = 10_000;

/// The number of bytes kept of the body of an error, and of a successful response. 64 KiB: a Status has a few hundred.
pub(crate) const NOTED: usize = 64 * 1024;
pub(crate) const NOTED_GOOD: usize = 64;
