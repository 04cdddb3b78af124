//! Every cap and timeout, in one place, each with its reason.

use std::time::Duration;

use crate::parse::head;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Caps and timeouts. Lengths in bytes unless the name says otherwise.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Path of a request. 8 KiB: a namespace, name and metric of 253 bytes each, percent-encoded, with room to spare.
    pub path: usize,
    /// Query string of a request. 16 KiB: selectors of hundreds of values still pass.
    pub query: usize,
    /// Label selector. 8 KiB, as Kubernetes' own objects rarely hold more than a few hundred bytes.
    pub selector: usize,
    /// Requirements of one label selector. 64: matched against every object.
    pub selector_requirements: usize,

    /// Text of one expression or JSONPath. 4 KiB: written by hand, and it must fit on a screen.
    pub expression: usize,
    /// Nesting of an expression. 32, and of JSON pages too: no one writes more, and recursion stays shallow.
    pub depth: usize,
    /// Numbers, selectors, functions and operators of an expression. 256: each is a step of its evaluation.
    pub expression_nodes: usize,
    /// Compiled size of one regular expression. 64 KiB: matching is linear in it.
    pub regex: usize,
    /// Configuration file. 1 MiB, the most a ConfigMap can hold.
    pub config: usize,
    /// Keys and values of a configuration file. 131,072: a rule takes about ten, and each takes about 100 bytes.
    pub config_nodes: usize,
    /// URL of a source as written. 4 KiB: written by hand.
    pub url: usize,
    /// The longest `cache`, `maxAge` and `onMissing: last`. 24 h: a value older than that tells nothing.
    pub longest: Duration,
    /// Sources or rules of one configuration. 10,000: more is a generator gone wild.
    pub rules: usize,

    /// Page of metrics. 16 MiB: the largest exporters serve a few.
    pub page: u64,
    /// Line of a page of metrics. 64 KiB: the only part of a page that is held whole.
    pub line: usize,
    /// Labels of one series. 64, twice what exporters are known to use.
    pub labels: usize,
    /// JSON page. 1 MiB: held whole, unlike text.
    pub json: usize,
    /// Values in a JSON page. 65,536: each takes about 70 bytes once parsed, so 5 MiB at most.
    pub json_values: usize,
    /// Series that one rule keeps of a page. 10,000: past that a rule is missing a matcher.
    pub kept_series: usize,
    /// Bytes of names and labels that are kept of one page. 4 MiB.
    pub kept_bytes: usize,
    /// Answer of a Prometheus server. 4 MiB, held whole: 10,000 series of 400 bytes.
    pub answer_body: usize,
    /// Answers of one Prometheus server that are remembered. 1,024: one a rule, namespace and metricLabelSelector.
    pub cached_answers: usize,
    /// Bytes of them. 8 MiB: 80,000 values.
    pub cached_answer_bytes: usize,
    /// Metric names remembered for `--upstream`. 256: kept of each fetch because somebody asked for them lately.
    pub asked_names: usize,

    /// Pages cached over all sources. 4,096: one an object for templated URLs.
    pub cached_pages: usize,
    /// Bytes of cached pages over all sources. 32 MiB: the memory limit of a small pod less everything else.
    pub cached_bytes: usize,
    /// How long a page answers by default. 5 s: three fetches an HPA sync of 15 s at most.
    pub cache: Duration,
    /// How long a failed fetch answers. 1 s: callers in a burst share it, the next sync asks anew.
    pub cache_failure: Duration,
    /// How long a pod, or a host from a placeholder, is left alone that could not be connected to twice in a row. 10 s: less
    /// than an HPA's sync.
    pub skip: Duration,
    /// Age past which a sample counts as missing. 2 min: eight HPA syncs.
    pub max_age: Duration,
    /// How far in the future a sample may be. 30 s: clocks of two machines.
    pub max_future: Duration,

    /// Answers about tokens that are remembered. 1,024: each is one service account's.
    pub cached_tokens: usize,
    /// Answers about access that are remembered. 4,096: one a user and metric.
    pub cached_reviews: usize,
    /// Bytes of either. 4 MiB: a user in hundreds of groups takes 20 KiB.
    pub cached_review_bytes: usize,
    /// How long such an answer counts. 10 s, as in Kubernetes' own servers: so long a revoked token lives on.
    pub cache_review: Duration,
    /// How long a yes counts for those whom a front proxy brings. 5 min: it has asked the same a moment ago.
    pub cache_front_proxy_review: Duration,
    /// The largest question whose answer is remembered. 32 KiB.
    pub cacheable_review: usize,
    /// How often the ConfigMap is read that says whom the kube-apiserver trusts. 1 min.
    pub trust_poll: Duration,
    /// How often at most, when a certificate was not taken. 10 s.
    pub trust_doubt: Duration,
    /// One call to the Kubernetes API, but for lists, which have that of an answer. 2 s: what it answers from memory
    /// takes milliseconds, and a second try must fit.
    pub review: Duration,
    /// How long a list of objects answers. 2 s: less than an HPA's sync, and new pods count soon.
    pub cache_objects: Duration,
    /// Lists of objects that are remembered. 1,024: one an HPA.
    pub cached_lists: usize,
    /// Bytes of them. 8 MiB: 20,000 pods.
    pub cached_list_bytes: usize,
    /// A list of objects as the Kubernetes API sends it. 64 MiB, read as it streams in: 5,000 pods of 10 KiB.
    pub list: u64,
    /// Objects in one list. 5,000: past that a selector is missing.
    pub objects: usize,
    /// Fetches of pods' pages at once, over all sources. 16, of which one source holds at most half.
    pub fetchers: usize,
    /// Fetches waiting for those. 8,192: at the bound a pod is left out.
    pub fetch_queue: usize,
    /// How often pods are sampled for a rule that looks back, at least. 15 s, as often as an HPA looks; a quarter of a
    /// short range.
    pub sample: Duration,
    /// How long sampling goes on after the last question. 5 min: twenty HPA syncs.
    pub sample_linger: Duration,
    /// Threads that see to sampling. 4: each waits for one selection's pods at a time, which fetchers fetch. One is kept from
    /// pods, for URLs; one more from pods that took long.
    pub samplers: usize,
    /// Selections that are sampled. 1,024: one an HPA, of which a namespace has a quarter.
    pub sampled: usize,
    /// Series that are kept over time for one rule. 50,000: 2,000 pods with 25 each.
    pub history_series: usize,
    /// Samples of one series over time. 12,288: a day of them every 15 s, and as many again by selections out of step.
    pub history_ring: usize,
    /// Bytes that are kept over time in all. 32 MiB: 100,000 series over a minute.
    pub history_bytes: usize,
    /// Whole time for one fetch. 3 s: an HPA's five workers wait meanwhile.
    pub fetch: Duration,
    /// Whole time for one pod's page. 1 s: a pod that takes longer is left out, and does not hold up the others.
    pub fetch_pod: Duration,
    /// The longest `timeout:` a source may ask for. 4 s: what is left of an answer's 5 s.
    pub fetch_max: Duration,
    /// Name look-up. 1 s.
    pub resolve: Duration,
    /// TCP connection. 500 ms: inside a cluster it takes one.
    pub connect: Duration,
    /// TCP connection and TLS handshake. 1 s.
    pub connect_tls: Duration,
    /// Name look-ups at once. 8: the system's resolver blocks a thread for each.
    pub lookups: usize,
    /// Names whose addresses are remembered. 1,024.
    pub cached_names: usize,
    /// How long addresses are remembered. 30 s: a Service's address does not change, a rollout's do.
    pub cache_names: Duration,
    /// Response head of an upstream. 64 KiB.
    pub response_head: usize,
    /// Credential file. 64 KiB; a CA bundle 1 MiB.
    pub secret: usize,
    /// CA bundle.
    pub ca: usize,

    /// Workers of a lane that never waits: handshakes, and answers from memory. 2: one a core of a small machine.
    pub fast_workers: usize,
    /// Workers that may wait for a source. 16, of which one source holds at most half.
    pub slow_workers: usize,
    /// Requests waiting for those. 1,024, half of them for one source: at the bound a request is answered 503 at once.
    pub queue: usize,
    /// From a request to its answer, waiting included. 5 s, then it is answered 503.
    pub answer: Duration,
    /// Body that a request on the plain listener may say it has, to be refused with an answer. 16 MiB.
    pub refused_body: usize,
    /// Body of a request that is read away before the request is refused. 64 KiB: none is ever wanted.
    pub discarded_body: u64,
    /// Connections of the secure listener. 4,096, or what the process' limit of open files leaves: thousands of
    /// kube-apiservers' and probes' connections never exist, so more is an attack.
    pub connections: usize,
    /// Open files that are not for connections. 256: fetches, files, and some to spare.
    pub spare_files: usize,
    /// Connections that only verified front proxies may take. 256: kubectl and HPAs come through them.
    pub front_proxy_connections: usize,
    /// Connections waiting to be accepted. 1,024: a burst waits in the kernel rather than in a retry of its SYN.
    pub backlog: i32,
    /// Request head of a client without a verified certificate, and how many lines it may have. 16 KiB and 64.
    pub head: head::Limits,
    /// Likewise of one with. 128 KiB and 1,024: a front proxy sends a line for each group of a user.
    pub verified_head: head::Limits,
    /// TLS handshake, from accepting to its end. 5 s.
    pub handshake: Duration,
    /// Request head, from its first byte to its last. 5 s.
    pub head_time: Duration,
    /// How long a connection without a verified certificate may idle. 10 s: a probe comes on a new one anyhow.
    pub idle: Duration,
    /// How long others may. 120 s: above the 90 s of Go's clients, so that these close first.
    pub verified_idle: Duration,
    /// Sending one answer. 10 s.
    pub write: Duration,
    /// Waiting for a client to close once we have. 2 s: closing at once could destroy an answer on its way.
    pub linger: Duration,
    /// Answers that wait for clients to read them, all together. 32 MiB.
    pub unread: usize,
    /// Requests answered, or pieces of input read, before other connections get a turn. 32.
    pub pipelined: usize,
    /// Likewise of a client without a verified certificate. 4: those who are known come first.
    pub stranger_pipelined: usize,
    /// How long accepting pauses when files or memory run out. 200 ms.
    pub accept_pause: Duration,
    /// How long a worker that never waits may be silent before liveness fails. 10 s.
    pub stall: Duration,
    /// How long shutdown goes on serving, so that everybody learns that this address goes away. 10 s.
    pub shutdown_delay: Duration,
    /// How long shutdown waits for requests under way. 10 s, well inside a pod's 30 s.
    pub drain: Duration,
    /// Length of a Status message, which `kubectl describe hpa` shows word for word. 512.
    pub message: usize,
    /// Objects whose last good value a rule with `onMissing: last` remembers. 1,024.
    pub last_values: usize,
}

