//! Metrics that the suite requests, as given on the command line, and their paths.

use std::fmt;

use crate::parse::escape::Escaped;
use crate::parse::percent::Encoded;

pub(crate) const CUSTOM: &str = "custom.metrics.k8s.io";
pub(crate) const EXTERNAL: &str = "external.metrics.k8s.io";

/// The name of a nonexistent metric and of a nonexistent object.
pub(crate) const NOWHERE: &str = "metriclet-conformance-none";

/// The scope of a metric of the Custom Metrics API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// A metric of an object in a namespace.
    Namespaced,
    /// A metric of a cluster-scoped object.
    RootScoped,
    /// A metric of a namespace itself.
    Namespace,
}

/// A metric of the Custom Metrics API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CustomTarget {
    pub(crate) shape: Shape,
    /// Empty for cluster-scoped objects.
    pub(crate) namespace: String,
    /// `pods`, `deployments.apps`
    pub(crate) resource: String,
    /// `*` for all objects that match the selector.
    pub(crate) name: String,
    pub(crate) metric: String,
    /// The label selector for objects; may be empty.
    pub(crate) selector: String,
}

/// A metric of the External Metrics API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExternalTarget {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    /// The selector for labels of the metric; may be empty.
    pub(crate) selector: String,
}

impl CustomTarget {
    /// `namespaces/NAMESPACE/RESOURCE/NAME/METRIC`, `namespaces/NAMESPACE/metrics/METRIC` or `RESOURCE/NAME/METRIC`.
    ///
    /// # Errors
    /// If the text has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (path, selector) = text.split_once('?').unwrap_or((text, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let (shape, namespace, resource, name, metric) = match *parts.as_slice() {
            ["namespaces", namespace, "metrics", metric] => {
                (Shape::Namespace, namespace, "namespaces", namespace, metric)
            }
            ["namespaces", namespace, resource, name, metric] => (Shape::Namespaced, namespace, resource, name, metric),
            [resource, name, metric] if resource != "namespaces" => (Shape::RootScoped, "", resource, name, metric),
            _ => {
                return Err(format!(
                    "expected namespaces/NAMESPACE/RESOURCE/NAME/METRIC, namespaces/NAMESPACE/metrics/METRIC or \
                     RESOURCE/NAME/METRIC, found {}",
                    Escaped::new(text)
                ));
            }
        };
        if resource.is_empty()
            || name.is_empty()
            || metric.is_empty()
            || (shape != Shape::RootScoped && namespace.is_empty())
        {
            return Err(format!("expected names between the slashes, found {}", Escaped::new(text)));
        }
        let [namespace, resource, name, metric, selector] =
            [namespace, resource, name, metric, selector].map(str::to_owned);
        Ok(Self { shape, namespace, resource, name, metric, selector })
    }

    /// Whether it names all objects that match a selector.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.name == "*"
    }

    /// The path without a query, with `*` encoded as by clients.
    pub(crate) fn path(&self, version: &str) -> String {
        let [namespace, resource, metric] =
            [&self.namespace, &self.resource, &self.metric].map(|text| Encoded::in_segment(text));
        let name = if self.is_wildcard() { "%2A".to_owned() } else { Encoded::in_segment(&self.name).to_string() };
        let root = format!("/apis/{CUSTOM}/{version}");
        match self.shape {
            Shape::Namespaced => format!("{root}/namespaces/{namespace}/{resource}/{name}/{metric}"),
            Shape::Namespace => format!("{root}/namespaces/{namespace}/metrics/{metric}"),
            Shape::RootScoped => format!("{root}/{resource}/{name}/{metric}"),
        }
    }

    /// Path and query, as clients send them.
    pub(crate) fn target(&self, version: &str) -> String {
        with_selector(self.path(version), "labelSelector", &self.selector)
    }

    /// The path with the name of a nonexistent metric.
    pub(crate) fn unknown(&self) -> Self {
        Self { metric: NOWHERE.to_owned(), ..self.clone() }
    }
}

