//! Assigns the members of a page to objects.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::reason::{MissingReason, RefusalReason};
use crate::config::model::ObjectKind;
use crate::kube::kinds;
use crate::parse::name_pattern::NamePattern;
use crate::parse::selector::{Requirement, Selector};
use crate::parse::sort::sort;
use crate::source::page::{PageItem, Series};
use crate::source::prometheus::Sample;

/// How a series or an item names its object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Naming<'a> {
    /// It does not: everything on the page describes this object.
    Given {
        /// The object's name.
        name: &'a str,
    },
    /// By labels, or by members of an item.
    Own {
        /// The labels that name the namespace, of which the first present one is used; none for cluster-scoped objects.
        namespace: Cow<'a, [String]>,
        /// The namespace of members that name none.
        default_namespace: Option<&'a str>,
        /// The labels that name the object, of which the first present one is used.
        name: Cow<'a, [String]>,
        /// The name of members that name none.
        default_name: Option<&'a str>,
        /// The pattern that extracts the object's name.
        pattern: Option<&'a NamePattern>,
    },
}

/// The members that a request wants.
#[derive(Clone, Debug)]
pub(super) struct WantedMembers<'a> {
    /// `None` for cluster-scoped objects.
    pub namespace: Option<&'a str>,
    /// `None` for `*`.
    pub name: Option<&'a str>,
    /// Applied to the labels of series before anything else.
    pub metric_selector: &'a Selector,
    /// Selects objects by the labels of their series; selects all of them if the request's selector is applied
    /// elsewhere.
    pub label_selector: &'a Selector,
}

/// The members that describe one object: series, or items of a page.
pub(super) type ObjectMembers<'p, T> = Result<Vec<&'p T>, RefusalReason>;

/// The members of each object, ordered by its name, or the reason why there are none.
pub(super) type MembersByObject<'p, T> = Result<BTreeMap<String, ObjectMembers<'p, T>>, MissingReason>;

/// A member that may name the object that it describes.
pub(super) trait Describes {
    /// The value of a label, if the member has it.
    fn label(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }

    /// The value of the first of these labels that the member has.
    fn first_label(&self, keys: &[String]) -> Option<Cow<'_, str>> {
        keys.iter().find_map(|key| self.label(key))
    }

    /// The names of all its labels.
    fn labels(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    /// The namespace that the member names itself, without labels.
    fn own_namespace(&self) -> Option<&str> {
        None
    }

    /// The object that the member names itself, without labels.
    fn own_name(&self) -> Option<&str> {
        None
    }
}

/// Assigns the members of a page to objects, and keeps the requested objects.
pub(super) fn select<'p, T: Describes>(
    all: impl Iterator<Item = &'p T>,
    naming: &Naming<'_>,
    wanted: &WantedMembers<'_>,
) -> MembersByObject<'p, T> {
    let mut objects: BTreeMap<String, ObjectMembers<'p, T>> = BTreeMap::new();
    let (mut any, mut matching, mut named) = (false, false, false);
    for member in all {
        any = true;
        if !matches(wanted.metric_selector, member) {
            continue;
        }
        matching = true;
        let Some((namespace, name)) = naming.object(member, wanted.namespace) else { continue };
        named = true;
        if wanted.namespace.is_some_and(|wanted| namespace.as_deref() != Some(wanted))
            || wanted.name.is_some_and(|wanted| wanted != name)
        {
            continue;
        }
        match objects.get_mut(name.as_ref()) {
            Some(Ok(members)) => members.push(member),
            Some(Err(_)) => {}
            None => {
                objects.insert(name.into_owned(), Ok(vec![member]));
            }
        }
    }
    match naming {
        _ if !any => Err(MissingReason::NoSeries),
        _ if !matching => Err(MissingReason::MetricSelector),
        Naming::Own { name, pattern: Some(_), .. } if !named => Err(MissingReason::NoPatternMatch(name.to_vec())),
        Naming::Own { name, .. } if !named => Err(MissingReason::NoObjectLabel(name.to_vec())),
        _ if objects.is_empty() => Err(MissingReason::OtherObjects),
        _ => Ok(by_labels(objects, wanted.label_selector)),
    }
}

/// Keeps the objects whose members all match the selector; an object of which only some members match is left out as
/// ambiguous.
fn by_labels<'p, T: Describes>(
    mut objects: BTreeMap<String, ObjectMembers<'p, T>>,
    selector: &Selector,
) -> BTreeMap<String, ObjectMembers<'p, T>> {
    if !selector.is_everything() {
        objects.retain(|_, object| {
            let Ok(members) = object else { return true };
            let matching = members.iter().filter(|member| matches(selector, **member)).count();
            if 0 < matching && matching < members.len() {
                *object = Err(RefusalReason::MixedLabels);
            }
            matching > 0
        });
    }
    objects
}

impl<'a> Naming<'a> {
    /// Whether a page describes this object without naming it.
    pub(super) fn gives(&self, namespace: Option<&str>, name: &str) -> bool {
        match self {
            Self::Given { .. } => true,
            Self::Own { default_namespace, name: labels, default_name: Some(only), .. } => {
                labels.is_empty() && *only == name && (namespace.is_none() || *default_namespace == namespace)
            }
            Self::Own { .. } => false,
        }
    }