impl Limits {
    /// How often something is sampled that is looked at over this range.
    pub fn sampling(&self, range: Duration) -> Duration {
        (range / 4).min(self.sample).max(Duration::from_millis(250))
    }

    /// Samples of one series that may be kept to look back over `range`, sampled at this interval: some longer than that,
    /// and up to twice as many, as selections of the same objects are sampled out of step.
    pub fn samples(range: Duration, interval: Duration) -> usize {
        let kept = 2 * (range.as_millis() / interval.as_millis().max(1) + 2) + 1;
        usize::try_from(kept).unwrap_or(usize::MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            path: 8 * KIB,
            query: 16 * KIB,
            selector: 8 * KIB,
            selector_requirements: 64,
            expression: 4 * KIB,
            depth: 32,
            expression_nodes: 256,
            regex: 64 * KIB,
            config: MIB,
            config_nodes: 131_072,
            url: 4 * KIB,
            longest: Duration::from_secs(24 * 60 * 60),
            rules: 10_000,
            page: 16 * MIB as u64,
            line: 64 * KIB,
            labels: 64,
            json: MIB,
            json_values: 65_536,
            kept_series: 10_000,
            kept_bytes: 4 * MIB,
            answer_body: 4 * MIB,
            cached_answers: 1_024,
            cached_answer_bytes: 8 * MIB,
            asked_names: 256,
            cached_pages: 4_096,
            cached_bytes: 32 * MIB,
            cache: Duration::from_secs(5),
            cache_failure: Duration::from_secs(1),
            skip: Duration::from_secs(10),
            max_age: Duration::from_secs(120),
            max_future: Duration::from_secs(30),
            cached_tokens: 1_024,
            cached_reviews: 4_096,
            cached_review_bytes: 4 * MIB,
            cache_review: Duration::from_secs(10),
            cache_front_proxy_review: Duration::from_secs(300),
            cacheable_review: 32 * KIB,
            trust_poll: Duration::from_secs(60),
            trust_doubt: Duration::from_secs(10),
            review: Duration::from_secs(2),
            cache_objects: Duration::from_secs(2),
            cached_lists: 1_024,
            cached_list_bytes: 8 * MIB,
            list: 64 * MIB as u64,
            objects: 5_000,
            fetchers: 16,
            fetch_queue: 8_192,
            sample: Duration::from_secs(15),
            sample_linger: Duration::from_secs(300),
            samplers: 4,
            sampled: 1_024,
            history_series: 50_000,
            history_ring: 12_288,
            history_bytes: 32 * MIB,
            fetch: Duration::from_secs(3),
            fetch_pod: Duration::from_secs(1),
            fetch_max: Duration::from_secs(4),
            resolve: Duration::from_secs(1),
            connect: Duration::from_millis(500),
            connect_tls: Duration::from_secs(1),
            lookups: 8,
            cached_names: 1_024,
            cache_names: Duration::from_secs(30),
            response_head: 64 * KIB,
            secret: 64 * KIB,
            ca: MIB,
            fast_workers: 2,
            slow_workers: 16,
            queue: 1_024,
            answer: Duration::from_secs(5),
            refused_body: 16 * MIB,
            discarded_body: 64 * KIB as u64,
            connections: 4_096,
            spare_files: 256,
            front_proxy_connections: 256,
            backlog: 1_024,
            head: head::Limits { bytes: 16 * KIB, headers: 64 },
            verified_head: head::Limits { bytes: 128 * KIB, headers: 1_024 },
            handshake: Duration::from_secs(5),
            head_time: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            verified_idle: Duration::from_secs(120),
            write: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            unread: 32 * MIB,
            pipelined: 32,
            stranger_pipelined: 4,
            accept_pause: Duration::from_millis(200),
            stall: Duration::from_secs(10),
            shutdown_delay: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            message: 512,
            last_values: 1_024,
        }
    }
}
