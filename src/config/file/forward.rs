//! `forward`: other adapters, and the metrics that they serve instead of rules.

use super::fields::{Fields, Sink};
use super::template::template;
use crate::config::limits::Limits;
use crate::config::model::{AdapterAddress, Forward, OtherAdapter};
use crate::config::problem::{Part, Problem};
use crate::parse::certificate_name::CertificateName;
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::glob::NameGlob;
use crate::parse::path::Group;
use crate::parse::yaml::YamlValue;

const KEYS: &[&str] = &["to", "external", "metrics"];

const ADAPTER_KEYS: &[&str] =
    &["service", "namespace", "port", "url", "caFile", "serverName", "insecureSkipTLSVerify", "timeout"];

/// The default port of an adapter's Service.
const HTTPS: u16 = 443;

/// The settings of a file for other adapters.
#[derive(Clone, Debug, Default)]
pub(super) struct Forwarding {
    /// `forward`; none if any part of it is invalid, because it could mean more or fewer metrics.
    pub(super) forward: Option<Forward>,
    /// The default of `shadow` for rules.
    pub(super) shadow: bool,
    /// The problem of `forward` or `shadow`. It breaks the rules that may be shadowed.
    pub(super) problem: Option<Problem>,
}

impl Forwarding {
    pub(super) fn read(top: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Self {
        if !top.has("forward") {
            // The key may be misspelt; the rules' errors would be of the same cause.
            if let Some(problem) = sink.first_error().cloned() {
                let shadow = top.boolean("shadow", sink).unwrap_or_default();
                return Self { forward: None, shadow, problem: Some(problem) };
            }
            if top.boolean("shadow", sink) == Some(true) {
                top.fail("shadow", "needs forward:, the adapter to compare with", sink);
            }
            return Self::default();
        }
        let mut own = Sink::new(Part::File);
        let forward = read(top, limits, &mut own);
        let shadow = top.boolean("shadow", &mut own);
        let is_unreadable = top.has("shadow") && shadow.is_none();
        let problem = own.first_error().cloned();
        sink.extend(own);
        let forward = forward.filter(|_| problem.is_none());
        Self { forward, shadow: shadow.unwrap_or(is_unreadable), problem }
    }
}

/// Reads `forward`, if it is there.
fn read(top: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Forward> {
    let node = top.get("forward")?;
    let mut fields = Fields::open(node, top.span("forward"), "forward", KEYS, sink)?;
    if !fields.has("to") && !fields.has("external") {
        let why = "expected to: for metrics of objects, or external: for external metrics";
        top.fail("forward", why, sink);
        return None;
    }
    let custom = adapter("to", &mut fields, limits, sink);
    let external = adapter("external", &mut fields, limits, sink);
    let metrics = metrics(&mut fields, limits, sink);
    if (fields.has("to") && custom.is_none()) || (fields.has("external") && external.is_none()) {
        return None;
    }
    Some(Forward { custom, external, metrics: metrics? })
}

/// Names, in which `*` matches any text; all metrics without the key.
fn metrics(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Vec<NameGlob>> {
    let Some(node) = fields.get("metrics") else { return Some(vec![NameGlob::new("*")]) };
    let YamlValue::Sequence(items) = &node.value else {
        let message = format!(r#"expected a list such as ["*"] or ["http_*", queue_depth], found {}"#, node.kind());
        fields.fail("metrics", &message, sink);
        return None;
    };
    if items.is_empty() || items.len() > limits.forward.globs {
        let message = format!("expected 1 to {} names, found {}", limits.forward.globs, items.len());
        fields.fail("metrics", &message, sink);
        return None;
    }
    let mut globs = Vec::new();
    for item in items {
        let is_name = |text: &&str| !text.is_empty() && !text.contains('/') && !text.chars().any(char::is_control);
        match item.text().filter(is_name) {
            Some(text) => globs.push(NameGlob::new(text)),
            None => {
                let found = item.text().map_or_else(|| item.kind().to_owned(), |text| Escaped::new(text).to_string());
                let message = format!("expected the name of a metric, in which * stands for any text, found {found}");
                fields.fail_at("metrics", item.span, &message, sink);
                return None;
            }
        }
    }
    Some(globs)
}

fn adapter(key: &'static str, fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<OtherAdapter> {
    let node = fields.get(key)?;
    let mut adapter = Fields::open(node, fields.span(key), key, ADAPTER_KEYS, sink)?;
    let address = address(&mut adapter, limits, sink);
    let ca_file = adapter.path("caFile", sink);
    let insecure = adapter.boolean("insecureSkipTLSVerify", sink).unwrap_or_default();
    let server_name = match adapter.text("serverName", sink).map(CertificateName::parse) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err(why)) => {
            adapter.fail("serverName", &why, sink);
            return None;
        }
    };
    let timeout = adapter.duration("timeout", false, limits.fetch.max_timeout, sink);
    let is_written = |key| adapter.has(key);
    match (is_written("caFile"), insecure) {
        (true, true) => {
            adapter.fail("insecureSkipTLSVerify", "excludes caFile:", sink);
            return None;
        }
        (false, false) => {
            let why = "caFile: required: the authorities of the adapter's certificate, as in the caBundle of its \
                       APIService; or insecureSkipTLSVerify: true, which skips verification";
            sink.error(adapter.home(), format!("{key}: {why}"));
            return None;
        }
        (false, true) => {
            let why = "insecureSkipTLSVerify: a host on the way to the adapter can serve any values, and gets the token of \
                       Metriclet's service account";
            sink.warning(adapter.span("insecureSkipTLSVerify"), why);
        }
        (true, false) => {}
    }
    let timeout = match adapter.has("timeout") {
        true => timeout?,
        false => limits.fetch.timeout,
    };
    let ca_file = if adapter.has("caFile") { Some(ca_file?) } else { None };
    Some(OtherAdapter { address: address?, ca_file, server_name, insecure, timeout })
}

/// `service`, `namespace` and `port`, or `url`.
fn address(adapter: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<AdapterAddress> {
    if adapter.has("url") {
        for key in ["service", "namespace", "port"] {
            if adapter.has(key) {
                adapter.fail(key, "excluded by url:, which is the adapter's address", sink);
            }
        }
        let url = template("url", adapter, limits, sink)?;
        // The token of the service account is sent to this URL.
        if !url.is_https() || url.is_templated() || url.fixed_target() != Some("/") {
            adapter.fail("url", "expected https://HOST:PORT without a path", sink);
            return None;
        }
        return adapter.text("url", sink).map(|text| AdapterAddress::Url(text.trim_end_matches('/').to_owned()));
    }
    let mut label = |key: &'static str| {
        let text = adapter.required_text(key, sink)?;
        if !dns::is_label(text) {
            adapter.fail(key, &format!("expected the name of a {key}, found {}", Escaped::new(text)), sink);
            return None;
        }
        Some(text.to_owned())
    };
    let (name, namespace) = (label("service"), label("namespace"));
    let port = match adapter.text("port", sink).map(|text| (text, text.parse::<u16>())) {
        None if adapter.has("port") => return None,
        None => HTTPS,
        Some((_, Ok(port @ 1..))) => port,
        Some((text, _)) => {
            adapter.fail("port", &format!("expected a number from 1 to 65535, found {}", Escaped::new(text)), sink);
            return None;
        }
    };
    Some(AdapterAddress::Service { namespace: namespace?, name: name?, port })
}

/// Whether a rule is shadowed: its own `shadow`, or else that of the file if its group has another adapter. If `forward` is
/// invalid, this is unknown, and the problem of `forward` breaks the rule.
pub(super) fn shadow(fields: &mut Fields<'_>, is_external: bool, of_file: &Forwarding, sink: &mut Sink) -> bool {
    let Forwarding { forward, shadow: of_all, problem } = of_file;
    if let Some(problem) = problem {
        let shadow = fields.boolean("shadow", sink).unwrap_or(*of_all);
        if shadow {
            sink.repeat(problem);
        }
        return shadow;
    }
    let (group, key) = if is_external { (Group::External, "external") } else { (Group::Custom, "to") };
    let has_adapter = forward.as_ref().is_some_and(|forward| forward.adapter(group).is_some());
    match fields.boolean("shadow", sink) {
        Some(true) if !has_adapter => {
            fields.fail("shadow", &format!("needs forward: with {key}:, the adapter to compare with"), sink);
            false
        }
        Some(shadow) => shadow,
        None => *of_all && has_adapter,
    }
}
