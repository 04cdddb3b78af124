//! All limits, timeouts and default durations, grouped by what they bound, each with its reason.
//!
//! Lengths are in bytes unless the name says otherwise.

use std::time::Duration;

/// Declares a group of limits, each with its default value and the reason for it.
macro_rules! limits {
    ($($(#[$doc:meta])* $group:ident { $($(#[$reason:meta])* $limit:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $group {
            $($(#[$reason])* pub $limit: $type,)*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($limit: $default,)* }
            }
        }
    )*};
}

mod answers;
mod document;
mod forward;
mod listeners;
mod sampling;
mod units;
mod watching;

pub use answers::AnswerLimits;
pub(crate) use answers::StatusLimits;
pub(crate) use forward::{ForwardLimits, ShadowLimits};
pub use listeners::ConnectionLimits;
pub(crate) use listeners::{PlainLimits, ShutdownLimits};
pub(crate) use sampling::PeerLimits;
pub use sampling::SamplingLimits;
use units::{KIB, MIB, millis, secs};
pub(crate) use watching::WatchLimits;

/// All limits; each group is documented at its type.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub request: RequestLimits,
    pub config: ConfigLimits,
    pub expression: ExpressionLimits,
    pub page: PageLimits,
    pub prometheus: PrometheusLimits,
    pub cache: CacheLimits,
    pub freshness: FreshnessLimits,
    pub fetch: FetchLimits,
    pub kept: KeptLimits,
    pub oauth2: OAuth2Limits,
    pub resolve: ResolveLimits,
    pub refresh: RefreshLimits,
    pub fetchers: FetcherLimits,
    pub sampling: SamplingLimits,
    pub peers: PeerLimits,
    pub forward: ForwardLimits,
    pub shadow: ShadowLimits,
    pub review: ReviewLimits,
    pub trust: TrustLimits,
    pub exec: ExecLimits,
    pub objects: ObjectLimits,
    pub watch: WatchLimits,
    pub renewal: RenewalLimits,
    pub answer: AnswerLimits,
    pub status: StatusLimits,
    pub workers: WorkerLimits,
    pub plain: PlainLimits,
    pub connection: ConnectionLimits,
    pub shutdown: ShutdownLimits,
}

