//! One source of the file.

use std::time::Duration;

use super::fields::{Fields, Sink};
use super::template::template;
use super::{namespaces, oauth2, pods, prometheus, request};
use crate::config::check;
use crate::config::limits::Limits;
use crate::config::model::{
    Basic, Compression, Credentials, Format, Method, Namespaces, Pods, SelectorMode, Source, Target,
};
use crate::parse::certificate_name::CertificateName;
use crate::parse::duration;
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{Key, Node};

const KEYS: &[&str] = &[
    "url",
    "format",
    "maxBytes",
    "compression",
    "namespaces",
    "timeout",
    "cache",
    "refresh",
    "labelSelector",
    "bearerTokenFile",
    "basic",
    "oauth2",
    "headers",
    "query",
    "method",
    "body",
    "contentType",
    "proxy",
    "params",
    "caFile",
    "certFile",
    "keyFile",
    "serverName",
    "dangerAllowLoopback",
    "single",
    "pods",
    "prometheus",
];

const FORMATS: &[(&str, Format)] = &[
    ("prometheus", Format::Prometheus),
    ("openmetrics", Format::OpenMetrics),
    ("json", Format::Json),
    ("yaml", Format::Yaml),
    ("csv", Format::Csv),
    ("text", Format::Text),
    ("number", Format::Number),
];

/// Reads a source; `None` (and a problem) if its target cannot be read.
pub(super) fn read(key: &Key, node: &Node, limits: &Limits, sink: &mut Sink) -> Option<Source> {
    let what = format!("source {}", Escaped::new(&key.text));
    if !is_name(&key.text) {
        sink.error(
            key.span,
            format!("{what}: expected a name of at most 63 letters, digits, dots, dashes and underscores"),
        );
    }
    let mut fields = Fields::open(node, key.span, &what, KEYS, sink)?;
    let target = target(&mut fields, limits, sink);
    let method = request::method(&mut fields, sink).unwrap_or(match target {
        Some(Target::Prometheus(_)) => Method::Post,
        _ => Method::Get,
    });
    let source = Source {
        name: key.text.clone(),
        format: fields.word("format", FORMATS, sink),
        max_bytes: fields.bytes("maxBytes", limits.page.max_bytes, sink),
        compression: fields.word("compression", &[("gzip", Compression::Gzip)], sink),
        namespaces: namespaces::read(&mut fields, sink).unwrap_or(match &target {
            Some(Target::Pods(Pods { set: Some(set), .. })) => Namespaces::Only(vec![set.namespace.clone()]),
            // Pages of pods describe only their own pod and the objects that select it, in any namespace.
            Some(Target::Pods(Pods { set: None, .. })) => Namespaces::All,
            None if fields.has("pods") => Namespaces::All,
            _ => Namespaces::Only(Vec::new()),
        }),
        timeout: timeout(&mut fields, limits, sink).unwrap_or(match target {
            Some(Target::Pods(_)) => limits.fetch.pod_timeout,
            _ => limits.fetch.timeout,
        }),
        cache: fields.duration("cache", true, limits.config.duration, sink).unwrap_or(limits.cache.ttl),
        refresh: fields.duration("refresh", false, limits.refresh.longest, sink),
        label_selector: SelectorMode::default(),
        credentials: credentials(&mut fields, limits, sink),
        danger_allow_loopback: fields.boolean("dangerAllowLoopback", sink).unwrap_or(false),
        single: fields.boolean("single", sink),
        method,
        body: match target {
            Some(Target::Url(_)) => request::body(&mut fields, method, limits, sink),
            _ => None,
        },
        proxy: request::proxy(&mut fields, limits, sink),
        target: target?,
    };
    if source.is_of_pods() && fields.has("method") {
        fields.fail("method", "pages of pods are requested with GET", sink);
    }
    if !source.is_prometheus() && fields.has("params") {
        fields.fail("params", "is for prometheus: sources; see query:", sink);
    }
    if !source.is_url() {
        for key in ["body", "contentType"] {
            if fields.has(key) {
                fields.fail(key, "is for sources with url:", sink);
            }
        }
    }
    if source.is_of_pods() && fields.has("refresh") {
        fields.fail("refresh", "is for sources with url: or prometheus:", sink);
    }
    if fields.has("refresh") && fields.has("cache") {
        fields.fail("cache", "excluded by refresh:, whose pages are used until the next ones arrive", sink);
    }
    if source.is_prometheus() {
        for (key, why) in [
            ("format", "a server's responses have a fixed format"),
            ("maxBytes", "is for pages"),
            ("labelSelector", "objects are always selected by their own labels"),
            ("single", "a server stores samples over time itself"),
        ] {
            if fields.has(key) {
                fields.fail(key, why, sink);
            }
        }
    }
    let passed_on = source.uses(Placeholder::LabelSelector);
    if source.is_of_any_pods() && fields.has("labelSelector") {
        fields.fail("labelSelector", "pods are always selected by their own labels", sink);
    }
    let label_selector = match fields.word("labelSelector", &[("labels", SelectorMode::Labels)], sink) {
        Some(_) if passed_on => {
            fields.fail("labelSelector", "the request already passes it on as {labelSelector}", sink);
            SelectorMode::Url
        }
        Some(mode) => mode,
        None if passed_on => SelectorMode::Url,
        None => SelectorMode::Kubernetes,
    };
    let source = Source { label_selector, ..source };
    fields.report(check::source(&source, limits), sink);
    Some(source)
}

