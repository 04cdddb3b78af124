//! The HPAs in the output, parsed again before they are printed, like the configuration.

use serde_json::Value;

use super::diagnostics::{Diagnostics, Position};
use super::manifest::documents;
use super::output::Output;
use crate::autoscaling::manifest::{self, Hpa};
use crate::config::limits::Limits;
use crate::kube::yaml as kubernetes_yaml;
use crate::parse::yaml;

/// An HPA in the output.
#[derive(Debug)]
pub(super) struct WrittenHpa {
    pub(super) object: Value,
    /// The names of the rules that serve its metrics.
    pub(super) rules: Vec<String>,
    /// The position of its origin in the input.
    pub(super) position: Position,
}

/// Prints the HPAs whose rules are all in `output`. An HPA that `metriclet check --hpa` would reject becomes diagnostics
/// instead.
pub(super) fn print(hpas: Vec<WrittenHpa>, output: &Output, limits: &Limits, diagnostics: &mut Diagnostics) -> String {
    let mut objects = Vec::new();
    for hpa in hpas.into_iter().filter(|hpa| hpa.rules.iter().all(|name| output.has_rule(name))) {
        let lacks = lacks(&hpa.object, limits);
        if lacks.is_empty() {
            objects.push(hpa.object);
        }
        for lack in lacks {
            diagnostics.error(hpa.position, format!("the resulting HPA would be invalid: {lack}"));
        }
    }
    documents(&objects)
}

/// The problems of an HPA after printing.
fn lacks(object: &Value, limits: &Limits) -> Vec<String> {
    let text = kubernetes_yaml::print(object);
    let root = match yaml::parse(&text, &limits.document()) {
        Ok(root) => root,
        Err(error) => return vec![error.message],
    };
    let hpas = manifest::hpas(&root);
    hpas.iter().flat_map(Hpa::all_problems).map(|problem| format!("expected {}", problem.expected)).collect()
}
