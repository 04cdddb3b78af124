//! KEDA's trigger `prometheus`: a query to a Prometheus server.

use super::keda_metadata::{MetadataReader, TriggerRule};
use super::output::{flow, line, list};
use super::query;
use super::query_shape::is_single;
use crate::config::file::fields::Sink;
use crate::promql::Expr;

/// The keys of its metadata.
pub(super) const KEYS: &[&str] = &[
    "serverAddress",
    "query",
    "queryParameters",
    "threshold",
    "activationThreshold",
    "namespace",
    "customHeaders",
    "ignoreNullValues",
    "unsafeSsl",
    "timeout",
    "authModes",
    "metricName",
];

impl MetadataReader<'_, '_> {
    /// The rule for a query.
    pub(super) fn prometheus(&mut self, sink: &mut Sink) -> Option<TriggerRule> {
        let address = self.metadata.required_text("serverAddress", sink)?;
        let written = self.metadata.required_text("query", sink)?;
        let target = self.target("threshold", "activationThreshold", sink)?;
        let ignores_null = self.flag("ignoreNullValues", true, sink);
        let mut value = match query::verbatim(written, self.context.limits) {
            Ok(value) => value,
            Err(why) => {
                self.metadata.fail("query", &why, sink);
                return None;
            }
        };
        if !is_single(&value, &query::limits(self.context.limits)) {
            let message = "query: KEDA fails on several elements, but here the HPA adds them up; aggregate them";
            sink.warning(self.metadata.span("query"), message);
        }
        let mut lines = vec!["external: true".to_owned()];
        if let Some(activation) = self.activation {
            if !ignores_null {
                let message = "an HPA starts the first replica at any value above 0; with ignoreNullValues: \"true\" this could \
                               be a comparison";
                self.metadata.fail("activationThreshold", message, sink);
            }
            // Values up to the activation threshold count as no result.
            value = format!("({value}) > {activation}");
        }
        value = Expr::parse(&value, &query::limits(self.context.limits)).map_or(value, |expr| expr.to_string());
        lines.extend([line("value", &value), "namespaceLabel: none".to_owned()]);
        if ignores_null {
            lines.extend(["onMissing: zero", "onNaN: zero"].map(str::to_owned));
            let message = "query: as ignoreNullValues is true, no result and NaN are 0; onMissing: error and onNaN: error keep \
                           the replicas instead";
            sink.warning(self.metadata.span("query"), message);
        }
        self.fallback(target, !ignores_null, &mut lines);
        let mut source = vec![line("prometheus", address), list("namespaces", &[self.context.namespace.to_owned()])];
        let mut params = self.pairs("queryParameters", sink);
        params.extend(self.optional("namespace", sink).map(|namespace| ("namespace".to_owned(), namespace.to_owned())));
        if !params.is_empty() {
            let params: Vec<String> =
                params.iter().map(|(name, value)| format!("{}: {}", flow(name), flow(value))).collect();
            source.extend([format!("params: {{{}}}", params.join(", ")), "method: GET".to_owned()]);
        }
        let headers = self.pairs("customHeaders", sink);
        if !headers.is_empty() {
            let header = |(name, value): &(String, String)| format!("{}: {{value: {}}}", flow(name), flow(value));
            source.push(format!("headers: {{{}}}", headers.iter().map(header).collect::<Vec<_>>().join(", ")));
        }
        source.extend(self.connection(sink));
        Some(self.rule("prometheus", source, lines, None, target))
    }
}
