//! What a configuration needs of the Kubernetes API, so that a Role grants that and nothing else.

use super::model::{Config, Identity, Namespaces, ObjectKind, Rule, SelectorMode, Source};
use crate::kube::pod_selector::PodSelector;
use crate::parse::sort;

/// A right to read objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// `None`: in every namespace.
    pub namespace: Option<String>,
    /// Empty for core.
    pub group: String,
    /// `pods`, `deployments/scale`
    pub resource: String,
    /// `list` or `get`.
    pub verb: &'static str,
}

/// The rights that the rules of a configuration need for the requests of HPAs, each once and in order; and that to list
/// HPAs, if the status page is to show them.
pub(crate) fn rights(config: &Config, hpas: bool) -> Vec<Right> {
    let mut rights = Vec::new();
    if hpas {
        let (group, resource) = ("autoscaling".to_owned(), "horizontalpodautoscalers".to_owned());
        rights.push(Right { namespace: None, group, resource, verb: "list" });
    }
    for rule in &config.rules {
        if let Some(source) = config.sources.get(rule.source) {
            of_rule(rule, source, &mut rights);
        }
    }
    let all = sort::set(rights);
    // What is granted everywhere need not be granted in a namespace.
    let is_everywhere = |right: &Right| all.contains(&Right { namespace: None, ..right.clone() });
    all.iter().filter(|right| right.namespace.is_none() || !is_everywhere(right)).cloned().collect()
}

fn of_rule(rule: &Rule, source: &Source, rights: &mut Vec<Right>) {
    let mut add = |namespaces: &Namespaces, group: &str, resource: String, verb| {
        let right = |namespace| Right { namespace, group: group.to_owned(), resource: resource.clone(), verb };
        match namespaces {
            Namespaces::All => rights.push(right(None)),
            Namespaces::Only(names) => rights.extend(names.iter().map(|name| right(Some(name.clone())))),
        }
    };
    let asking = source.namespaces_of(rule);
    if let Some(set) = source.pod_set() {
        add(&Namespaces::Only(vec![set.namespace.clone()]), "", "pods".to_owned(), "list");
    } else if source.is_of_any_pods() {
        add(asking, "", "pods".to_owned(), "list");
    }
    if rule.identity == Identity::Selected {
        for (group, resource) in rule.objects.iter().filter_map(selector_of) {
            add(asking, group, resource, "get");
        }
    }
    // An HPA's metric of type Pods comes with the selector of the pods, which the Kubernetes API evaluates.
    let has_pods = rule.objects.iter().any(|object| object.resource == "pods");
    if has_pods && source.label_selector == SelectorMode::Kubernetes {
        add(asking, "", "pods".to_owned(), "list");
    }
}

/// The group and the resource that show which pods an object selects.
fn selector_of(kind: &ObjectKind) -> Option<(&str, String)> {
    let place = PodSelector::of(&kind.resource)?;
    let (plural, group) = kind.resource.split_once('.').unwrap_or((&kind.resource, ""));
    Some((group, format!("{plural}{}", place.subresource())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;
    use crate::config::limits::Limits;

    /// The rights of a configuration, a line each.
    fn lines(config: &str, hpas: bool) -> Vec<String> {
        let loaded = file::load(config.as_bytes(), &Limits::default());
        assert!(loaded.problems.iter().all(|problem| !problem.is_error()), "{:?}", loaded.problems);
        let line = |right: Right| {
            let Right { namespace, group, resource, verb } = right;
            let namespace = namespace.unwrap_or_else(|| "*".to_owned());
            format!("{namespace}: {verb} {resource}{}{group}", if group.is_empty() { "" } else { "." })
        };
        rights(&loaded.config, hpas).into_iter().map(line).collect()
    }

    #[test]
    fn needs_what_rules_read() {
        for (rules, expected) in [
            ("{name: a, object: services, source: page}", &[][..]),
            ("{name: a, external: true, source: page, value: sum(a)}", &[]),
            ("{name: a, object: pods, source: page}", &["bank: list pods", "shop: list pods"]),
            ("{name: a, object: pods, source: labels}", &[]),
            ("{name: a, object: pods, source: app}", &["shop: list pods"]),
            ("{name: a, object: services, source: app}", &["shop: list pods", "shop: get services"]),
            (
                "{name: a, object: [deployments.apps, daemonsets.apps], source: app}",
                &["shop: list pods", "shop: get daemonsets.apps", "shop: get deployments/scale.apps"],
            ),
            (
                "{name: a, object: rollouts.argoproj.io, kind: Rollout, apiVersion: argoproj.io/v1alpha1, namespaced: true, source: app}",
                &["shop: list pods", "shop: get rollouts/scale.argoproj.io"],
            ),
            ("{name: a, object: services, source: mine}", &["mq: list pods"]),
            ("{name: a, object: pods, source: everywhere}, {name: b, object: pods, source: app}", &["*: list pods"]),
        ] {
            let config = format!(
                "sources:\n  page: {{url: 'http://a.mq.svc/q', namespaces: [shop, bank]}}\n  labels: {{url: 'http://a.mq.svc/q', \
                 namespaces: [shop], labelSelector: labels}}\n  app: {{pods: {{port: 80}}, namespaces: [shop]}}\n  everywhere: \
                 {{pods: {{port: 80}}, namespaces: ['*']}}\n  mine: {{pods: {{namespace: mq, selector: app=web, port: 80}}, \
                 namespaces: [shop]}}\nmetrics: [{rules}]\n"
            );
            let found = lines(&config, false);
            let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
            expected.sort();
            let mut found_sorted = found.clone();
            found_sorted.sort();
            assert_eq!(found_sorted, expected, "{rules}");
        }
    }

    #[test]
    fn the_status_page_lists_hpas_everywhere() {
        assert_eq!(lines("sources: {}\nmetrics: []\n", true), ["*: list horizontalpodautoscalers.autoscaling"]);
        assert!(lines("sources: {}\nmetrics: []\n", false).is_empty());
    }
}
