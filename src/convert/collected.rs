//! Converts kube-metrics-adapter's collectors: JSON of pods or of a URL, or a Prometheus server.

use super::Known;
use super::annotations::Setting;
use super::diagnostics::{Diagnostics, Position};
use super::json_value::{self, is_singular};
use super::output::{flow, line, list};
use super::query;
use super::query_shape::is_single;
use crate::autoscaling::manifest::MetricKind;
use crate::config::limits::Limits;
use crate::kube::kinds;
use crate::parse::duration;
use crate::parse::escape::Escaped;

/// The settings for a metric; collectors remove those that they use.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) metric: &'a str,
    pub(super) position: Position,
    pub(super) settings: Vec<Setting>,
    pub(super) known: &'a Known<'a>,
    pub(super) limits: &'a Limits,
}

/// A source and a rule.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) source_name: &'static str,
    pub(super) source: Vec<String>,
    /// The rule's keys, except its name and source.
    pub(super) lines: Vec<String>,
    /// The name of the metric, if it has to change.
    pub(super) name: Option<String>,
}

/// The position of a metric that cannot be converted, and the reason.
type Failure = (Position, String);

/// The source and the rule for a metric; `None` (and a diagnostic) if it cannot be converted.
pub(super) fn collect(
    mut settings: Settings<'_>,
    kind: MetricKind<'_>,
    namespace: &str,
    collector: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Collected> {
    let collected = match (kind, collector) {
        (MetricKind::Pods, "json-path") => settings.pods(diagnostics),
        (MetricKind::External, "json-path" | "http") => settings.http(namespace, diagnostics),
        (MetricKind::External, "prometheus" | "prometheus-query") => settings.external_query(namespace, diagnostics),
        (MetricKind::Object(object), "prometheus") => {
            settings.object_query(namespace, (object.api_version, object.kind, object.name))
        }
        (_, "") => Err((settings.position, "kube-metrics-adapter has no annotation for it".to_owned())),
        (_, other) => Err((settings.position, format!("the collector {} cannot be converted", Escaped::new(other)))),
    };
    let metric = Escaped::new(settings.metric);
    let mut is_known = true;
    let fail = |(position, why): Failure, diagnostics: &mut Diagnostics| {
        diagnostics.error(position, format!("metric {metric}: {why}"));
    };
    for setting in std::mem::take(&mut settings.settings) {
        let key = Escaped::new(&setting.key);
        match setting.key.as_str() {
            "interval" => diagnostics.warning(
                setting.position,
                format!(
                    "metric {metric}: interval has no effect here; refresh: on the source fetches in the background"
                ),
            ),
            "min-pod-ready-age" => {
                diagnostics.warning(
                    setting.position,
                    format!("metric {metric}: min-pod-ready-age has no equivalent; new pods count"),
                );
            }
            "connect-timeout" => diagnostics.warning(
                setting.position,
                format!("metric {metric}: connect-timeout has no equivalent; the limit here is 500ms"),
            ),
            _ if collected.is_ok() => {
                is_known = false;
                fail((setting.position, format!("unknown setting {key}")), diagnostics);
            }
            _ => {}
        }
    }
    match collected {
        Ok(collected) => Some(collected).filter(|_| is_known),
        Err(failure) => {
            fail(failure, diagnostics);
            None
        }
    }
}

impl Settings<'_> {
    fn take(&mut self, key: &str) -> Option<Setting> {
        let index = self.settings.iter().position(|setting| setting.key == key)?;
        Some(self.settings.remove(index))
    }

    fn required(&mut self, key: &str) -> Result<Setting, Failure> {
        self.take(key).ok_or_else(|| (self.position, format!("the setting {key} is missing")))
    }

    /// A metric from the JSON of each pod.
    fn pods(&mut self, diagnostics: &mut Diagnostics) -> Result<Collected, Failure> {
        let value = self.json_value(diagnostics)?;
        let (port, path) = (self.required("port")?, self.take("path"));
        let mut path = path.map_or_else(|| "/".to_owned(), |path| path.value);
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        if let Some(query) = self.take("raw-query") {
            path = format!("{path}?{}", query.value);
        }
        let mut pods = format!("port: {}, path: {}", flow(&port.value), flow(&path));
        if let Some(scheme) = self.take("scheme") {
            pods += &format!(", scheme: {}", flow(&scheme.value));
        }
        let mut source = vec![format!("pods: {{{pods}}}"), "format: json".to_owned()];
        source.extend(self.timeout(diagnostics)?);
        let lines = vec!["object: pods".to_owned(), line("value", &value)];
        Ok(Collected { source_name: "pods", source, lines, name: None })
    }

    /// A metric from the JSON of a URL.
    fn http(&mut self, namespace: &str, diagnostics: &mut Diagnostics) -> Result<Collected, Failure> {
        let value = self.json_value(diagnostics)?;
        let endpoint = self.required("endpoint")?;
        let mut source = vec![line("url", &endpoint.value), "format: json".to_owned()];
        source.push(list("namespaces", &[namespace.to_owned()]));
        source.extend(self.timeout(diagnostics)?);
        let lines = vec!["external: true".to_owned(), line("value", &value)];
        Ok(Collected { source_name: "http", source, lines, name: None })
    }

    /// The value from `json-key` or `json-eval`, with `aggregator`.
    fn json_value(&mut self, diagnostics: &mut Diagnostics) -> Result<String, Failure> {
        let (key, eval, aggregator) = (self.take("json-key"), self.take("json-eval"), self.take("aggregator"));
        if let Some(aggregator) = aggregator.as_ref().filter(|own| !["avg", "max", "min", "sum"].contains(&&*own.value))
        {
            let found = Escaped::new(&aggregator.value);
            return Err((aggregator.position, format!("aggregator: expected avg, max, min or sum, found {found}")));
        }
        let (written, word) = match (key, eval) {
            (Some(key), None) => (key, aggregator.as_ref().map(|aggregator| aggregator.value.as_str())),
            (None, Some(eval)) => (eval, None),
            _ => return Err((self.position, "expected either json-key or json-eval".to_owned())),
        };
        if word.is_some() && is_singular(&written.value) {
            let message = format!(
                "metric {}: the aggregator applies to the items of a list, so the page must have a list at this path",
                Escaped::new(self.metric)
            );
            diagnostics.warning(written.position, message);
        }
        let value = json_value::of_path(&written.value, word, self.limits);
        value.map_err(|why| (written.position, format!("{}: {why}", written.key)))
    }

    /// The `timeout` of a source, from `request-timeout`.
    fn timeout(&mut self, diagnostics: &mut Diagnostics) -> Result<Option<String>, Failure> {
        let Some(setting) = self.take("request-timeout") else { return Ok(None) };
        let longest = self.limits.fetch.max_timeout;
        match duration::parse(&setting.value) {
            Ok(timeout) if timeout.is_zero() => Ok(None),
            Ok(timeout) if timeout <= longest => Ok(Some(line("timeout", &duration::format(timeout)))),
            Ok(_) => {
                let longest = duration::format(longest);
                let message =
                    format!("metric {}: request-timeout: the maximum here is {longest}", Escaped::new(self.metric));
                diagnostics.warning(setting.position, message);
                Ok(Some(line("timeout", &longest)))
            }
            Err(error) => Err((setting.position, format!("request-timeout: {error}"))),
        }
    }

    /// A query for an external metric.
    fn external_query(&mut self, namespace: &str, diagnostics: &mut Diagnostics) -> Result<Collected, Failure> {
        let name = self.take("query-name");
        let query = match (self.take("query"), &name) {
            (Some(query), _) => query,
            (None, Some(name)) => self.required(&name.value)?,
            (None, None) => return Err((self.position, "neither query nor query-name is set".to_owned())),
        };
        if let Some(alias) = self.take("prometheus-server-alias") {
            let found = Escaped::new(&alias.value);
            let why = format!("prometheus-server-alias: the URL of {found} is unknown; set it as prometheus-server");
            return Err((alias.position, why));
        }
        let server = self.take("prometheus-server").map(|server| server.value);
        let source = self.server(server, namespace)?;
        let value = query::verbatim(&query.value, self.limits).map_err(|why| (query.position, why))?;
        if !is_single(&value, &query::limits(self.limits)) {
            let message = format!(
                "metric {}: kube-metrics-adapter uses the first of several elements, but here the HPA adds them up; aggregate \
                 them",
                Escaped::new(self.metric)
            );
            diagnostics.warning(query.position, message);
        }
        let lines = vec!["external: true".to_owned(), line("value", &value), "namespaceLabel: none".to_owned()];
        let name = name.filter(|_| self.metric == "prometheus-query").map(|name| name.value.to_ascii_lowercase());
        Ok(Collected { source_name: "prometheus", source, lines, name })
    }

    /// A query for one object.
    fn object_query(
        &mut self,
        namespace: &str,
        (api_version, kind, name): (&str, &str, &str),
    ) -> Result<Collected, Failure> {
        let query = self.required("query")?;
        if let Some(per_replica) = self.take("per-replica") {
            let why =
                "per-replica divides by the replicas, as averageValue in the HPA does; write that instead".to_owned();
            return Err((per_replica.position, why));
        }
        let group =
            |api_version: &str| api_version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let is_it = |known: &&kinds::Kind| known.kind == kind && group(known.api_version) == group(api_version);
        let Some(known) = kinds::all().find(is_it) else {
            let found = Escaped::new(kind);
            return Err((self.position, format!("the resource of kind {found} is unknown; use type: External")));
        };
        let source = self.server(None, namespace)?;
        let value = query::verbatim(&query.value, self.limits).map_err(|why| (query.position, why))?;
        let name = flow(name);
        let describes = match known.namespaced {
            true => format!("describes: {{namespace: {namespace}, name: {name}}}"),
            false => format!("describes: {{name: {name}}}"),
        };
        let lines = vec![line("object", known.resource), line("value", &value), describes];
        Ok(Collected { source_name: "prometheus", source, lines, name: None })
    }

    fn server(&self, own: Option<String>, namespace: &str) -> Result<Vec<String>, Failure> {
        let url = own.or_else(|| self.known.prometheus.map(str::to_owned));
        let Some(url) = url else {
            return Err((
                self.position,
                "the Prometheus server is unknown; use --prometheus URL with the value of --prometheus-server"
                    .to_owned(),
            ));
        };
        Ok(vec![line("prometheus", &url), list("namespaces", &[namespace.to_owned()])])
    }
}
