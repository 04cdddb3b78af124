//! Collects the account of an HPA: the request and response for each metric, the controller's calculation, and
//! warnings.

use serde_json::Value;

use super::found::{Answered, Answers, ConfigFile, Facts, MetricAccount, Refused};
use super::pitfalls;
use crate::autoscaling::behavior::{Behavior, Tolerances};
use crate::autoscaling::calculator::{PodState, Values, Workload};
use crate::autoscaling::decision::{self, Decision};
use crate::autoscaling::manifest::{Hpa, MetricKind, MetricSpec};
use crate::autoscaling::request_path;
use crate::config::hpa;
use crate::parse::decimal::Decimal;
use crate::parse::quantity::Milli;
use crate::parse::selector::Selector;

/// The account of an HPA.
pub(super) struct Account {
    pub name: String,
    pub facts: Facts,
    /// `Deployment web`
    pub target: String,
    pub min: i32,
    pub max: Option<i32>,
    pub tolerances: Tolerances,
    pub behavior: Option<Behavior>,
    pub metrics: Vec<MetricAccount>,
    pub decision: Decision,
    /// Warnings about the HPA as a whole.
    pub warnings: Vec<String>,
}

impl Account {
    /// Collects the account.
    pub(super) fn new(hpa: &Hpa<'_>, mut facts: Facts, config: Option<&ConfigFile>, answers: &dyn Answers) -> Self {
        let tolerances = Tolerances::of(hpa.behavior.as_ref());
        let mut metrics: Vec<MetricAccount> =
            hpa.metrics.iter().map(|metric| MetricAccount::new(metric, hpa, &facts, config, answers)).collect();
        if !facts.has_pods {
            assume_pods(&mut facts.workload, &metrics);
        }
        let values: Vec<Option<&Values>> =
            metrics.iter().map(|metric| metric.values.as_ref().and_then(|values| values.as_ref().ok())).collect();
        let (proposals, decision) = decision::predict(hpa, &facts.workload, &values, facts.zero);
        for ((account, spec), proposal) in metrics.iter_mut().zip(&hpa.metrics).zip(proposals) {
            account.proposal = proposal;
            let warnings = pitfalls::of_metric(spec, hpa, account, answers);
            account.warnings.extend(warnings);
        }
        let target = hpa.target.map(|target| format!("{} {}", target.kind, target.name));
        Self {
            name: hpa.name.unwrap_or_default().to_owned(),
            target: target.unwrap_or_default(),
            min: hpa.min,
            max: hpa.max,
            tolerances,
            behavior: hpa.behavior.clone(),
            metrics,
            decision,
            warnings: pitfalls::of_hpa(hpa, &facts),
            facts,
        }
    }

    /// Whether every metric from an adapter has a value.
    pub(super) fn has_all_values(&self) -> bool {
        self.metrics.iter().all(|metric| metric.values.is_none() || matches!(metric.proposal, Some(Ok(_))))
    }
}

impl MetricAccount {
    fn new(
        spec: &MetricSpec<'_>,
        hpa: &Hpa<'_>,
        facts: &Facts,
        config: Option<&ConfigFile>,
        answers: &dyn Answers,
    ) -> Self {
        let object = match spec.kind {
            MetricKind::Object(object) => format!("{} {}", object.kind, object.name),
            _ => String::new(),
        };
        let mut account = Self {
            kind: spec.kind.name(),
            name: spec.name.to_owned(),
            object,
            target: spec.target.as_ref().ok().copied(),
            path: None,
            server: None,
            place: config.and_then(|config| config.place(spec, hpa)),
            events: Vec::new(),
            values: None,
            proposal: None,
            warnings: Vec::new(),
        };
        if let Err(lack) = &spec.target {
            account.warnings.push(format!("expected {}", lack.expected));
        }
        if let Some(config) = config.filter(|_| spec.kind != MetricKind::Resource) {
            account.warnings.extend(hpa::metric_problems(spec, hpa, &config.config));
        }
        if spec.kind == MetricKind::Resource {
            return account;
        }
        match path(spec, facts, answers) {
            Ok(path) => {
                let answered = answers.answer(&path);
                account.values = Some(values(spec.kind, &answered));
                account.server = answered.server;
                account.events = answered.events;
                account.path = Some(path);
            }
            Err(message) => account.values = Some(Err(Refused { code: 0, message })),
        }
        account
    }
}

