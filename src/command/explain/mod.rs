//! `metriclet explain`: shows how an HPA's replicas are determined, from the request for each metric to the
//! controller's calculation.
//!
//! [`local`] and [`cluster`] respond to the requests, [`account`] collects the facts in [`found`] about one HPA,
//! [`pitfalls`] detects common mistakes, [`words`] describes the calculation, and [`text`] and [`json`] print the
//! account.

mod account;
mod cluster;
mod found;
mod json;
mod local;
mod pitfalls;
mod text;
mod words;

use std::process::ExitCode;
use std::sync::Arc;

use self::account::Account;
use self::cluster::Cluster;
use self::found::Facts;
use self::local::Local;
use super::{exit, fail, kubernetes, origin, print};
use crate::api::Api;
use crate::autoscaling::calculator::Workload;
use crate::autoscaling::decision::ZeroSupport;
use crate::autoscaling::manifest::{self, Condition, Hpa};
use crate::config::cli::{Explain, ExplainSubject, Output};
use crate::config::limits::Limits;
use crate::parse::selector::SelectorLimits;
use crate::parse::yaml::{self, Node};
use crate::telemetry::clock::Clock;
use crate::telemetry::log;

/// The default namespace.
const DEFAULT: &str = "default";

/// Runs the command.
pub(crate) fn run(explain: &Explain, limits: &Limits, clock: &Clock) -> ExitCode {
    // The account contains the events; log lines would repeat them.
    log::start(explain.verbosity.saturating_sub(1), true, clock.clone());
    match accounts(explain, limits, clock) {
        Ok(accounts) => {
            let text = match explain.output {
                Output::Table => accounts.iter().map(text::page).collect::<Vec<_>>().join("\n\n"),
                Output::Json => json::document(&accounts),
            };
            let has_all = accounts.iter().all(Account::has_all_values);
            print(&format!("{text}\n"));
            ExitCode::from(if has_all { 0 } else { exit::DATA })
        }
        Err(printed) => printed,
    }
}

/// An exit code; the error is already printed.
type Stop = ExitCode;

fn accounts(explain: &Explain, limits: &Limits, clock: &Clock) -> Result<Vec<Account>, Stop> {
    let api = Arc::new(Api::unconfigured(limits, clock));
    let cluster = connect(explain, &api, limits)?;
    let local = match &explain.config {
        Some(path) => Some(Local::load(api, path, explain.wait, limits, clock)?),
        None => None,
    };
    let (name, text) = match (&explain.subject, &cluster) {
        (ExplainSubject::File(path), _) => {
            let bytes = origin::read(path, limits).map_err(|why| fail(exit::NO_INPUT, &why))?;
            (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
        }
        (ExplainSubject::Named(name), Some(cluster)) => {
            let namespace = explain.namespace.as_deref().unwrap_or(DEFAULT);
            let found = cluster.hpa(namespace, name).map_err(|why| fail(exit::UNAVAILABLE, &why))?;
            let none = format!("there is no HorizontalPodAutoscaler {name} in namespace {namespace}");
            ("the API server's answer".to_owned(), found.ok_or_else(|| fail(exit::DATA, &none))?)
        }
        (ExplainSubject::Named(_), None) => {
            let why = "no kubeconfig found: use --kubeconfig FILE, $KUBECONFIG or ~/.kube/config";
            return Err(fail(exit::USAGE, &why));
        }
    };
    let roots = roots(&text, limits).map_err(|why| fail(exit::DATA, &format_args!("{name}:{why}")))?;
    let hpas: Vec<Hpa<'_>> = roots.iter().flat_map(manifest::hpas).collect();
    if hpas.is_empty() {
        let why = "expected a HorizontalPodAutoscaler of autoscaling/v2, found none";
        return Err(fail(exit::DATA, &format_args!("{name}: {why}")));
    }
    let deployed = match (&local, &cluster) {
        (None, Some(cluster)) => cluster.config(),
        _ => None,
    };
    let config = local.as_ref().map(|local| &local.file).or(deployed.as_ref());
    let account = |hpa: &Hpa<'_>| {
        let namespace = explain.namespace.as_deref().or(hpa.namespace).unwrap_or(DEFAULT);
        let mut hpa = Hpa { namespace: Some(namespace), ..hpa.clone() };
        let facts = facts(explain, &mut hpa, namespace, cluster.as_ref(), limits)?;
        match (&local, &cluster) {
            (Some(local), _) => Ok(Account::new(&hpa, facts, config, local)),
            (None, Some(cluster)) => Ok(Account::new(&hpa, facts, config, cluster)),
            (None, None) => Err(fail(exit::USAGE, &"expected --config FILE or --kubeconfig FILE")),
        }
    };
    hpas.iter().map(account).collect()
}

