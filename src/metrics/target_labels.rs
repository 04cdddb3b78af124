//! The labels that series get when pages of pods are joined: those of Prometheus' service discovery, which override the
//! page's own.

use std::borrow::Cow;

use super::targets::authority;
use crate::config::model::{PodPort, Pods};
use crate::kube::pod::Pod;
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::Labels;

/// The prefix for a page's own label with the name of a target label.
const EXPORTED: &str = "exported_";

/// The labels of one pod as a target, in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TargetLabels(Vec<(&'static str, String)>);

/// Whether joining pages may add or change this label.
pub(super) fn may_change(label: &str) -> bool {
    matches!(label, "container" | "instance" | "namespace" | "node" | "pod") || label.starts_with(EXPORTED)
}

impl TargetLabels {
    /// The labels of a pod in a namespace, whose page is at this URL.
    pub(super) fn of(pod: &Pod, namespace: &str, url: &str, of: &Pods) -> Self {
        let number = authority(url).rsplit(':').next().and_then(|port| port.parse().ok());
        let port = pod.ports().iter().find(|port| match &of.port {
            PodPort::Name(name) => *port.name == **name,
            PodPort::Number(_) | PodPort::Annotations => Some(port.number) == number,
        });
        let container = port.map(|port| &*port.container).unwrap_or_default();
        let labels = [
            ("container", container),
            ("instance", authority(url)),
            ("namespace", namespace),
            ("node", pod.node()),
            ("pod", pod.name()),
        ];
        let there = labels.into_iter().filter(|(_, value)| !value.is_empty());
        Self(there.map(|(name, value)| (name, value.to_owned())).collect())
    }

    /// The value of a target's label.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str())
    }

    /// The labels of a series, from its own labels.
    pub(super) fn join<'a>(
        &'a self,
        own: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let is_target = |(name, _): &(Cow<'a, str>, Cow<'a, str>)| self.get(name).is_some();
        // An empty label is equivalent to no label.
        let (mut conflicting, mut labels): (Vec<_>, Vec<_>) =
            own.filter(|(_, value)| !value.is_empty()).partition(is_target);
        labels.extend(self.0.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(value.as_str()))));
        conflicting.sort_by_key(|(name, _)| name.len());
        for (name, value) in conflicting {
            let mut renamed = format!("{EXPORTED}{name}");
            while labels.iter().any(|(other, _)| *other == renamed) {
                renamed.insert_str(0, EXPORTED);
            }
            labels.push((Cow::Owned(renamed), value));
        }
        labels
    }

    /// The labels of a series, including the metric's name, for an expression.
    pub(super) fn join_named<'a>(
        &'a self,
        name: &'a str,
        own: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Labels {
        let mut labels = self.join(own);
        labels.push((Cow::Borrowed(NAME_LABEL), Cow::Borrowed(name)));
        Labels::new(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::pod_object::PodObject;

    fn pod(node: &str) -> Pod {
        let json = r#"{"metadata":{"name":"web-0"},"spec":{"containers":[{"name":"proxy"},
            {"name":"app","ports":[{"name":"metrics","containerPort":80}]}]}}"#;
        let mut object: PodObject = serde_json::from_str(json).unwrap();
        object.spec.node_name = node.to_owned();
        object.into()
    }

    fn pods(port: PodPort) -> Pods {
        Pods { set: None, port, path: "/metrics".to_owned(), https: false, host_network: false }
    }

    fn join(target: &TargetLabels, own: &[(&'static str, &'static str)]) -> String {
        let own = own.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)));
        let labels = target.join_named("up", own);
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sets_the_labels_of_service_discovery() {
        let by_name = pods(PodPort::Name("metrics".to_owned()));
        let target = TargetLabels::of(&pod("n1"), "shop", "http://10.0.0.1:80/m#u", &by_name);
        assert_eq!(
            join(&target, &[]),
            "__name__=up container=app instance=10.0.0.1:80 namespace=shop node=n1 pod=web-0"
        );
        let by_number = pods(PodPort::Number(81));
        let target = TargetLabels::of(&pod(""), "shop", "https://[fd00::1]:81/m#u", &by_number);
        assert_eq!(join(&target, &[]), "__name__=up instance=[fd00::1]:81 namespace=shop pod=web-0");
    }

    /// Like `mutateSampleLabels` in Prometheus' scrape/scrape.go.
    #[test]
    fn target_labels_override_labels_of_the_page() {
        let target = TargetLabels(vec![("namespace", "shop".to_owned()), ("pod", "web-0".to_owned())]);
        for (own, expected) in [
            (&[("pod", "x"), ("a", "b")][..], "__name__=up a=b exported_pod=x namespace=shop pod=web-0"),
            (&[("pod", ""), ("node", "n2")], "__name__=up namespace=shop node=n2 pod=web-0"),
            (
                &[("exported_pod", "y"), ("pod", "x"), ("namespace", "z")],
                "__name__=up exported_exported_pod=x exported_namespace=z exported_pod=y namespace=shop pod=web-0",
            ),
        ] {
            assert_eq!(join(&target, own), expected);
        }
    }
}