limits! {
    /// Limits of a metric request.
    RequestLimits {
        /// 8 KiB: more than a namespace, name and metric of 253 bytes each, percent-encoded.
        path: usize = 8 * KIB,
        /// 16 KiB: selectors with hundreds of values still pass.
        query: usize = 16 * KIB,
        /// One label selector. 8 KiB: selectors in Kubernetes objects rarely exceed a few hundred bytes.
        selector: usize = 8 * KIB,
        /// Requirements of one label selector. 64: each is matched against every object.
        selector_requirements: usize = 64,
    }

    /// Limits of the configuration file and the files it names.
    ConfigLimits {
        /// The file. 1 MiB, the most a ConfigMap can hold.
        bytes: usize = MIB,
        /// Keys and values. 131,072: a rule has about ten, and each takes about 100 bytes.
        nodes: usize = 131_072,
        /// URL of a source as written. 4 KiB: it is written by hand.
        url: usize = 4 * KIB,
        /// Body of a source's requests. 16 KiB: it is written by hand.
        body: usize = 16 * KIB,
        /// The longest `cache`, `maxAge` and `onMissing: last`. 24 h: an older value is irrelevant to scaling.
        duration: Duration = secs(24 * 60 * 60),
        /// Sources or rules. 10,000: a file with more comes from a broken generator.
        rules: usize = 10_000,
        /// A file with a token, password or private key. 64 KiB.
        secret: usize = 64 * KIB,
        /// A file with certificates. 1 MiB: all public authorities take a quarter of that.
        certificates: usize = MIB,
    }

    /// Limits of one PromQL, JSONPath or regular expression.
    ExpressionLimits {
        /// 4 KiB: an expression is written by hand and fits on a screen.
        bytes: usize = 4 * KIB,
        /// Nesting, also of JSON pages and YAML. 32: real documents are not deeper, and recursion stays shallow.
        depth: usize = 32,
        /// Numbers, selectors, functions and operators. 256: each is a step of the evaluation.
        nodes: usize = 256,
        /// Compiled size of one regular expression. 64 KiB: matching is linear in it, and in the text.
        regex: usize = 64 * KIB,
    }

    /// Limits of one page of metrics.
    PageLimits {
        /// A text page, unless `maxBytes` is set. 16 MiB: most exporters serve less than one.
        bytes: u64 = 16 * MIB as u64,
        /// The largest `maxBytes`. 512 MiB: kube-state-metrics serves up to 150 MB, and a page of series is parsed as a stream.
        max_bytes: u64 = 512 * MIB as u64,
        /// A line that a rule reads, the only part of a text page that is buffered. 256 KiB: some labels contain a complete
        /// SQL statement. Longer lines of other metrics are skipped.
        line: usize = 256 * KIB,
        /// Bytes remembered of one page of a source of pods, to read its other pages faster. 256 KiB: 2,500 series.
        known: usize = 256 * KIB,
        /// Bytes remembered for all sources of pods. 4 MiB: for further sources, nothing is remembered.
        all_known: usize = 4 * MIB,
        /// Labels of a series that a rule keeps. 64, twice what exporters are known to use.
        labels: usize = 64,
        /// A page of JSON, YAML, CSV or text for regular expressions, unless `maxBytes` is set. 1 MiB: the whole page is in
        /// memory, unlike a page of series. Larger ones share `max_json`.
        json: usize = MIB,
        /// The largest of these pages, and the total of those that are read at the same time. 64 MiB: with their values
        /// they take 1 GB of memory at most.
        max_json: usize = 64 * MIB,
        /// The largest page of text for regular expressions. 4 MiB: a search takes up to a second for each, and cannot be
        /// interrupted.
        max_text: usize = 4 * MIB,
        /// Compiled size of a regular expression for text. 16 KiB, as the time of a search grows with it.
        pattern: usize = 16 * KIB,
        /// Bytes of a page's limit for each value of JSON, YAML or CSV. 4, so 262,144 values in 1 MiB: a parsed value takes
        /// about 70 bytes, and an object counts as several.
        json_bytes_per_value: usize = 4,
        /// Time to search a page for the matches of all regular expressions, checked after each match. 1 s: a common expression
        /// takes 60 ms on a page of 1 MiB, unless each match scans the rest of the page.
        search: Duration = secs(1),
        /// Series that one rule keeps. 10,000: a rule with more series needs another matcher.
        kept_series: usize = 10_000,
        /// Names and labels kept of one page. 4 MiB.
        kept_bytes: usize = 4 * MIB,
        /// Metric names that `--upstream` remembers. 256: series of recently requested names are kept of each fetch.
        requested_names: usize = 256,
    }

    /// Limits of the answers of one Prometheus server.
    PrometheusLimits {
        /// One response, held in memory. 4 MiB: 10,000 series of 400 bytes.
        bytes: usize = 4 * MIB,
        /// Cached answers. 1,024: one for each rule, namespace and metricLabelSelector.
        cached: usize = 1_024,
        /// Bytes of cached answers. 8 MiB: 80,000 values.
        cached_bytes: usize = 8 * MIB,
    }

    /// Limits of the cache of pages, which all sources share.
    CacheLimits {
        /// Pages. 4,096: one for each object of templated URLs.
        pages: usize = 4_096,
        /// Bytes. 32 MiB: what a small pod's memory limit leaves for the cache.
        bytes: usize = 32 * MIB,
        /// Default of a source's `cache`. 5 s: at most three fetches for each HPA sync of 15 s.
        ttl: Duration = secs(5),
        /// How long a failure is cached. 1 s: a burst of requests shares it, and the next HPA sync fetches again.
        failure_ttl: Duration = secs(1),
        /// URLs of one source whose state is remembered. 8,192, more than pods in one list; some 200 bytes each.
        states: usize = 8_192,
        /// How long the state of a pod's URL is remembered after its last fetch. 5 min, as long as sampling goes on without
        /// requests: the states of replaced pods do not accumulate.
        pod_state: Duration = secs(300),
        /// How long a pod or templated host is skipped after two failed connections in a row. 10 s: less than an HPA
        /// sync.
        skip: Duration = secs(10),
    }

    /// Limits of the age of samples.
    FreshnessLimits {
        /// Default of a rule's `maxAge`. 2 min: eight HPA syncs.
        max_age: Duration = secs(120),
        /// How far in the future a timestamp may lie. 30 s: the clocks of two machines differ.
        max_future: Duration = secs(30),
    }

    FetchLimits {
        /// Default of a source's `timeout`. 3 s: one of the HPA controller's five workers waits for it.
        timeout: Duration = secs(3),
        /// Likewise for a pod's page. 1 s: a slower pod is left out and does not delay the others.
        pod_timeout: Duration = secs(1),
        /// The longest `timeout`. 4 s: it has to fit into an answer's 5 s.
        max_timeout: Duration = secs(4),
        /// TCP connection. 500 ms: inside a cluster it takes 1 ms.
        connect: Duration = millis(500),
        /// TCP connection and TLS handshake. 1 s.
        connect_tls: Duration = secs(1),
        /// Likewise through a proxy. 2 s: the proxy also has to connect, usually to a distant host.
        connect_proxy: Duration = secs(2),
        /// Response head. 64 KiB.
        response_head: usize = 64 * KIB,
        /// Request head without credentials from files. 128 KiB: selectors in a URL, and a fetched token.
        request_head: usize = 128 * KIB,
        /// Request head for a pod. 16 KiB: musl takes what is larger from the system for each fetch.
        short_request_head: usize = 16 * KIB,
    }

    /// Limits of connections to pods that are kept for their next page.
    KeptLimits {
        /// Connections. 4,096: each takes about 4 KiB of the kernel's memory.
        count: usize = 4_096,
        /// Allowed open files per kept connection. 8: of 1,024 files, clients may take all but 256.
        files_each: usize = 8,
        /// Open files to allow, if the hard limit permits: systemd's soft limit is 1,024. 32,768, eight per connection.
        files: u64 = 32_768,
        /// How long an idle connection is kept. 20 s: longer than the 15 s between two samples.
        idle: Duration = secs(20),
    }

    /// Limits of OAuth 2 tokens.
    OAuth2Limits {
        /// One token request. 2 s: the fetch that needs the token must finish within its own timeout.
        timeout: Duration = secs(2),
        /// How long a failure is remembered. 5 s: each HPA sync may try again.
        failure_ttl: Duration = secs(5),
        /// The lifetime of a token without `expires_in`. 5 min.
        lifetime: Duration = secs(300),
        /// The longest lifetime. 24 h.
        max_lifetime: Duration = secs(24 * 60 * 60),
        /// How long before it expires a token is replaced, or a quarter of its lifetime. 30 s: clocks differ.
        margin: Duration = secs(30),
        /// How long after a source rejected a token the next one is used even if it is rejected, too. 10 s: a source that
        /// rejects every token must not overload the token's server.
        distrust: Duration = secs(10),
        /// A response. 64 KiB: a token with many groups is several KiB long.
        answer: u64 = 64 * KIB as u64,
    }

    /// Limits of host name look-ups.
    ResolveLimits {
        /// One look-up. 1 s.
        timeout: Duration = secs(1),
        /// Look-ups at once. 8: the system's resolver blocks a thread for each.
        concurrent: usize = 8,
        /// Host names whose addresses are cached. 1,024.
        cached: usize = 1_024,
        /// How long addresses are cached. 30 s: a Service keeps its address, and a pod's changes with a rollout.
        ttl: Duration = secs(30),
    }

    /// Limits of sources that are fetched in the background.
    RefreshLimits {
        /// The shortest `refresh`. 5 s, the default of `cache`: a shorter interval is no better than a fetch for each request.
        shortest: Duration = secs(5),
        /// The longest `refresh`. 5 min, because refreshing ends that long after the last request.
        longest: Duration = secs(300),
        /// The longest `timeout` with `refresh`. 10 s: no request waits for it.
        timeout: Duration = secs(10),
        /// How long refreshing continues after the last request. 5 min: twenty HPA syncs.
        linger: Duration = secs(300),
        /// The time without a request after which a URL or query may make room for another. 45 s: three HPA syncs.
        idle: Duration = secs(45),
        /// How soon a failed fetch is repeated. 5 s: until then requests get its error.
        retry: Duration = secs(5),
        /// Threads. 8; one source may occupy half of them.
        threads: usize = 8,
        /// URLs and queries. 1,024; one source may have a quarter.
        targets: usize = 1_024,
    }

    /// Limits of the threads that fetch pods' pages, which all sources share.
    FetcherLimits {
        /// 16; one source may occupy half of them.
        threads: usize = 16,
        /// Fetches waiting for a thread. 8,192: beyond that a pod is left out.
        queue: usize = 8_192,
    }

    /// Limits of TokenReviews and SubjectAccessReviews.
    ReviewLimits {
        /// One call. 2 s: a healthy API server takes milliseconds, and a second try has to fit into an answer's 5 s.
        timeout: Duration = secs(2),
        /// Cached TokenReviews. 1,024: one for each service account.
        cached_tokens: usize = 1_024,
        /// Cached SubjectAccessReviews. 4,096: one for each user and metric.
        cached_access: usize = 4_096,
        /// Bytes of either cache. 4 MiB: a user in hundreds of groups takes 20 KiB.
        cached_bytes: usize = 4 * MIB,
        /// How long either is cached. 10 s, as in Kubernetes' own servers: a revoked token works that much longer.
        ttl: Duration = secs(10),
        /// How long an allowed access is cached for a front proxy's users. 5 min: the front proxy has just authorized
        /// the same request.
        front_proxy_ttl: Duration = secs(300),
        /// The largest cached SubjectAccessReview. 32 KiB.
        cacheable: usize = 32 * KIB,
    }

    /// Limits of reading the authorities that the kube-apiserver publishes.
    TrustLimits {
        /// How often the ConfigMap is read. 1 min.
        poll: Duration = secs(60),
        /// How often at most after a client certificate was rejected. 10 s.
        retry: Duration = secs(10),
    }

    /// Limits of programs that a kubeconfig names for credentials.
    ExecLimits {
        /// One run. 1 min: a user may have to log in.
        timeout: Duration = secs(60),
        /// Its output. 1 MiB.
        output: u64 = MIB as u64,
    }

    /// Limits of lists of objects.
    ObjectLimits {
        /// One list. 4 s: it has to fit into an answer's 5 s.
        timeout: Duration = secs(4),
        /// How long a list is cached. 2 s: less than an HPA sync, and new pods count soon.
        ttl: Duration = secs(2),
        /// Cached lists. 1,024: one for each HPA.
        cached: usize = 1_024,
        /// Bytes of cached lists. 8 MiB: 20,000 pods.
        cached_bytes: usize = 8 * MIB,
        /// One list as the Kubernetes API sends it. 64 MiB, read as a stream: 5,000 pods of 10 KiB.
        bytes: u64 = 64 * MIB as u64,
        /// Objects in one list. 5,000: a request for more needs a selector.
        count: usize = 5_000,
    }

    /// Limits of the renewal of the serving certificate.
    RenewalLimits {
        /// One read or write of an object, with retries. 30 s: no request waits for it, and an API server restarts in less
        /// time.
        call: Duration = secs(30),
        /// How often a run starts over because another client has changed an object. 5: two simultaneous runs need two.
        attempts: u32 = 5,
        /// Default of `--settle`. 10 min: kubelets update mounted Secrets within two, kube-apiservers see a change at once.
        settle: Duration = secs(600),
        /// The largest difference between this clock and the API server's. 5 min: much less than the hour by which a certificate
        /// is backdated, and more than synchronized clocks differ.
        skew: Duration = secs(300),
    }

    /// Limits of the threads that answer requests.
    WorkerLimits {
        /// Acceptors, and as many connection workers, which never wait. 2: one for each core of a small machine.
        fast: usize = 2,
        /// Blocking workers, which wait for sources and the Kubernetes API. 16; one source may occupy half of them.
        blocking: usize = 16,
        /// Blocking workers that wait for the Kubernetes API; in an outage, lists and both kinds of reviews hang together. 12:
        /// 4 are left for sources, for requests that need no review or whose review is cached.
        kubernetes: usize = 12,
        /// Requests waiting for a blocking worker. 1,024, half of them for one source; beyond that the answer is 503 at
        /// once.
        queue: usize = 1_024,
        /// Requests that wait for the Kubernetes API among these. 768, the same share as of the workers.
        kubernetes_queue: usize = 768,
        /// How long a thread that never waits may be without a heartbeat before liveness fails. 10 s.
        stall: Duration = secs(10),
    }
}

impl KeptLimits {
    /// The maximum number of kept connections if this many files may be open.
    pub(crate) fn most(&self, files: usize) -> usize {
        self.count.min(files / self.files_each)
    }
}

impl FetchLimits {
    /// The time to establish a connection, with its TLS handshake and proxy.
    pub(crate) fn connecting(&self, tls: bool, proxy: bool) -> Duration {
        match (tls, proxy) {
            (_, true) => self.connect_proxy,
            (true, false) => self.connect_tls,
            (false, false) => self.connect,
        }
    }
}
