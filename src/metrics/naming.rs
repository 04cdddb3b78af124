//! How the members of a page name objects: not at all, by labels, or by the rule.

use std::borrow::Cow;

use once_cell::sync::Lazy;

use super::active_rule::ActiveRule;
use super::select::{self, Naming};
use crate::config::model::{DescribedObject, NamespaceLabels, ObjectKind, ObjectMapping};
use crate::parse::name_pattern::NamePattern;
use crate::parse::path::{MetricPath, ObjectName};
use crate::parse::url_template::Placeholder;

/// The default labels that name a namespace; the one that a scrape has renamed comes first.
static NAMESPACES: Lazy<[String; 2]> = Lazy::new(|| ["exported_namespace", "namespace"].map(str::to_owned));

/// The given labels, or the default ones for namespaces.
pub(super) fn namespaces(given: &[String]) -> &[String] {
    match given {
        [] => NAMESPACES.as_slice(),
        given => given,
    }
}

/// How the members of a page name objects of this kind, for a request with this path.
pub(super) fn of<'a>(path: &'a MetricPath, served: &'a ActiveRule, kind: &'a ObjectKind) -> Naming<'a> {
    Namer { path, served, kind }.naming()
}

struct Namer<'a> {
    path: &'a MetricPath,
    served: &'a ActiveRule,
    kind: &'a ObjectKind,
}

impl<'a> Namer<'a> {
    fn naming(&self) -> Naming<'a> {
        let path = self.path;
        let own_name = match &path.name {
            ObjectName::One(name) => name.as_str(),
            ObjectName::All => "",
        };
        match &self.served.rule.mapping {
            // An external metric has no object.
            ObjectMapping::Requested
            | ObjectMapping::PodSelector
            | ObjectMapping::Namespace
            | ObjectMapping::External { .. } => Naming::Given { name: own_name },
            ObjectMapping::InQuery { namespace: NamespaceLabels::First(labels) }
                if self.kind.resource != "namespaces" =>
            {
                Naming::Own {
                    namespace: Cow::Borrowed(namespaces(labels)),
                    default_namespace: self.default_namespace(),
                    name: Cow::Borrowed(&[]),
                    default_name: Some(own_name),
                    pattern: None,
                }
            }
            ObjectMapping::InQuery { .. } => Naming::Given { name: own_name },
            ObjectMapping::Described(DescribedObject { namespace, name }) => Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: namespace.as_deref(),
                name: Cow::Borrowed(&[]),
                default_name: Some(name),
                pattern: None,
            },
            ObjectMapping::Items { .. } | ObjectMapping::CaptureGroups { .. } => Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: self.default_namespace().filter(|_| !self.is_in_pattern()),
                name: Cow::Borrowed(&[]),
                default_name: None,
                pattern: self.pattern(),
            },
            ObjectMapping::Labels { namespace: NamespaceLabels::First(namespace), name } => {
                self.naming_by_labels(namespace, name, self.default_namespace())
            }
            ObjectMapping::Labels { namespace: NamespaceLabels::Ignored | NamespaceLabels::FromValue, name } => {
                Naming::Own {
                    namespace: Cow::Borrowed(&[]),
                    default_namespace: path.namespace.as_deref().filter(|_| !self.is_in_pattern()),
                    name: self.names(name),
                    default_name: None,
                    pattern: self.pattern(),
                }
            }
        }
    }

    fn pattern(&self) -> Option<&'a NamePattern> {
        self.served.rule.name_pattern.as_ref()
    }

    /// Whether the namespace is part of the name, or unknown.
    fn is_in_pattern(&self) -> bool {
        self.pattern().is_some_and(NamePattern::names_namespaces)
    }

    fn naming_by_labels(
        &self,
        namespace: &'a [String],
        name: &'a [String],
        default_namespace: Option<&'a str>,
    ) -> Naming<'a> {
        if self.kind.resource == "namespaces" {
            let name = Cow::Borrowed(namespaces(if name.is_empty() { namespace } else { name }));
            return Naming::Own {
                namespace: Cow::Borrowed(&[]),
                default_namespace: None,
                name,
                default_name: default_namespace,
                pattern: self.pattern(),
            };
        }
        let namespace = Cow::Borrowed(namespaces(namespace));
        let (name, pattern) = (self.names(name), self.pattern());
        Naming::Own { namespace, default_namespace, name, default_name: None, pattern }
    }

    /// The given labels, or the default ones for the kind.
    fn names(&self, given: &'a [String]) -> Cow<'a, [String]> {
        match given {
            [] => Cow::Owned(select::default_labels(self.kind)),
            given => Cow::Borrowed(given),
        }
    }

    /// The namespace of members that name none: the only one that the source describes, or the one in its URL or query;
    /// for a named object, the requested one.
    fn default_namespace(&self) -> Option<&'a str> {
        let source = self.served.upstream.source();
        let asked = match &self.path.name {
            ObjectName::One(name) if self.kind.resource == "namespaces" => Some(name.as_str()),
            _ => self.path.namespace.as_deref(),
        };
        let any = self.served.implicit || source.uses(Placeholder::Namespace) || source.is_prometheus();
        if any { asked } else { source.namespaces_of(&self.served.rule).single() }
    }
}