/// The cluster, if one is needed: for a named HPA, and for a file with `--kubeconfig`.
fn connect<'a>(explain: &Explain, api: &Api, limits: &'a Limits) -> Result<Option<Cluster<'a>>, Stop> {
    let kubeconfig = match (&explain.subject, &explain.kubeconfig) {
        (_, Some(path)) => Some(path.clone()),
        (ExplainSubject::Named(_), None) => kubernetes::usual_kubeconfig(),
        (ExplainSubject::File(_), None) => return Ok(None),
    };
    let by = kubernetes::reading();
    let client = kubernetes::connect_context(kubeconfig.as_ref(), explain.context.as_deref(), by, api, limits);
    let client = client.map_err(|why| fail(exit::CONFIG, &why))?;
    Ok(client.map(|client| Cluster::new(client, limits)))
}

/// Collects the facts about an HPA's workload.
fn facts(
    explain: &Explain,
    hpa: &mut Hpa<'_>,
    namespace: &str,
    cluster: Option<&Cluster<'_>>,
    limits: &Limits,
) -> Result<Facts, Stop> {
    let mut facts = Facts {
        namespace: namespace.to_owned(),
        workload: Workload::default(),
        selector: explain.selector.clone(),
        has_pods: false,
        zero: ZeroSupport::Condition,
        assumption: None,
        warnings: Vec::new(),
        conditions: Vec::new(),
        controller: None,
        selector_limits: SelectorLimits {
            bytes: limits.request.selector,
            requirements: limits.request.selector_requirements,
        },
    };
    if let (Some(cluster), Some(target)) = (cluster, &hpa.target) {
        facts.zero = cluster.zero();
        let scaled = cluster.scaled(namespace, target).map_err(|why| fail(exit::UNAVAILABLE, &why))?;
        if !scaled.foreign_pods.is_empty() {
            facts.warnings.push(format!(
                "the workload's selector {} also selects other pods, which the controller counts as the workload's: {}",
                scaled.selector,
                words::listed(scaled.foreign_pods.into_iter())
            ));
        }
        facts.workload = scaled.workload;
        facts.selector = facts.selector.or(Some(scaled.selector));
        facts.has_pods = true;
    }
    if let Some(replicas) = explain.replicas.or((!facts.has_pods).then_some(hpa.min.max(1))) {
        facts.workload = Workload { replicas, present: replicas, pods: Vec::new() };
        facts.has_pods = false;
        let how = if explain.replicas.is_some() { "--replicas" } else { "assumed; use --replicas to change it" };
        facts.assumption = Some(how.to_owned());
        // At zero, assumes that the HPA scaled the workload there.
        hpa.scaled_to_zero = hpa.scaled_to_zero.or(Some(hpa.zero.is_some()));
    }
    if matches!(explain.subject, ExplainSubject::Named(_)) {
        facts.controller = hpa.status.desired;
        facts.conditions = hpa.status.conditions.iter().map(Condition::to_string).collect();
    }
    Ok(facts)
}

/// The documents of a file; an error includes its line.
fn roots(text: &str, limits: &Limits) -> Result<Vec<Node>, String> {
    let parse = |(before, document): (usize, &str)| {
        yaml::parse(document, &limits.document())
            .map_err(|error| format!("{}: {}", error.span.line + before, error.message))
    };
    manifest::documents(text).into_iter().map(parse).collect()
}