impl ExternalTarget {
    /// `NAMESPACE/METRIC[?SELECTOR]`
    ///
    /// # Errors
    /// If the text has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (path, selector) = text.split_once('?').unwrap_or((text, ""));
        match path.split_once('/') {
            Some((namespace, metric)) if !namespace.is_empty() && !metric.is_empty() && !metric.contains('/') => {
                let [namespace, metric, selector] = [namespace, metric, selector].map(str::to_owned);
                Ok(Self { namespace, metric, selector })
            }
            _ => Err(format!("expected NAMESPACE/METRIC, found {}", Escaped::new(text))),
        }
    }

    /// The path without a query, in lower case as the HPA sends it.
    pub(crate) fn path(&self) -> String {
        let metric = self.metric.to_lowercase();
        let (namespace, metric) = (Encoded::in_segment(&self.namespace), Encoded::in_segment(&metric));
        format!("/apis/{EXTERNAL}/v1beta1/namespaces/{namespace}/{metric}")
    }

    /// Path and query, as the HPA sends them.
    pub(crate) fn target(&self) -> String {
        with_selector(self.path(), "labelSelector", &self.selector)
    }
}

/// A path with a selector, encoded like in the aggregator.
pub(crate) fn with_selector(path: String, parameter: &str, selector: &str) -> String {
    match selector {
        "" => path,
        selector => {
            let sign = if path.contains('?') { '&' } else { '?' };
            format!("{path}{sign}{parameter}={}", form(selector))
        }
    }
}

/// Encodes a query value like `url.Values.Encode`, with spaces as plus signs.
fn form(text: &str) -> String {
    Encoded::unreserved(text).to_string().replace("%20", "+")
}

impl fmt::Display for CustomTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape, namespace, resource, name, metric, selector } = self;
        match shape {
            Shape::Namespaced => write!(f, "namespaces/{namespace}/{resource}/{name}/{metric}")?,
            Shape::Namespace => write!(f, "namespaces/{namespace}/metrics/{metric}")?,
            Shape::RootScoped => write!(f, "{resource}/{name}/{metric}")?,
        }
        if selector.is_empty() { Ok(()) } else { write!(f, "?{selector}") }
    }
}

impl fmt::Display for ExternalTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, metric, selector } = self;
        write!(f, "{namespace}/{metric}")?;
        if selector.is_empty() { Ok(()) } else { write!(f, "?{selector}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_paths() {
        for (text, path) in [
            ("namespaces/shop/services/web/q", "/namespaces/shop/services/web/q"),
            ("namespaces/shop/pods/*/q", "/namespaces/shop/pods/%2A/q"),
            (
                "namespaces/shop/pods/*/job:rate?app=web,tier in (a,b)",
                "/namespaces/shop/pods/%2A/job:rate?labelSelector=app%3Dweb%2Ctier+in+%28a%2Cb%29",
            ),
            ("namespaces/shop/metrics/quota", "/namespaces/shop/metrics/quota"),
            ("nodes/n1/load", "/nodes/n1/load"),
        ] {
            let target = CustomTarget::parse(text).unwrap();
            assert_eq!(target.to_string(), text);
            assert_eq!(target.target("v1beta2"), format!("/apis/custom.metrics.k8s.io/v1beta2{path}"));
        }
        for text in
            ["", "nodes/n1", "namespaces/shop/q", "namespaces/shop/pods//q", "//q", "a/b/c/d", "namespaces//metrics/q"]
        {
            assert!(CustomTarget::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn external_names_are_sent_in_lower_case() {
        let target = ExternalTarget::parse("shop/MyQueue_Depth?queue=mail").unwrap();
        assert_eq!(target.to_string(), "shop/MyQueue_Depth?queue=mail");
        let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/myqueue_depth?labelSelector=queue%3Dmail";
        assert_eq!(target.target(), path);
        for text in ["", "shop", "shop/", "/q", "shop/a/b"] {
            assert!(ExternalTarget::parse(text).is_err(), "{text}");
        }
    }
}
