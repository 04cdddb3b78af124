//! The HPAs that are written: read back before they are printed, as the configuration is.

use serde_json::Value;

use super::manifest::documents;
use super::output::Output;
use super::remarks::{Place, Remarks};
use crate::autoscaling::manifest;
use crate::config::limits::Limits;
use crate::kube::yaml as kubernetes_yaml;
use crate::parse::yaml;

/// An HPA that is to be written.
#[derive(Debug)]
pub(super) struct WrittenHpa {
    pub(super) object: Value,
    /// The names of the rules that serve its metrics.
    pub(super) rules: Vec<String>,
    /// What it was made of.
    pub(super) place: Place,
}

/// Documents of the HPAs whose rules are all in `output`. One that lacks what `metriclet check --hpa` demands becomes
/// remarks instead.
pub(super) fn print(hpas: Vec<WrittenHpa>, output: &Output, limits: &Limits, remarks: &mut Remarks) -> String {
    let mut objects = Vec::new();
    for hpa in hpas.into_iter().filter(|hpa| hpa.rules.iter().all(|name| output.has_rule(name))) {
        let lacks = lacks(&hpa.object, limits);
        if lacks.is_empty() {
            objects.push(hpa.object);
        }
        for lack in lacks {
            remarks.error(hpa.place, format!("as an HPA, this is refused: {lack}"));
        }
    }
    documents(&objects)
}

/// What an HPA lacks once it is printed.
fn lacks(object: &Value, limits: &Limits) -> Vec<String> {
    let text = kubernetes_yaml::print(object);
    let root = match yaml::parse(&text, &limits.document()) {
        Ok(root) => root,
        Err(error) => return vec![error.message],
    };
    let mut lacks = Vec::new();
    for hpa in manifest::hpas(&root) {
        let targets = hpa.metrics.iter().filter_map(|metric| metric.target.as_ref().err());
        lacks.extend(hpa.lacks.iter().chain(targets).map(|lack| format!("expected {}", lack.expected)));
    }
    lacks
}
