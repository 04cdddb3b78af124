//! The pod selectors of Services and workloads.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::kinds;

/// The location of an object's pod selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodSelector {
    /// `spec.selector` is a map of labels.
    Labels,
    /// `spec.selector` is a `LabelSelector`.
    LabelSelector,
    /// `status.selector` of the scale subresource is a string. Unlike the object itself, this subresource does not
    /// contain the pod template, which may contain secrets.
    Scale,
}

#[derive(Default, Deserialize)]
#[serde(bound = "T: Default + DeserializeOwned", default)]
struct SelectingObject<T> {
    spec: SelectingSpec<T>,
    status: ScaleStatus,
}

#[derive(Default, Deserialize)]
#[serde(bound = "T: Default + DeserializeOwned", default)]
struct SelectingSpec<T> {
    selector: Option<T>,
    /// The type of a Service.
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScaleStatus {
    selector: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl PodSelector {
    /// The location for objects of a resource; `None` for kinds without pods.
    pub(crate) fn of(resource: &str) -> Option<Self> {
        match resource {
            "services" => Some(Self::Labels),
            "daemonsets.apps" | "jobs.batch" => Some(Self::LabelSelector),
            "deployments.apps" | "statefulsets.apps" | "replicasets.apps" | "replicationcontrollers" => {
                Some(Self::Scale)
            }
            built_in if kinds::lookup(built_in).is_some() => None,
            _ => Some(Self::Scale),
        }
    }

    /// The subresource to request; empty for the object itself.
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Labels | Self::LabelSelector => "",
            Self::Scale => "/scale",
        }
    }

    /// The selector as text; empty if the object selects no pods.
    pub(crate) fn read(self, object: &[u8]) -> Result<String, String> {
        let text = |error: serde_json::Error| error.to_string();
        match self {
            Self::Labels => {
                let SelectingSpec { selector, r#type } =
                    serde_json::from_slice::<SelectingObject<BTreeMap<String, String>>>(object).map_err(text)?.spec;
                // Kubernetes ignores the selector of such a Service.
                let selector = selector.filter(|_| r#type != "ExternalName");
                Ok(equalities(&selector.unwrap_or_default()).join(","))
            }
            Self::LabelSelector => {
                let object: SelectingObject<WrittenSelector> = serde_json::from_slice(object).map_err(text)?;
                object.spec.selector.unwrap_or_default().print()
            }
            Self::Scale => {
                let object: SelectingObject<serde::de::IgnoredAny> = serde_json::from_slice(object).map_err(text)?;
                Ok(object.status.selector)
            }
        }
    }
}

fn equalities(labels: &BTreeMap<String, String>) -> Vec<String> {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

impl WrittenSelector {
    fn print(self) -> Result<String, String> {
        let mut requirements = equalities(&self.match_labels.unwrap_or_default());
        for Expression { key, operator, values } in self.match_expressions.unwrap_or_default() {
            let values = values.unwrap_or_default().join(",");
            requirements.push(match operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key,
                "DoesNotExist" => format!("!{key}"),
                _ => return Err("matchExpressions: unknown operator".to_owned()),
            });
        }
        Ok(requirements.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_location_of_selectors() {
        for (resource, expected) in [
            ("services", Some((PodSelector::Labels, ""))),
            ("deployments.apps", Some((PodSelector::Scale, "/scale"))),
            ("daemonsets.apps", Some((PodSelector::LabelSelector, ""))),
            ("rollouts.argoproj.io", Some((PodSelector::Scale, "/scale"))),
            ("ingresses.networking.k8s.io", None),
            ("cronjobs.batch", None),
            ("namespaces", None),
        ] {
            let found = PodSelector::of(resource).map(|selector| (selector, selector.subresource()));
            assert_eq!(found, expected, "{resource}");
        }
    }

    #[test]
    fn reads_selectors() {
        let expressions = r#"{"spec":{"selector":{"matchLabels":{"app":"web"},"matchExpressions":[
            {"key":"tier","operator":"In","values":["a","b"]},{"key":"x","operator":"NotIn","values":["c"]},
            {"key":"y","operator":"Exists"},{"key":"z","operator":"DoesNotExist","values":null}]}}}"#;
        for (selector, object, expected) in [
            (PodSelector::Labels, r#"{"spec":{"selector":{"b":"2","a":"1"},"type":"ClusterIP"}}"#, Some("a=1,b=2")),
            (PodSelector::Labels, r#"{"spec":{"selector":{"a":"1"},"type":"ExternalName"}}"#, Some("")),
            (PodSelector::Labels, r#"{"spec":{"selector":null}}"#, Some("")),
            (PodSelector::Labels, r#"{"spec":{}}"#, Some("")),
            (PodSelector::Labels, r#"{"spec":{"selector":{"a":1}}}"#, None),
            (PodSelector::LabelSelector, expressions, Some("app=web,tier in (a,b),x notin (c),y,!z")),
            (PodSelector::LabelSelector, r#"{"spec":{"selector":{}}}"#, Some("")),
            (
                PodSelector::LabelSelector,
                r#"{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Gt"}]}}}"#,
                None,
            ),
            (PodSelector::Scale, r#"{"spec":{"replicas":2},"status":{"selector":"app=web"}}"#, Some("app=web")),
            (PodSelector::Scale, r#"{"status":{"replicas":2}}"#, Some("")),
            (PodSelector::Scale, "7", None),
        ] {
            assert_eq!(selector.read(object.as_bytes()).ok().as_deref(), expected, "{object}");
        }
    }
}