/// The path of the controller's request, or the reason why it makes none.
fn path(spec: &MetricSpec<'_>, facts: &Facts, answers: &dyn Answers) -> Result<String, String> {
    let canonical = |what: &str, text: &str| match Selector::parse(text, &facts.selector_limits) {
        Ok(selector) => Ok(selector.to_string()),
        Err(error) => Err(format!("{what}: {error}")),
    };
    let metric_selector = canonical("metric.selector", &spec.selector)?;
    let resource = match spec.kind {
        MetricKind::Object(object) => match request_path::builtin(&object) {
            Some(kind) => kind.resource.to_owned(),
            None => answers
                .resource(&object)
                .map(|(resource, _)| resource)
                .ok_or_else(|| format!("unknown kind {} in the API group {:?}", object.kind, object.group()))?,
        },
        _ => String::new(),
    };
    let pods = match (spec.kind, &facts.selector) {
        (MetricKind::Pods, Some(selector)) => canonical("selector", selector)?,
        (MetricKind::Pods, None) => {
            return Err(
                "the labels of the workload's pods are unknown: use --selector, such as --selector app=web".to_owned()
            );
        }
        _ => String::new(),
    };
    let path = request_path::path(spec, &answers.version(), &facts.namespace, &resource, &pods, &metric_selector);
    path.ok_or_else(|| "no adapter serves it".to_owned())
}

/// The values in a response, as the controller's client interprets them.
fn values(kind: MetricKind<'_>, answered: &Answered) -> Result<Values, Refused> {
    let refused = |message: String| Refused { code: answered.code, message };
    if answered.code == 0 {
        return Err(refused(String::from_utf8_lossy(&answered.body).into_owned()));
    }
    let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    if answered.code != 200 {
        let message = body.get("message").and_then(Value::as_str).unwrap_or("no such path");
        return Err(refused(message.to_owned()));
    }
    let items = body.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let value = |item: &Value| {
        let text = item.get("value").and_then(Value::as_str).unwrap_or_default();
        Decimal::parse(text).map(Decimal::milli).map_err(|error| refused(error.to_string()))
    };
    let name =
        |item: &Value| item.pointer("/describedObject/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (kind, items) {
        (MetricKind::Object(_), [item]) => Ok(Values::Object(value(item)?)),
        (MetricKind::Object(_), items) => {
            Err(refused(format!("the controller expects exactly one value, found {}", items.len())))
        }
        (_, []) => Err(refused("the controller expects values, found an empty list".to_owned())),
        (MetricKind::External, items) => Ok(Values::External(items.iter().map(value).collect::<Result<_, _>>()?)),
        (_, items) => {
            let pod = |item: &Value| Ok((name(item), value(item)?));
            Ok(Values::Pods(items.iter().map(pod).collect::<Result<_, _>>()?))
        }
    }
}

/// If the real pods are unknown, assumes ready pods with the names in the values.
fn assume_pods(workload: &mut Workload, metrics: &[MetricAccount]) {
    let of_pods = metrics.iter().find_map(|metric| match &metric.values {
        Some(Ok(Values::Pods(values))) => Some(values.as_slice()),
        _ => None,
    });
    let count = usize::try_from(workload.replicas).unwrap_or_default();
    let named = of_pods.unwrap_or_default().iter().map(|(name, _): &(String, Milli)| name.clone());
    let mut names: Vec<String> = named.collect();
    names.extend((names.len()..count).map(|number| format!("pod {}", number + 1)));
    let pod = |name| PodState { name, is_ready: true, ..PodState::default() };
    workload.pods = names.into_iter().map(pod).collect();
}
