//! The rules that serve the metrics of HPAs.

use std::collections::HashMap;

use super::hpa::{HpaMetricStatus, HpasStatus};
use super::hpa_lister::HpaList;
use super::report::RuleStatus;
use crate::autoscaling::manifest::MetricKind;
use crate::config::hpa;
use crate::config::model::{Rule, Source};
use crate::forward::adapters::Forwarding;
use crate::kube::meta::Time;
use crate::metrics::listing::ListedRule;
use crate::metrics::rules::Rules;
use crate::parse::sort::sort_by;

/// The rules of the report, by metric name.
pub(super) struct ServedHpas<'r> {
    listed: &'r [ListedRule<'r>],
    /// The same rules in the report.
    statuses: &'r [RuleStatus],
    by_name: HashMap<String, Vec<usize>>,
    /// Whether metrics without a rule are served.
    serves_all: bool,
    /// The other adapters, which may serve metrics without a rule.
    forward: Option<&'r Forwarding>,
}

impl<'r> ServedHpas<'r> {
    pub(super) fn new(rules: &'r Rules, listed: &'r [ListedRule<'r>], statuses: &'r [RuleStatus]) -> Self {
        let mut by_name = HashMap::<String, Vec<usize>>::new();
        for (place, rule) in listed.iter().enumerate() {
            by_name.entry(rule.metric.to_ascii_lowercase()).or_default().push(place);
        }
        Self { listed, statuses, by_name, serves_all: rules.serves_unlisted(), forward: rules.forward() }
    }

    /// The HPAs of a list with their rules: at most `most`, those with problems first.
    pub(super) fn of(&self, list: &HpaList, most: usize) -> HpasStatus {
        let problem = list.problem.clone();
        let Some(list) = &list.last else {
            let problem = problem.or_else(|| Some("HPAs are being listed".to_owned()));
            return HpasStatus { problem, ..HpasStatus::default() };
        };
        let listed = Some(Time::from_millis(list.at.unix_millis));
        let mut items = list.hpas.clone();
        for hpa in &mut items {
            for metric in &mut hpa.metrics {
                let (rule, problem) = self.rule(metric, &hpa.namespace);
                metric.rule = rule.and_then(|place| self.statuses.get(place)).map(|rule| rule.id.clone());
                metric.problem = problem;
            }
        }
        let wrong = items.iter().filter(|hpa| hpa.is_failing()).count();
        sort_by(&mut items, |a, b| b.is_failing().cmp(&a.is_failing()));
        let left_out = list.left_out + items.len().saturating_sub(most);
        items.truncate(most);
        HpasStatus { listed, problem, wrong, left_out, items }
    }

    /// The index of the rule that serves a metric, and why none does.
    fn rule(&self, metric: &HpaMetricStatus, namespace: &str) -> (Option<usize>, Option<String>) {
        let named = self.by_name.get(&metric.name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default();
        let named = || named.iter().filter_map(|place| Some((*place, self.listed.get(*place)?)));
        let served: Vec<_> = named().filter_map(|(place, rule)| Some((place, rule.served?))).collect();
        let rules: Vec<(&Rule, &Source)> =
            served.iter().map(|(_, served)| (&served.rule, served.upstream.source())).collect();
        let kind = metric.metric_kind();
        match hpa::serving(kind, &metric.name, Some(namespace), &rules) {
            Ok(places) => (places.first().and_then(|place| served.get(*place)).map(|(place, _)| *place), None),
            Err(_) if self.serves_all || self.is_forwarded(kind, &metric.name) => (None, None),
            Err(why) => {
                let is_external = kind == MetricKind::External;
                let broken = named().find(|(_, rule)| rule.served.is_none() && rule.is_external == is_external);
                match broken {
                    Some((place, _)) => (Some(place), Some("its rule is broken".to_owned())),
                    None => (None, Some(why)),
                }
            }
        }
    }
    fn is_forwarded(&self, kind: MetricKind<'_>, metric: &str) -> bool {
        self.forward.is_some_and(|forward| forward.of_metric(hpa::group(kind), metric).is_some())
    }
}
