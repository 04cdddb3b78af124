//! The metrics in HPAs.

use super::Input;
use super::diagnostics::{Diagnostics, Position};
use crate::autoscaling::manifest::{self, Hpa, MetricKind};
use crate::config::limits::Limits;
use crate::kube::kinds;
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{self, Span};

/// A metric of one kind of object, or an external metric, and the HPAs that use it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// `None` for an external metric.
    pub(super) kind: Option<TargetKind>,
    /// The position of its first use.
    pub(super) position: Position,
    /// `namespace/name`, escaped for messages.
    pub(super) hpas: Vec<String>,
    pub(super) namespaces: Vec<String>,
    /// Whether an HPA has a `metric.selector` for it.
    pub(super) selects: bool,
}

/// The kind of an object in an HPA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetKind {
    pub(super) kind: String,
    /// The API group without a version; empty for the core group.
    pub(super) group: String,
    pub(super) api_version: String,
    /// The built-in kind with its resource, such as `pods` or `deployments.apps`.
    pub(super) built_in: Option<&'static kinds::Kind>,
}

/// The metrics of all HPAs in these files, merged by kind and name.
pub(super) fn wanted(
    inputs: &[Input<'_>],
    first: usize,
    namespace: Option<&str>,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        each(*input, first + index, limits, diagnostics, |hpa, before, diagnostics| {
            for problem in &hpa.problems {
                diagnostics.error(
                    Position::new(first + index, before, problem.span),
                    format!("expected {}", problem.expected),
                );
            }
            let Some(namespace) = namespace_of(hpa, namespace, first + index, before, diagnostics) else { return };
            let hpa_name = format!("{namespace}/{}", shown(hpa.name.unwrap_or_default()));
            for metric in &hpa.metrics {
                let kind = match metric.kind {
                    MetricKind::Pods => Some(TargetKind::new("v1", "Pod")),
                    MetricKind::Object(object) => Some(TargetKind::new(object.api_version, object.kind)),
                    MetricKind::External => None,
                    MetricKind::Resource => continue,
                };
                let is_same = |other: &&mut Wanted| other.name == metric.name && other.kind == kind;
                if wanted.iter_mut().find(is_same).is_none() {
                    wanted.push(Wanted {
                        name: metric.name.to_owned(),
                        kind: kind.clone(),
                        position: Position::new(first + index, before, metric.span),
                        hpas: Vec::new(),
                        namespaces: Vec::new(),
                        selects: false,
                    });
                }
                if let Some(same) = wanted.iter_mut().find(is_same) {
                    add(&mut same.hpas, &hpa_name);
                    add(&mut same.namespaces, &namespace);
                    same.selects |= !metric.selector.is_empty();
                }
            }
        });
    }
    wanted
}

/// Calls `visit` with each HPA of a file and the number of lines before its document.
pub(super) fn each(
    input: Input<'_>,
    index: usize,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
    mut visit: impl FnMut(&Hpa<'_>, usize, &mut Diagnostics),
) {
    let text = String::from_utf8_lossy(input.bytes);
    let mut found = false;
    for (before, document) in manifest::documents(&text) {
        match yaml::parse(document, &limits.document()) {
            Ok(root) => {
                for hpa in manifest::hpas(&root) {
                    found = true;
                    visit(&hpa, before, diagnostics);
                }
            }
            Err(error) => {
                found = true;
                diagnostics.error(Position::new(index, before, error.span), error.message);
            }
        }
    }
    if !found {
        let position = Position::new(index, 0, Span::START);
        diagnostics.error(position, "expected a HorizontalPodAutoscaler of autoscaling/v2, found none");
    }
}

/// The namespace of an HPA, or the default one; `None` (and a diagnostic) without either.
pub(super) fn namespace_of(
    hpa: &Hpa<'_>,
    default: Option<&str>,
    input: usize,
    before: usize,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let position = Position::new(input, before, hpa.span);
    match hpa.namespace.or(default) {
        Some(namespace) if dns::is_label(namespace) => Some(namespace.to_owned()),
        Some(namespace) => {
            diagnostics.error(
                position,
                format!("metadata.namespace: expected a namespace, found {}", Escaped::new(namespace)),
            );
            None
        }
        None => {
            let name = shown(hpa.name.unwrap_or_default());
            diagnostics.error(position, format!("HPA {name} has no metadata.namespace; --namespace NAME sets it"));
            None
        }
    }
}

/// A valid Kubernetes name as written, any other text escaped.
pub(super) fn shown(name: &str) -> String {
    if dns::is_name(name) { name.to_owned() } else { Escaped::new(name).to_string() }
}

/// Adds an item that is not in the list yet.
pub(super) fn add(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|other| other == item) {
        list.push(item.to_owned());
    }
}

impl TargetKind {
    pub(super) fn new(api_version: &str, kind: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let of_group = |built_in: &&kinds::Kind| {
            let own = built_in.api_version.rsplit_once('/').map_or("", |(group, _)| group);
            built_in.kind == kind && own == group
        };
        let built_in = kinds::all().find(of_group);
        // All versions of a built-in kind are equivalent.
        let api_version = built_in.map_or(api_version, |built_in| built_in.api_version);
        let [kind, group, api_version] = [kind, group, api_version].map(str::to_owned);
        Self { built_in, kind, group, api_version }
    }

    /// Whether the kind is Pod; an HPA requests such a metric for all its pods at once.
    pub(super) fn is_pods(&self) -> bool {
        self.built_in.is_some_and(|kind| kind.resource == "pods")
    }

    pub(super) fn is_namespaces(&self) -> bool {
        self.built_in.is_some_and(|kind| kind.resource == "namespaces")
    }
}
