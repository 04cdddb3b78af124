//! The whole API with arbitrary bytes for request line and headers, and a constant clock: always a reply of the right
//! shape, and the same reply each time. No source is fetched, because no request waits here.
#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::api::message::{JSON, Origin, PROTOBUF, Request, YAML};
use metriclet::internals::api::{Answer, Api};
use metriclet::internals::config::file;
use metriclet::internals::config::limits::Limits;
use metriclet::internals::metrics::trace::Trace;
use metriclet::internals::parse::yaml::{YamlLimits, parse_page};
use metriclet::internals::source::waiting::AllowedWaits;
use metriclet::internals::telemetry::clock::{Clock, Now};
use serde_json::Value;

const CONFIG: &[u8] = b"
sources:
  s: {url: 'http://h/{metric}?of={labelSelector}', namespaces: [a], format: number}
metrics:
  - {name: q, object: services, source: s, describes: {namespace: a, name: w}}
  - {name: r, object: namespaces, source: s, describes: {name: a}}
  - {name: broken, object: services, source: t}
";

const YAML_LIMITS: YamlLimits = YamlLimits { bytes: 1 << 20, depth: 16, nodes: 1 << 12 };

static API: LazyLock<(Api, Now)> = LazyLock::new(|| {
    let now = Now { monotonic: Instant::now(), unix_millis: 1_787_020_504_000 };
    let limits = Limits::default();
    let api = Api::unconfigured(&limits, &Clock::from_fn(move || now));
    api.metrics().install(file::load(CONFIG, &limits).config, None);
    api.health().set_configured();
    (api, now)
});

fuzz_target!(|input: (&str, &str, Option<&str>, Option<&str>, Option<&str>)| {
    let (method, target, accept, user_agent, if_none_match) = input;
    let (api, now) = &*API;
    let headers = [("Accept", accept), ("User-Agent", user_agent), ("If-None-Match", if_none_match)];
    let headers: Vec<_> =
        headers.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_bytes()))).collect();
    let request = Request { method, target, headers: &headers, origin: Origin::Loopback };
    let answer = || api.answer(&request, AllowedWaits::NONE, *now, &mut Trace::off());
    let Answer::Reply(reply) = answer() else { return };
    assert!((200..600).contains(&reply.code));
    let body = match reply.media_type {
        JSON if reply.code != 301 => Some(serde_json::from_slice::<Value>(&reply.body).expect("JSON")),
        YAML => Some(parse_page(&reply.body, &YAML_LIMITS).expect("YAML")),
        _ => None,
    };
    assert_eq!(reply.body.starts_with(b"k8s\0"), reply.media_type == PROTOBUF);
    if let Some(body) = body {
        if body["kind"] == "Status" {
            assert_eq!(body["code"], reply.code);
            assert!(reply.code >= 400);
            let message = body["message"].as_str().expect("a message");
            assert!(!message.is_empty() && message.len() <= 512, "{message}");
            assert!(!message.chars().any(|c| c.is_control()), "{message:?}");
        }
    }
    if !target.contains("metrics") {
        let Answer::Reply(again) = answer() else { panic!("a different answer") };
        assert_eq!(reply, again);
    }
});
