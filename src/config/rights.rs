//! The rights that a configuration needs in the Kubernetes API, so that a Role grants no others.

use super::model::{Config, Forward, Namespaces, ObjectKind, ObjectMapping, Rule, SelectorMode, Source};
use crate::kube::pod_selector::PodSelector;
use crate::parse::glob::NameGlob;
use crate::parse::path::{CUSTOM_METRICS, EXTERNAL_METRICS, Group};
use crate::parse::sort;

/// A right to read objects or metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    /// `None`: all namespaces.
    pub namespace: Option<String>,
    /// Empty for the core group.
    pub group: String,
    /// `pods`, `deployments/scale`
    pub resource: String,
    /// `list`, `watch` or `get`.
    pub verb: &'static str,
    /// A single object, or a metric of the namespace itself; `None`: all.
    pub name: Option<String>,
}

/// The rights that a configuration needs for the requests of HPAs, including those that other adapters require of
/// Metriclet, sorted and without duplicates; with `hpas`, also the right to list HPAs, for the status page.
pub(crate) fn rights(config: &Config, hpas: bool) -> Vec<Right> {
    let mut rights = Vec::new();
    if hpas {
        let (group, resource) = ("autoscaling".to_owned(), "horizontalpodautoscalers".to_owned());
        rights.push(Right { namespace: None, group, resource, verb: "list", name: None });
    }
    for rule in &config.rules {
        if let Some(source) = config.sources.get(rule.source) {
            of_rule(rule, source, &mut rights);
            if rule.shadow {
                of_shadow(rule, source, &mut rights);
            }
        }
    }
    if let Some(forward) = &config.forward {
        of_forward(forward, &mut rights);
    }
    let all = sort::set(rights);
    // A right in all namespaces makes that in one of them redundant, and a right to all resources that to one of them.
    let has = |right: Right| all.contains(&right);
    let is_granted_by_another = |right: &Right| {
        let everything = Right { namespace: None, resource: EVERYTHING.to_owned(), name: None, ..right.clone() };
        (right.namespace.is_some() && has(Right { namespace: None, ..right.clone() }))
            || (right.resource != EVERYTHING && has(everything))
    };
    all.iter().filter(|right| !is_granted_by_another(right)).cloned().collect()
}

/// Every resource of a group.
const EVERYTHING: &str = "*";

/// A right that is needed in several namespaces.
struct Readable<'a> {
    group: &'a str,
    resource: String,
    verb: &'static str,
    name: Option<String>,
}

impl Readable<'_> {
    fn in_each(&self, namespaces: &Namespaces, rights: &mut Vec<Right>) {
        let Self { group, resource, verb, name } = self;
        let (group, resource, name) = ((*group).to_owned(), resource.clone(), name.clone());
        let one = Right { namespace: None, group, resource, verb, name };
        let right = |namespace| Right { namespace, ..one.clone() };
        match namespaces {
            Namespaces::All => rights.push(right(None)),
            Namespaces::Only(names) => rights.extend(names.iter().map(|name| right(Some(name.clone())))),
        }
    }
}

fn of_rule(rule: &Rule, source: &Source, rights: &mut Vec<Right>) {
    let mut add = |namespaces: &Namespaces, group: &str, resource: String, verb| {
        Readable { group, resource, verb, name: None }.in_each(namespaces, rights);
    };
    let mut add_pods = |namespaces: &Namespaces| {
        ["list", "watch"].into_iter().for_each(|verb| add(namespaces, "", "pods".to_owned(), verb));
    };
    let asking = source.namespaces_of(rule);
    if let Some(set) = source.pod_set() {
        add_pods(&Namespaces::Only(vec![set.namespace.clone()]));
    } else if source.is_of_any_pods() {
        add_pods(asking);
    }
    // A request for an HPA's metric of type Pods contains the selector of the pods, which is evaluated against their labels.
    let has_pods = rule.objects.iter().any(|object| object.resource == "pods");
    if has_pods && source.label_selector == SelectorMode::Kubernetes {
        add_pods(asking);
    }
    if rule.mapping == ObjectMapping::PodSelector {
        for (group, resource) in rule.objects.iter().filter_map(selector_of) {
            add(asking, group, resource, "get");
        }
    }
}

/// The rights that another adapter requires of Metriclet for the metric of a rule.
fn of_shadow(rule: &Rule, source: &Source, rights: &mut Vec<Right>) {
    let asking = source.namespaces_of(rule);
    if rule.is_external() {
        let (group, resource) = (EXTERNAL_METRICS, rule.name.to_ascii_lowercase());
        return Readable { group, resource, verb: "list", name: None }.in_each(asking, rights);
    }
    for object in &rule.objects {
        let is_namespace = object.resource == "namespaces";
        let (resource, name) = match is_namespace {
            true => ("metrics".to_owned(), Some(rule.name.clone())),
            false => (format!("{}/{}", object.resource, rule.name), None),
        };
        let namespaces = if object.namespaced || is_namespace { asking } else { &Namespaces::All };
        Readable { group: CUSTOM_METRICS, resource, verb: "get", name }.in_each(namespaces, rights);
    }
}