/// Exactly one of `url`, `pods` and `prometheus`.
fn target(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Target> {
    if fields.has("pods") {
        for key in ["url", "prometheus"] {
            if fields.has(key) {
                fields.fail(key, "excluded by pods:, which defines where pages are", sink);
            }
        }
        return pods::read(fields, limits, sink).map(Target::Pods);
    }
    if fields.has("prometheus") {
        if fields.has("url") {
            fields.fail("url", "excluded by prometheus:, which is the server's address", sink);
        }
        return prometheus::url(fields, limits, sink).map(Target::Prometheus);
    }
    template("url", fields, limits, sink).map(Target::Url)
}

/// `timeout`, which may exceed the time that a request waits only with `refresh`.
fn timeout(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Duration> {
    let timeout = fields.duration("timeout", false, limits.refresh.timeout, sink)?;
    if timeout > limits.fetch.max_timeout && !fields.has("refresh") {
        let [most, found] = [limits.fetch.max_timeout, timeout].map(duration::format);
        fields.fail("timeout", &format!("expected at most {most} without refresh:, found {found}"), sink);
        return None;
    }
    Some(timeout)
}

/// A name is printed in messages, logs and labels of our own metrics.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn credentials(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Credentials {
    Credentials {
        bearer_token_file: fields.path("bearerTokenFile", sink),
        basic: basic(fields, sink),
        oauth2: oauth2::read(fields, limits, sink),
        headers: request::headers(fields, sink),
        query: request::query(fields, sink),
        ca_file: fields.path("caFile", sink),
        cert_file: fields.path("certFile", sink),
        key_file: fields.path("keyFile", sink),
        server_name: server_name(fields, sink),
    }
}

fn basic(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Basic> {
    let node = fields.get("basic")?;
    let mut basic = Fields::open(node, fields.span("basic"), "basic", &["username", "passwordFile"], sink)?;
    let username = basic.required_text("username", sink);
    basic.require("passwordFile", sink);
    let password_file = basic.path("passwordFile", sink)?;
    let username = username?;
    if username.contains(':') || username.chars().any(char::is_control) {
        basic.fail("username", "expected no colon and no control characters", sink);
        return None;
    }
    Some(Basic { username: username.to_owned(), password_file })
}

fn server_name(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<CertificateName> {
    let name = fields.text("serverName", sink)?;
    CertificateName::parse(name).map_err(|why| fields.fail("serverName", &why, sink)).ok()
}
