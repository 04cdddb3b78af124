//! KEDA's trigger `metrics-api`: a value on a page, or on the pages of a Service's pods.

use super::json_value::{of_gjson, of_members};
use super::keda_metadata::{MetadataReader, TriggerRule};
use super::output::{flow, line, list};
use super::query;
use crate::config::file::fields::Sink;
use crate::config::limits::Limits;
use crate::parse::dns;
use crate::promql::{Expr, MatchOp};

/// The keys of its metadata.
pub(super) const KEYS: &[&str] = &[
    "targetValue",
    "activationTargetValue",
    "url",
    "format",
    "valueLocation",
    "unsafeSsl",
    "aggregateFromKubeServiceEndpoints",
    "aggregationType",
    "timeout",
    "authMode",
    "authModes",
    "method",
    "keyParamName",
];

impl MetadataReader<'_, '_> {
    /// The rule for a page.
    pub(super) fn metrics_api(&mut self, sink: &mut Sink) -> Option<TriggerRule> {
        let url = self.metadata.required_text("url", sink)?;
        let location = self.metadata.required_text("valueLocation", sink)?;
        let target = self.target("targetValue", "activationTargetValue", sink)?;
        if self.activation.is_some() {
            let message = "an HPA starts the first replica at any value above 0, and a value from a page cannot be compared with it";
            self.metadata.fail("activationTargetValue", message, sink);
        }
        let format = self.optional("format", sink).unwrap_or("json");
        let limits = self.context.limits;
        let value = match format {
            "json" => of_gjson(location, limits),
            "yaml" => of_members(location, limits),
            "prometheus" => of_series(location, limits),
            _ => {
                self.metadata.fail("format", "expected json, yaml or prometheus", sink);
                return None;
            }
        };
        let value = match value {
            Ok(value) => value,
            Err(why) => {
                self.metadata.fail("valueLocation", &why, sink);
                return None;
            }
        };
        if format == "prometheus" {
            let message =
                "valueLocation: KEDA uses the first of several series, but here the HPA adds them up; aggregate them";
            sink.warning(self.metadata.span("valueLocation"), message);
        }
        let (mut source, mut lines, mut service) = (Vec::new(), Vec::new(), None);
        if self.flag("aggregateFromKubeServiceEndpoints", false, sink) {
            let (name, pods) = self.service_pods(url, sink)?;
            source.push(pods);
            let word = match self.optional("aggregationType", sink).unwrap_or("average") {
                "average" => "avg",
                word @ ("sum" | "min" | "max") => word,
                _ => {
                    self.metadata.fail("aggregationType", "expected average, sum, min or max", sink);
                    return None;
                }
            };
            if value.starts_with("count(") {
                self.metadata.fail("valueLocation", "a count cannot be aggregated over pods", sink);
            }
            lines.extend(["object: services".to_owned(), line("value", &format!("{word}({value})"))]);
            service = Some(name);
        } else {
            source.extend([line("url", url), list("namespaces", &[self.context.namespace.to_owned()])]);
            lines.extend(["external: true".to_owned(), line("value", &value)]);
            if format == "prometheus" {
                lines.push("namespaceLabel: none".to_owned());
            }
        }
        source.push(line("format", format));
        source.extend(self.connection(sink));
        self.fallback(target, true, &mut lines);
        Some(self.rule("metrics-api", source, lines, service, target))
    }

    /// The Service in a URL, and a source of the pods that it selects.
    fn service_pods(&mut self, url: &str, sink: &mut Sink) -> Option<(String, String)> {
        let parsed = url.split_once("://").and_then(|(scheme, rest)| {
            let (host, path) =
                rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
            let (service, rest) = host.split_once('.')?;
            let namespace = rest.split('.').next()?;
            let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
            Some((scheme, service, namespace, port, path))
        });
        let Some((scheme, service, namespace, port, path)) = parsed else {
            self.metadata.fail("url", "expected the URL of a Service, such as http://web.shop.svc:8080/stats", sink);
            return None;
        };
        if namespace != self.context.namespace || !dns::is_label(service) {
            let message = "the Service is in another namespace, and an HPA requests metrics of objects in its own";
            self.metadata.fail("url", message, sink);
            return None;
        }
        let message = "aggregateFromKubeServiceEndpoints: the metric becomes one of the Service; all running pods count, ready or \
                       not, and all must respond";
        sink.warning(self.metadata.span("aggregateFromKubeServiceEndpoints"), message);
        let path = if path.is_empty() { "/" } else { &path };
        let pods = format!("pods: {{port: {}, path: {}, scheme: {}}}", flow(port), flow(path), flow(scheme));
        Some((service.to_owned(), pods))
    }
}

/// The series selected by `valueLocation`, which may only compare with `=`.
fn of_series(location: &str, limits: &Limits) -> Result<String, String> {
    match Expr::parse(location, &query::limits(limits)) {
        Ok(Expr::Selector(selector)) if selector.window().is_none() => {
            match selector.matchers.iter().all(|matcher| matcher.op() == MatchOp::Equal) {
                true => Ok(Expr::Selector(selector).to_string()),
                false => Err("KEDA treats every operator as =; write =".to_owned()),
            }
        }
        Ok(_) => Err("expected a selector such as queue_depth{queue=\"mail\"}".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
