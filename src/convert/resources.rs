//! The labels that identify objects for prometheus-adapter: `resources` of a rule.

use super::go_template::TemplatePiece;
use super::hpas::TargetKind;

/// `resources`
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) overrides: Vec<Override>,
    pub(super) template: Option<Vec<TemplatePiece>>,
    /// For external rules: whether the query is restricted to the requesting namespace.
    pub(super) namespaced: bool,
}

/// A label, and the resource of the objects that it identifies.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) label: String,
    pub(super) group: String,
    pub(super) resource: String,
}

/// The label that identifies objects of a kind, and their resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectLabel {
    pub(super) label: String,
    /// `pods`, `deployments.apps`
    pub(super) resource: String,
}

impl Resources {
    /// The label that identifies objects of a kind; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be determined.
    pub(super) fn label(&self, kind: &TargetKind) -> Result<Option<ObjectLabel>, String> {
        let mut found: Vec<(&Override, Option<String>)> = Vec::new();
        for over in &self.overrides {
            if let Some(resource) = over.names(kind) {
                found.push((over, resource));
            }
        }
        match found.as_slice() {
            [] => self.templated(kind),
            [(over, Some(resource))] => Ok(Some(ObjectLabel { label: over.label.clone(), resource: resource.clone() })),
            [(over, None)] => Err(format!(
                "the plural of {} is unknown; set it in resources.overrides, such as {}",
                over.resource,
                plural(&over.resource)
            )),
            [(first, _), (second, _), ..] => Err(format!(
                "both labels {} and {} identify objects of kind {}, and prometheus-adapter may use either",
                first.label, second.label, kind.kind
            )),
        }
    }

    /// The label of the namespace.
    pub(super) fn namespace_label(&self) -> Result<Option<String>, String> {
        Ok(self.label(&TargetKind::new("v1", "Namespace"))?.map(|found| found.label))
    }

    fn templated(&self, kind: &TargetKind) -> Result<Option<ObjectLabel>, String> {
        let Some(template) = &self.template else { return Ok(None) };
        let Some(built_in) = kind.built_in else {
            return Err(format!(
                "the resource of kind {} is unknown; set its plural in resources.overrides",
                kind.kind
            ));
        };
        let group = kind.group.replace(['.', '-'], "_");
        let mut label = String::new();
        for piece in template {
            match piece {
                TemplatePiece::Text(text) => label.push_str(text),
                TemplatePiece::Field(names) => match names.first().map(String::as_str) {
                    Some("Group") => label.push_str(&group),
                    _ => label.push_str(built_in.singular),
                },
            }
        }
        Ok(Some(ObjectLabel { label, resource: built_in.resource.to_owned() }))
    }
}

impl Override {
    /// The resource if it belongs to this kind; `Some(None)` if its plural is unknown. The group may be missing or
    /// abbreviated.
    fn names(&self, kind: &TargetKind) -> Option<Option<String>> {
        let (singular, written) = (kind.kind.to_ascii_lowercase(), self.resource.to_ascii_lowercase());
        if !kind.group.starts_with(&self.group) {
            return None;
        }
        match kind.built_in {
            Some(built_in) => {
                let own = built_in.resource.split('.').next().unwrap_or_default();
                (written == built_in.singular || written == own).then(|| Some(built_in.resource.to_owned()))
            }
            None if written == singular => Some(None),
            None if written == plural(&singular) => Some(Some(match kind.group.as_str() {
                "" => written,
                group => format!("{written}.{group}"),
            })),
            None => None,
        }
    }
}

/// The regular plural of a kind's name.
fn plural(singular: &str) -> String {
    match singular.as_bytes() {
        [.., b's' | b'x'] | [.., b'c' | b's', b'h'] => format!("{singular}es"),
        [.., b'y'] => format!("{}ies", singular.strip_suffix('y').unwrap_or_default()),
        _ => format!("{singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::go_template;
    use super::*;

    fn resources(overrides: &[(&str, &str, &str)], template: &str) -> Resources {
        let over = |(label, group, resource): &(&str, &str, &str)| {
            let [label, group, resource] = [*label, *group, *resource].map(str::to_owned);
            Override { label, group, resource }
        };
        let template = Some(template).filter(|text| !text.is_empty()).map(|text| go_template::parse(text).unwrap());
        Resources { overrides: overrides.iter().map(over).collect(), template, namespaced: true }
    }

    #[test]
    fn finds_the_label_of_a_kind() {
        let walkthrough = resources(&[("kubernetes_namespace", "", "namespace"), ("pod_name", "", "pods")], "");
        let both = resources(&[("deploy", "apps", "deployment")], "kube_<<.Group>>_<<.Resource>>");
        let custom = resources(&[("brand", "cheese.io", "brands"), ("topic", "", "topic")], "<<.Resource>>");
        for (resources, api_version, kind, expected) in [
            (&walkthrough, "v1", "Namespace", "kubernetes_namespace namespaces"),
            (&walkthrough, "v1", "Pod", "pod_name pods"),
            (&walkthrough, "v1", "Service", "none"),
            (&both, "apps/v1", "Deployment", "deploy deployments.apps"),
            (&both, "v1", "Service", "kube__service services"),
            (&both, "networking.k8s.io/v1", "Ingress", "kube_networking_k8s_io_ingress ingresses.networking.k8s.io"),
            (&custom, "cheese.io/v2", "Brand", "brand brands.cheese.io"),
            (
                &custom,
                "kafka.io/v1",
                "Topic",
                "the plural of topic is unknown; set it in resources.overrides, such as topics",
            ),
            (
                &custom,
                "kafka.io/v1",
                "Queue",
                "the resource of kind Queue is unknown; set its plural in resources.overrides",
            ),
            // Not one of the built-in groups.
            (
                &custom,
                "extensions/v1beta1",
                "Ingress",
                "the resource of kind Ingress is unknown; set its plural in resources.overrides",
            ),
        ] {
            let found = match resources.label(&TargetKind::new(api_version, kind)) {
                Ok(Some(found)) => format!("{} {}", found.label, found.resource),
                Ok(None) => "none".to_owned(),
                Err(why) => why,
            };
            assert_eq!(found, expected, "{kind}");
        }
        let twice = resources(&[("a", "", "pod"), ("b", "", "pods")], "");
        assert!(twice.label(&TargetKind::new("v1", "Pod")).unwrap_err().contains("may use either"));
    }
}