    /// Namespace and name of the object that `member` describes, if it names one.
    fn object<'m, T: Describes>(
        &'m self,
        member: &'m T,
        wanted_namespace: Option<&'m str>,
    ) -> Option<(Option<Cow<'m, str>>, Cow<'m, str>)> {
        match self {
            Self::Given { name } => Some((wanted_namespace.map(Cow::Borrowed), Cow::Borrowed(*name))),
            Self::Own { namespace, default_namespace, name, default_name, pattern } => {
                let space = member.own_namespace().map(Cow::Borrowed).or_else(|| member.first_label(namespace));
                let name = member.own_name().map(Cow::Borrowed).or_else(|| member.first_label(name));
                let (space, name) = match (pattern, name) {
                    (Some(pattern), Some(text)) => within(pattern, &text, space)?,
                    (_, name) => (space, name),
                };
                let name = name.or(default_name.map(Cow::Borrowed)).filter(|name| !name.is_empty())?;
                Some((space.or(default_namespace.map(Cow::Borrowed)), name))
            }
        }
    }
}

/// The namespace and the name in a text, if it contains both or the namespace is known.
#[expect(clippy::type_complexity, reason = "a pair of borrowed texts, used once")]
fn within<'m>(
    pattern: &NamePattern,
    text: &Cow<'m, str>,
    namespace: Option<Cow<'m, str>>,
) -> Option<(Option<Cow<'m, str>>, Option<Cow<'m, str>>)> {
    let (space, name) = match text {
        Cow::Borrowed(text) => {
            let found = pattern.read(text)?;
            (found.namespace.map(Cow::Borrowed), Cow::Borrowed(found.name))
        }
        Cow::Owned(text) => {
            let found = pattern.read(text)?;
            (found.namespace.map(|space| Cow::Owned(space.to_owned())), Cow::Owned(found.name.to_owned()))
        }
    };
    Some((space.or(namespace), Some(name)))
}

/// The first key of `selector` that no series has as a label, with the labels that the series have; `None` if every key
/// is known.
pub(super) fn unknown_key<'s, T: Describes>(selector: &'s Selector, members: &[&T]) -> Option<(&'s str, Vec<String>)> {
    let mut keys = selector.requirements().iter().map(Requirement::key);
    let unknown = keys.find(|key| members.iter().all(|member| label_of(*member, key).is_none()))?;
    let mut seen: Vec<String> = members.iter().flat_map(|member| member.labels()).map(Cow::into_owned).collect();
    sort(&mut seen);
    seen.dedup();
    Some((unknown, seen))
}

/// Whether a label names an object of a built-in kind: such a series does not describe its whole namespace.
pub(super) fn names_an_object(series: &Series) -> bool {
    series.labels().iter().any(|(label, _)| {
        let label = label.strip_prefix("exported_").unwrap_or(&label);
        label != "namespace" && kinds::all().any(|kind| kind.label() == Some(label))
    })
}

/// The default labels that name objects of a kind; the one that a scrape has renamed comes first.
pub(super) fn default_labels(kind: &ObjectKind) -> Vec<String> {
    kind.label.iter().flat_map(|label| [format!("exported_{label}"), label.clone()]).collect()
}

/// Whether labels match a selector, each key as it is or as Prometheus writes it as a label.
pub(super) fn matches_labels<'v>(selector: &Selector, get: impl Fn(&str) -> Option<&'v str>) -> bool {
    selector.matches(|key| get(key).or_else(|| get(&plain(key))))
}

/// Whether labels match a selector.
pub(super) fn matches<T: Describes>(selector: &Selector, member: &T) -> bool {
    // Selectors borrow values, and labels are unescaped on demand, so the selector's labels are read first.
    if selector.is_everything() {
        return true;
    }
    let labels: Vec<(&str, Option<Cow<'_, str>>)> = selector
        .requirements()
        .iter()
        .map(|requirement| (requirement.key(), label_of(member, requirement.key())))
        .collect();
    selector.matches(|key| labels.iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.as_deref()))
}

/// The key with `_` instead of characters that Prometheus does not allow in labels.
pub(super) fn plain(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The label for a Kubernetes label key: itself, or with `_` instead of characters that Prometheus does not allow.
fn label_of<'m, T: Describes>(member: &'m T, key: &str) -> Option<Cow<'m, str>> {
    member.label(key).or_else(|| {
        let plain = plain(key);
        (plain != key).then(|| member.label(&plain)).flatten()
    })
}

impl Describes for Series {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        Self::label(self, key)
    }

    fn first_label(&self, keys: &[String]) -> Option<Cow<'_, str>> {
        Self::labels(self).first_of(keys)
    }

    fn labels(&self) -> Vec<Cow<'_, str>> {
        Self::labels(self).iter().map(|(name, _)| name).collect()
    }
}

/// The label for the group `name` of a regular expression, if it does not name an object.
pub(super) const NAME_GROUP: &str = "name";

impl Describes for PageItem {
    fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        let label = self.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        label.or_else(|| self.own_name().filter(|_| key == NAME_GROUP)).map(Cow::Borrowed)
    }

    fn own_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn own_name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A query returns only these labels.
impl Describes for Sample {
    fn own_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn own_name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