/// The rights that other adapters require of Metriclet for metrics without a rule. RBAC has no patterns.
fn of_forward(forward: &Forward, rights: &mut Vec<Right>) {
    let is_literal = forward.metrics.iter().all(NameGlob::is_literal);
    for (group, _) in forward.adapters() {
        let verb = if group == Group::Custom { "get" } else { "list" };
        let mut add = |resource: String, name| {
            Readable { group: group.as_str(), resource, verb, name }.in_each(&Namespaces::All, rights);
        };
        if !is_literal {
            add(EVERYTHING.to_owned(), None);
            continue;
        }
        for metric in forward.metrics.iter().map(NameGlob::as_str) {
            match group {
                Group::Custom => {
                    // Of objects of every resource, and of namespaces themselves.
                    add(format!("*/{metric}"), None);
                    add("metrics".to_owned(), Some(metric.to_owned()));
                }
                Group::External => add(metric.to_ascii_lowercase(), None),
            }
        }
    }
}

/// The group and resource that contain the pod selector of an object.
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

    /// The rights of a configuration, one per line.
    fn lines(config: &str, hpas: bool) -> Vec<String> {
        let loaded = file::load(config.as_bytes(), &Limits::default());
        assert!(loaded.problems.iter().all(|problem| !problem.is_error()), "{:?}", loaded.problems);
        let line = |right: Right| {
            let Right { namespace, group, resource, verb, name } = right;
            let namespace = namespace.unwrap_or_else(|| "*".to_owned());
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            format!("{namespace}: {verb} {resource}{}{group}{name}", if group.is_empty() { "" } else { "." })
        };
        rights(&loaded.config, hpas).into_iter().map(line).collect()
    }

    #[test]
    fn grants_what_rules_read() {
        for (rules, expected) in [
            ("{name: a, object: services, source: page}", &[][..]),
            ("{name: a, external: true, source: page, value: sum(a)}", &[]),
            (
                "{name: a, object: pods, source: page}",
                &["bank: list pods", "bank: watch pods", "shop: list pods", "shop: watch pods"],
            ),
            ("{name: a, object: pods, source: labels}", &[]),
            ("{name: a, object: pods, source: app}", &["shop: list pods", "shop: watch pods"]),
            (
                "{name: a, object: services, source: app}",
                &["shop: list pods", "shop: watch pods", "shop: get services"],
            ),
            (
                "{name: a, object: [deployments.apps, daemonsets.apps], source: app}",
                &[
                    "shop: list pods",
                    "shop: watch pods",
                    "shop: get daemonsets.apps",
                    "shop: get deployments/scale.apps",
                ],
            ),
            (
                "{name: a, object: rollouts.argoproj.io, kind: Rollout, apiVersion: argoproj.io/v1alpha1, namespaced: true, source: app}",
                &["shop: list pods", "shop: watch pods", "shop: get rollouts/scale.argoproj.io"],
            ),
            ("{name: a, object: services, source: mine}", &["mq: list pods", "mq: watch pods"]),
            (
                "{name: a, object: pods, source: everywhere}, {name: b, object: pods, source: app}",
                &["*: list pods", "*: watch pods"],
            ),
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

    #[test]
    fn grants_what_other_adapters_require() {
        let adapter = "{service: a, namespace: b, caFile: /ca.crt}";
        let sources = "sources:\n  page: {url: 'http://a.mq.svc/q', namespaces: [shop]}\n";
        let rule = "{name: Lag, external: true, source: page, value: sum(lag)}";
        for (text, expected) in [
            (format!("forward: {{to: {adapter}}}\n"), &["*: get *.custom.metrics.k8s.io"][..]),
            (
                format!("forward: {{to: {adapter}, external: {adapter}, metrics: [a_*, b]}}\n"),
                &["*: get *.custom.metrics.k8s.io", "*: list *.external.metrics.k8s.io"],
            ),
            (
                format!("forward: {{to: {adapter}, external: {adapter}, metrics: [Busy]}}\n"),
                &[
                    "*: get */Busy.custom.metrics.k8s.io",
                    "*: get metrics.custom.metrics.k8s.io Busy",
                    "*: list busy.external.metrics.k8s.io",
                ],
            ),
            (
                format!(
                    "{sources}forward: {{to: {adapter}, external: {adapter}, metrics: [x]}}\nshadow: true\nmetrics:\n  - \
                     {rule}\n  - {{name: busy, object: [services, namespaces, nodes], source: page}}\n"
                ),
                &[
                    "*: get */x.custom.metrics.k8s.io",
                    "*: get metrics.custom.metrics.k8s.io x",
                    "*: get nodes/busy.custom.metrics.k8s.io",
                    "*: list x.external.metrics.k8s.io",
                    "shop: get metrics.custom.metrics.k8s.io busy",
                    "shop: get services/busy.custom.metrics.k8s.io",
                    "shop: list lag.external.metrics.k8s.io",
                ],
            ),
            (
                format!("{sources}forward: {{external: {adapter}}}\nshadow: true\nmetrics: [{rule}]\n"),
                &["*: list *.external.metrics.k8s.io"],
            ),
        ] {
            let mut found = lines(&text, false);
            found.sort();
            assert_eq!(found, expected, "{text}");
        }
    }
}
