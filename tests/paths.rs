//! Arbitrary paths: a response describes the requested objects and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use common::tls::Authority;
use metriclet::internals::api::access::Access;
use metriclet::internals::api::auth::AuthFilter;
use metriclet::internals::api::identity::Identity;
use metriclet::internals::api::identity::trust::{FrontProxy, Pool, RemoteHeaders, Trust};
use metriclet::internals::api::message::{Origin, Reply, Request};
use metriclet::internals::api::peer::Peer;
use metriclet::internals::api::{Answer, Api};
use metriclet::internals::config::limits::Limits;
use metriclet::internals::metrics::trace::Trace;
use metriclet::internals::parse::path::{self, ApiPath, MetricPath};
use metriclet::internals::source::waiting::AllowedWaits;
use metriclet::internals::telemetry::clock::Clock;

const PATHS: usize = 50_000;

/// Pseudorandom numbers with a fixed seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).unwrap()
    }

    fn path(&mut self) -> String {
        const SEGMENTS: [&str; 33] = [
            "namespaces",
            "namespaces",
            "metrics",
            "pods",
            "deployments.apps",
            "shop",
            "web",
            "m",
            "*",
            "%2A",
            "%2a",
            "",
            ".",
            "..",
            "%2e%2e",
            "a%2Fb",
            "%2F",
            "%2Fmetrics",
            "nam%65spaces",
            "metric%73",
            "Namespaces",
            "watch",
            "proxy",
            "status",
            "é",
            "%C3%A9",
            "%ff",
            "%00",
            "%",
            "a b",
            "a#b",
            "a+b",
            "%25",
        ];
        const STARTS: [&str; 20] = [
            "/apis/custom.metrics.k8s.io/v1beta1",
            "/apis/custom.metrics.k8s.io/v1beta2",
            "/apis/custom.metrics.k8s.io",
            "/apis/custom.metrics.k8s.io/v1beta1",
            "/apis/custom.metrics.k8s.io/v1beta2",
            "/apis/custom.metrics.k8s.io/v1",
            "/apis%2Fcustom.metrics.k8s.io/v1beta1",
            "/%61pis/custom.metrics.k8s.io/v1beta%32",
            "/apis",
            "//apis",
            "",
            "/metrics",
            "/%6detrics",
            "/readyz",
            "/livez",
            "/healthz",
            "/version",
            "/openapi",
            "/index.html",
            "/api/v1",
        ];
        // Half of them are probably valid.
        let odd = self.below(2) == 0;
        let [starts, segments] = if odd { [&STARTS[..], &SEGMENTS] } else { [&STARTS[..2], &SEGMENTS[..10]] };
        let mut path = self.one_of(starts).to_owned();
        for _ in 0..self.one_of(&[0, 0, 1, 2, 3, 3, 4, 5, 5, 5, 6]) {
            path.push('/');
            path += self.one_of(segments);
        }
        if self.below(8) == 0 {
            path.push('/');
        }
        path
    }
}

/// An API without reviews, and a front proxy's certificate for it.
fn api() -> (Api, Peer) {
    let limits = Limits::default();
    let api = Api::unconfigured(&limits, &Clock::system());
    let authority = Authority::new("front proxies");
    let pool = Pool::from_pem(authority.pem().as_bytes()).unwrap();
    let identity = Identity::new(None, &limits);
    let front_proxy = FrontProxy { pool, allowed_names: Vec::new(), headers: RemoteHeaders::usual() };
    identity.install(Trust::new(Some(front_proxy), None).0);
    let open = ["/healthz", "/livez", "/readyz"].map(str::to_owned).to_vec();
    api.set_auth(AuthFilter { identity, access: Access::new(None, open, &limits) });
    let chain = authority.issue("proxy").certificates();
    (api, Peer::new(chain.iter().map(|certificate| certificate.to_vec()).collect()))
}

fn ask(api: &Api, request: Request<'_>) -> Reply {
    match api.answer(&request, AllowedWaits::NONE, Clock::system().now(), &mut Trace::off()) {
        Answer::Reply(reply) => reply,
        Answer::WouldWait(_) => panic!("{request:?} waits, although nothing needs to be fetched"),
    }
}

/// The path for these attributes, with every byte escaped.
fn derived(path: &MetricPath) -> String {
    let of = path.attributes();
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut segments = vec![];
    segments.extend(of.namespace.iter().flat_map(|namespace| ["namespaces", *namespace]));
    segments.extend([of.resource, of.name.unwrap_or_default()]);
    segments.extend(of.subresource);
    let segments: Vec<_> = segments.into_iter().map(escaped).collect();
    format!("/apis/custom.metrics.k8s.io/{}/{}", path.version.as_str(), segments.join("/"))
}

#[test]
fn the_authorized_path_is_the_served_path() {
    let (api, peer) = api();
    let mut numbers = Numbers(0x2026_1124);
    let (mut metrics, mut open) = (0, 0);
    let headers: &[(&str, &[u8])] = &[("X-Remote-User", b"u")];
    for _ in 0..PATHS {
        let target = numbers.path();
        let method = numbers.one_of(&["GET", "GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS"]);
        let parsed = path::parse(&target, Limits::default().request.path);
        let request = Request { method, target: &target, headers, origin: Origin::Network(None) };
        let anonymous = ask(&api, request).code;
        let known = ask(&api, Request { origin: Origin::Network(Some(&peer)), ..request });
        if matches!(target.as_str(), "/healthz" | "/livez" | "/readyz") {
            open += 1;
            assert_ne!((anonymous, known.code), (403, 403), "{target}");
            continue;
        }
        assert_eq!(anonymous, 403, "{method} {target}");
        match parsed {
            Ok(ApiPath::Metric(metric)) => {
                metrics += 1;
                // The error is about authorization, not about the metric.
                let body = String::from_utf8(known.body.to_vec()).unwrap();
                assert!(known.code == 503 && body.contains("cannot authorize the request"), "{target}: {body}");
                assert_eq!(path::parse(&derived(&metric), 64 << 10), Ok(ApiPath::Metric(metric)), "{target}");
            }
            Ok(
                ApiPath::Root | ApiPath::OwnMetrics | ApiPath::Status(_) | ApiPath::PeerSamples | ApiPath::Health(..),
            ) => assert_eq!(known.code, 503, "{target}"),
            Ok(_) => assert!(matches!(known.code, 200 | 404 | 405), "{target}: {}", known.code),
            Err(_) => assert_eq!(known.code, 400, "{target}"),
        }
    }
    assert!(metrics > PATHS / 10 && open > 100, "{metrics} {open}");
}
