//! Another adapter, whose responses a test sets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::kubernetes::{Call, KUBERNETES, Kubernetes, Reply};
use crate::common::upstream::{Gate, Upstream};
use crate::common::{Server, file};

/// Another adapter; it serves TLS, and records its requests.
pub(crate) struct Other {
    server: Kubernetes,
    answers: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    ca: PathBuf,
}

/// The source of the rule.
pub(crate) fn page() -> Upstream {
    Upstream::text("depth{service=\"web\",namespace=\"shop\"} 42\n")
}

/// A list of values of objects.
pub(crate) fn custom(version: &str, items: &str) -> String {
    format!(
        r#"{{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/{version}","metadata":{{}},"items":{items}}}"#
    )
}

/// A list of external values.
pub(crate) fn external(items: &str) -> String {
    format!(
        r#"{{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{{}},"items":{items}}}"#
    )
}

/// The values of services in `shop`, by name, in the newest version.
pub(crate) fn services(metric: &str, values: &[(&str, &str)]) -> String {
    let item = |(name, value): &(&str, &str)| {
        json!({
            "describedObject": {"kind": "Service", "namespace": "shop", "name": name, "apiVersion": "/v1"},
            "metric": {"name": metric, "selector": null}, "timestamp": "2026-08-18T02:35:04Z", "value": value,
        })
    };
    custom("v1beta2", &Value::Array(values.iter().map(item).collect()).to_string())
}

/// A list of resources with these names.
pub(crate) fn resources(version: &str, names: &[(&str, bool)]) -> String {
    let resource = |(name, namespaced): &(&str, bool)| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": "MetricValueList", "verbs": ["get"]});
    let resources: Vec<Value> = names.iter().map(resource).collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}).to_string()
}

/// A Status, as from Go's servers.
pub(crate) fn failure(code: u16, reason: &str, message: &str) -> String {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": code,
    })
    .to_string()
}

impl Other {
    /// Starts an adapter that lists two metrics of objects and an external one, and has no values.
    pub(crate) fn start() -> Self {
        let (server, answers) = (Kubernetes::start(), Arc::new(Mutex::new(BTreeMap::new())));
        let other = Self { server, answers, ca: file("other.crt", &KUBERNETES.pem()) };
        for version in ["v1beta1", "v1beta2"] {
            let version = format!("custom.metrics.k8s.io/{version}");
            let list = resources(&version, &[("pods/busy", true), ("namespaces/quota", false)]);
            other.says(&format!("/apis/{version}"), 200, &list);
        }
        let version = "external.metrics.k8s.io/v1beta1";
        other.says(&format!("/apis/{version}"), 200, &resources(version, &[("lag", true)]));
        other.answers();
        other
    }

    /// Starts an adapter with these responses.
    pub(crate) fn answers(&self) {
        let answers = self.answers.clone();
        self.server.script(move |call| {
            let missing = || (404, failure(404, "NotFound", "the server could not find the metric"));
            let (code, body) = answers.lock().unwrap().get(&call.path).cloned().unwrap_or_else(missing);
            Reply::Say(code, body)
        });
    }

    /// Sets the response for a path and query.
    pub(crate) fn says(&self, target: &str, code: u16, body: &str) {
        self.answers.lock().unwrap().insert(target.to_owned(), (code, body.to_owned()));
    }

    /// Sets the values of a metric of services in `shop`, by name.
    pub(crate) fn has(&self, path: &str, metric: &str, values: &[(&str, &str)]) {
        let target = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/{path}");
        self.says(&target, 200, &services(metric, values));
    }

    pub(crate) fn serves_only_the_first_version(&self) {
        self.answers.lock().unwrap().remove("/apis/custom.metrics.k8s.io/v1beta2");
    }

    pub(crate) fn hangs_up(&self) {
        self.server.script(|_| Reply::Drop);
    }

    /// Delays responses until the gate opens.
    pub(crate) fn hangs(&self, gate: &Gate) {
        let gate = gate.clone();
        self.server.script(move |_| Reply::Stuck(String::new(), gate.clone()));
    }

    /// Responds with these bytes.
    pub(crate) fn sends(&self, bytes: &str) {
        let bytes = bytes.to_owned();
        self.server.script(move |_| Reply::Raw(bytes.clone()));
    }

    /// The requests for a metric.
    pub(crate) fn asked(&self, metric: &str) -> Vec<Call> {
        let end = format!("/{metric}");
        self.server.all().into_iter().filter(|call| call.path.split('?').next().unwrap().ends_with(&end)).collect()
    }

    /// The number of waiting requests for metrics of objects.
    pub(crate) fn hanging(&self, metric: &str) -> usize {
        self.asked(metric).len()
    }

    /// The number of waiting requests for external metrics.
    pub(crate) fn hanging_external(&self) -> usize {
        self.server.all().iter().filter(|call| call.path.contains("/namespaces/shop/lag")).count()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Its entry in a configuration.
    pub(crate) fn adapter(&self) -> String {
        format!("{{url: '{}', caFile: '{}'}}", self.url(), self.ca.display())
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig("{token: own-token}")
    }

    /// A rule for `depth` of services; other metrics are forwarded. `more` is added to `forward`.
    pub(crate) fn config(&self, source: &Upstream, more: &str) -> String {
        let adapter = self.adapter();
        format!(
            "sources:\n  page: {{url: '{}', namespaces: [shop], cache: 0s, single: true}}\nmetrics:\n  \
             - {{name: depth, object: services, source: page, value: sum(depth)}}\n\
             forward: {{to: {adapter}, external: {adapter}{more}}}\n",
            source.url()
        )
    }

    /// A server with that configuration.
    pub(crate) fn server(&self, source: &Upstream, more: &str) -> Server {
        self.with_config(&self.config(source, more))
    }

    /// A server with a configuration and an identity.
    pub(crate) fn with_config(&self, config: &str) -> Server {
        let (config, kubeconfig) = (file("metrics.yaml", config), self.kubeconfig());
        Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()])
    }
}
