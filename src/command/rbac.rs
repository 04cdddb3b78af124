//! `metriclet rbac`: prints the Roles that a configuration needs.

use std::process::ExitCode;

use super::{eprint, exit, fail, origin, print};
use crate::config::cli::Rbac;
use crate::config::file;
use crate::config::limits::Limits;
use crate::config::rights::{self, Right};

/// The name of each Role and each binding, as in the manifests.
const NAME: &str = "custom-metrics-resource-reader";

/// Runs the command.
pub(crate) fn run(rbac: &Rbac, limits: &Limits) -> ExitCode {
    let bytes = match origin::read(&rbac.config, limits) {
        Ok(bytes) => bytes,
        Err(why) => return fail(exit::NO_INPUT, &why),
    };
    let loaded = file::load(&bytes, limits);
    let mut has_errors = false;
    for problem in loaded.problems.iter().filter(|problem| problem.is_error()) {
        eprint(&format_args!("{}:{problem}", rbac.config.display()));
        has_errors = true;
    }
    // A Role for the valid part of a file would be insufficient once the rest is fixed.
    if has_errors {
        return ExitCode::from(exit::CONFIG);
    }
    print(&manifests(&rights::rights(&loaded.config, rbac.hpas), rbac))
}

/// A Role and its binding for each namespace, or a ClusterRole.
fn manifests(rights: &[Right], rbac: &Rbac) -> String {
    if rights.is_empty() {
        return "# This configuration reads nothing from the Kubernetes API.\n".to_owned();
    }
    let mut documents: Vec<String> = Vec::new();
    for of_namespace in rights.chunk_by(|a, b| a.namespace == b.namespace) {
        let namespace = of_namespace.first().and_then(|right| right.namespace.as_deref());
        documents.push(role(namespace, of_namespace));
        documents.push(binding(namespace, rbac));
    }
    documents.join("---\n")
}

fn head(kind: &str, namespace: Option<&str>) -> String {
    let kind = if namespace.is_none() { format!("Cluster{kind}") } else { kind.to_owned() };
    let namespace = namespace.map_or_else(String::new, |namespace| format!("  namespace: {namespace}\n"));
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}\n{namespace}  labels:\n    \
         app.kubernetes.io/part-of: metriclet\n"
    )
}

/// The verbs granted on a resource.
struct Grant<'r> {
    first: &'r Right,
    verbs: Vec<&'static str>,
}

/// One rule for each combination of group and verbs, and for each resource granted by name.
fn role(namespace: Option<&str>, rights: &[Right]) -> String {
    let mut text = head("Role", namespace) + "rules:\n";
    let of = |right: &Right| (right.group.clone(), right.resource.clone(), right.name.clone());
    let grants = rights.chunk_by(|a, b| of(a) == of(b)).filter_map(|same| {
        let verbs = same.iter().map(|right| right.verb).collect();
        Some(Grant { first: same.first()?, verbs })
    });
    let grants: Vec<Grant<'_>> = grants.collect();
    let key = |Grant { first, verbs }: &Grant<'_>| {
        (first.group.clone(), verbs.clone(), first.name.as_ref().map(|_| first.resource.clone()))
    };
    for same in grants.chunk_by(|a, b| key(a) == key(b)) {
        let Some(Grant { first, verbs }) = same.first() else { continue };
        let mut resources: Vec<String> = same.iter().map(|grant| quoted(&grant.first.resource)).collect();
        resources.dedup();
        let group = if first.group.is_empty() { "\"\"" } else { &first.group };
        text += &format!("  - apiGroups: [{group}]\n    resources: [{}]\n", resources.join(", "));
        let names: Vec<String> = same.iter().filter_map(|grant| grant.first.name.as_deref()).map(quoted).collect();
        if !names.is_empty() {
            text += &format!("    resourceNames: [{}]\n", names.join(", "));
        }
        text += &format!("    verbs: [{}]\n", verbs.join(", "));
    }
    text
}

/// Quotes a name that YAML would not read as text.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '-' | '/');
    match name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_plain) && !is_word(name) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "''")),
    }
}

/// Whether YAML 1.1, which kubectl reads, gives a word another type than text.
fn is_word(name: &str) -> bool {
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&name)
}

fn binding(namespace: Option<&str>, rbac: &Rbac) -> String {
    let kind = if namespace.is_none() { "ClusterRole" } else { "Role" };
    let (account, of) = (&rbac.account, &rbac.namespace);
    format!(
        "{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {NAME}\nsubjects:\n  - kind: \
         ServiceAccount\n    name: {account}\n    namespace: {of}\n",
        head("RoleBinding", namespace)
    )
}
