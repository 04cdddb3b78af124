//! The URL of queries to a server with Prometheus' API: its address, the path of the API, and parameters.

use std::fmt::Write as _;

use super::fields::{Fields, Sink};
use super::template::template;
use crate::config::limits::Limits;
use crate::parse::escape::Escaped;
use crate::parse::percent::Encoded;
use crate::parse::url_template::{Placeholder, Template};
use crate::parse::yaml::YamlValue;

/// The path of instant queries.
const PATH: &str = "/api/v1/query";

/// Parameters that Metriclet sends itself.
const OWN: [&str; 3] = ["query", "time", "lookback_delta"];

/// The URL of queries.
pub(super) fn url(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Template> {
    let url = template("prometheus", fields, limits, sink)?;
    let text = fields.text("prometheus", sink)?;
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let address = address.trim_end_matches('/');
    let own = query.split('&').find_map(|pair| pair.split('=').next().filter(|name| OWN.contains(name)));
    let wrong = if !is_of_namespaces(&url) || address.contains('{') {
        Some("expected no placeholder except {namespace} in the query".to_owned())
    } else if address.ends_with(PATH) || address.ends_with("/api/v1") {
        Some("expected a server's address without /api/v1, which is added to it".to_owned())
    } else {
        own.map(|own| format!("expected no {own} in the query, because Metriclet sends it"))
    };
    if let Some(wrong) = wrong {
        fields.fail("prometheus", &wrong, sink);
        return None;
    }
    let mut whole = format!("{address}{PATH}");
    let params = params(fields, sink)?;
    for (between, part) in ['?', '&'].into_iter().zip([query, &params].into_iter().filter(|part| !part.is_empty())) {
        let _ = write!(whole, "{between}{part}");
    }
    let parsed = Template::parse(&whole, limits.config.url + PATH.len());
    parsed.map_err(|error| fields.fail("params", &error.message, sink)).ok()
}

/// `params`, percent-encoded except `{namespace}`.
fn params(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<String> {
    let Some(node) = fields.get("params") else { return Some(String::new()) };
    let YamlValue::Mapping(entries) = &node.value else {
        fields.fail("params", &format!("expected a mapping of names to texts, found {}", node.kind()), sink);
        return None;
    };
    let mut encoded = Vec::new();
    for (key, node) in entries {
        let (name, namespace) = (&key.text, Placeholder::Namespace.as_str());
        let Some(text) = node.text() else {
            let message = format!("expected text for {}, found {}", Escaped::new(name), node.kind());
            fields.fail_at("params", node.span, &message, sink);
            return None;
        };
        let wrong = if OWN.contains(&name.as_str()) {
            format!("{name} is sent by Metriclet")
        } else if Placeholder::ALL.into_iter().any(|known| known.as_str() != namespace && text.contains(known.as_str()))
        {
            format!("expected no placeholder but {namespace} in {}", Escaped::new(name))
        } else {
            let parts: Vec<String> = text.split(namespace).map(|part| Encoded::unreserved(part).to_string()).collect();
            encoded.push(format!("{}={}", Encoded::unreserved(name), parts.join(namespace)));
            continue;
        };
        fields.fail_at("params", key.span, &wrong, sink);
        return None;
    }
    Some(encoded.join("&"))
}

/// Whether a URL contains no placeholder but `{namespace}`.
fn is_of_namespaces(url: &Template) -> bool {
    Placeholder::ALL.into_iter().all(|known| known == Placeholder::Namespace || !url.uses(known))
}
