//! Checks of external metrics, and of rules that ignore namespaces on the page.

use super::pods::EXAMPLE;
use super::{Finding, error, warning};
use crate::config::model::{NamespaceLabels, Namespaces, ObjectMapping, Rule, Source};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Placeholder;

/// Checks which namespaces may request an external metric, that it needs no object, and which namespaces may read values of
/// other namespaces.
pub(super) fn check(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    let name = Escaped::new(&source.name);
    let namespaces = source.namespaces_of(rule);
    let ignores = match &rule.mapping {
        ObjectMapping::External { namespace, .. } | ObjectMapping::Labels { namespace, .. } => {
            *namespace == NamespaceLabels::Ignored
        }
        _ => false,
    };
    if ignores {
        let readers = match namespaces {
            Namespaces::All => "every namespace".to_owned(),
            Namespaces::Only(names) => names.join(", "),
        };
        let message = format!("none lets {readers} read the page's values of all namespaces");
        findings.push(warning("namespaceLabel", message));
    }
    if !rule.is_external() {
        return;
    }
    if source.is_of_any_pods() {
        let message = format!(
            "source {name} scrapes the pods of each request; an external metric needs a fixed set of pods, such as \
             {EXAMPLE}"
        );
        findings.push(error("source", message));
        return;
    }
    for (placeholder, written) in [(Placeholder::Name, "{name}"), (Placeholder::Resource, "{resource}")] {
        if source.uses(placeholder) {
            let message =
                format!("the requests of source {name} contain {written}, but an external metric has no object");
            findings.push(error("source", message));
        }
    }
    if *namespaces == Namespaces::Only(Vec::new()) {
        let message = format!("required, as source {name} has none: the namespaces that may request this metric");
        findings.push(error("namespaces", message));
    }
}
