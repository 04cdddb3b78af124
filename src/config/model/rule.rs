//! Rules: which number is the value of which object.

use std::fmt;
use std::time::Duration;

use super::namespaces::Namespaces;
use crate::kube::kinds::Kind;
use crate::parse::json::{JsonExpr, Path as JsonPath};
use crate::parse::name_pattern::NamePattern;
use crate::parse::quantity::Milli;
use crate::parse::regex::TextExpr;
use crate::parse::url_template::Placeholder;
use crate::promql::matcher::BadRegex;
use crate::promql::{Bindings, Expr, QueryTemplate, VectorSelector};

/// One metric of one or more resources, or an external metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The metric's name in the API.
    pub name: String,
    /// The described resources; empty for an external metric, and only there.
    pub objects: Vec<ObjectKind>,
    /// Index into [`Config::sources`](super::Config::sources).
    pub source: usize,
    /// What of a page is the value.
    pub value: Value,
    /// Which object a value belongs to.
    pub identity: Identity,
    /// What of a label or of an item's text is the object's name, and perhaps its namespace; all of it without one.
    pub name_pattern: Option<NamePattern>,
    /// Who may ask, if those are others than [`Source::namespaces`](super::Source::namespaces).
    pub namespaces: Option<Namespaces>,
    /// When nothing is there for an object.
    pub on_missing: OnMissing,
    /// When the source failed.
    pub on_unavailable: OnMissing,
    /// When the value is NaN.
    pub on_nan: OnNan,
    /// Whether a negative value is served.
    pub allow_negative: bool,
    /// How many percent of the pods whose pages are joined have to answer.
    pub min_coverage: u8,
    /// Series beside the rule's own that say when these were pushed.
    pub age_from: Option<VectorSelector>,
    /// Samples with an older timestamp count as missing.
    pub max_age: Duration,
    /// Whether another adapter's value is served in place of the rule's, and both are compared.
    pub shadow: bool,
    /// Line in the file, from 1; 0 where there is none.
    pub line: usize,
    /// The hash of the rule and its source as they are written, by which other replicas know it; 0 where there is no file.
    pub definition: u64,
}

/// A rule that cannot be served; its metric answers 503 with the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    /// The metric's name, as far as it could be read.
    pub name: String,
    /// Its resources, as far as they could be read (`services`, `deployments.apps`); empty: any.
    pub resources: Vec<String>,
    /// The objects that it describes, if it lists them and they could be read.
    pub describes: Vec<DescribedObject>,
    /// Whether it is an external metric, which has no resources.
    pub external: bool,
    /// The first problem, as [`Problem`](crate::config::problem::Problem) prints it.
    pub problem: String,
}

/// An object that is named in a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribedObject {
    /// `None` for a root-scoped object.
    pub namespace: Option<String>,
    pub name: String,
}

/// A kind of object that a rule describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// Plural resource with its group if that is not core: `services`, `deployments.apps`.
    pub resource: String,
    /// `Service`, `Deployment`.
    pub kind: String,
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Label that names an object on a page (`service`); `None` where there is no default, as for jobs.
    pub label: Option<String>,
}

/// What of a page is the value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// For Prometheus-shaped pages.
    Series(Expr),
    /// For sources that evaluate PromQL themselves: what is past our own part of it.
    QueryTemplate(QueryTemplate),
    /// For pages of JSON, YAML and CSV.
    Json(JsonExpr),
    /// For pages of text.
    Text(TextExpr),
    /// The page is the number.
    Number,
    /// The series, JSON member or number of this name, whichever the page holds (`--upstream`).
    Named(String),
}

/// Which object a value belongs to.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// The object in the URL, which holds `{name}`: labels on its page are ignored.
    Url,
    /// The object that selects the pods whose pages are joined: labels on them name no object.
    Selected,
    /// The one object written in the rule.
    Fixed(DescribedObject),
    /// The object that labels name: the first label of each list that a series carries.
    Labels {
        /// `exported_namespace`, `namespace` by default.
        namespace: NamespaceLabels,
        /// `exported_service`, `service` and so on by default.
        name: Vec<String>,
    },
    /// One object an item of a page of JSON, YAML or CSV.
    Items {
        /// From the page to its items.
        items: JsonPath,
        /// From an item to its object's name.
        name_from: ItemText,
        /// From an item to its object's namespace.
        namespace_from: Option<ItemText>,
    },
    /// The requested object, whose name is within the value as `{name}`.
    Value {
        /// As with labels.
        namespace: NamespaceLabels,
    },
    /// The object that a group of the regular expression names.
    Groups {
        /// Whether another group names its namespace.
        namespace: bool,
    },
    /// The namespace itself that the page is about (rules on `namespaces`).
    Namespace,
    /// None: each value of an external metric has labels instead.
    External {
        /// The labels that keep a series from other namespaces.
        namespace: NamespaceLabels,
        /// Where a page of JSON, YAML or CSV lists values.
        items: Option<LabelledItems>,
    },
}

/// The labels that name the namespace which a series is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceLabels {
    /// The first of these that a series carries; those that are usual if there are none.
    First(Vec<String>),
    /// None (`namespaceLabel: none`): a namespace on the page is not that of who asks.
    Ignored,
    /// None: the value holds `{namespace}`, or a pattern for names has a group for it.
    Told,
}

/// Where a page lists the values of an external metric, and the labels of each.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledItems {
    /// From the page to its items.
    pub items: JsonPath,
    /// From an item to the namespace that it is about.
    pub namespace_from: Option<ItemText>,
    /// The name of each label, and from an item to its value.
    pub labels_from: Vec<(String, ItemText)>,
}

/// Where a text about an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemText {
    /// It is the item's key: the items are the members of an object.
    Key,
    /// From the item to it.
    Path(JsonPath),
}

/// What is answered when nothing is there for an object, after a healthy fetch; or when the source failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// 404, or what the source's failure is.
    #[default]
    Error,
    /// This.
    Number(Milli),
    /// The last good value, if its sample is no older than this.
    Last(Duration),
}

/// What is answered when the value is NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNan {
    /// 503.
    #[default]
    Error,
    /// As if nothing were there.
    Missing,
    /// 0.
    Zero,
}

impl Rule {
    /// Whether it is of an external metric.
    pub fn is_external(&self) -> bool {
        self.objects.is_empty()
    }
}

impl OnMissing {
    /// For how long a value is remembered for it.
    pub fn remembers(self) -> Option<Duration> {
        match self {
            Self::Last(age) => Some(age),
            Self::Error | Self::Number(_) => None,
        }
    }
}

impl Value {
    /// Whether the value of a label in it holds this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        match self {
            Self::Series(expr) => expr.uses(placeholder),
            Self::QueryTemplate(template) => template.uses(placeholder),
            Self::Json(_) | Self::Text(_) | Self::Number | Self::Named(_) => false,
        }
    }

    /// Whether it holds any placeholder.
    pub fn is_open(&self) -> bool {
        [Placeholder::Name, Placeholder::Namespace, Placeholder::Metric]
            .iter()
            .any(|placeholder| self.uses(*placeholder))
    }

    /// The same with what is known in the place of placeholders.
    ///
    /// # Errors
    /// If a regular expression becomes too large.
    pub fn bind(&self, bindings: &Bindings<'_>, regex_limit: usize) -> Result<Self, BadRegex> {
        Ok(match self {
            Self::Series(expr) => Self::Series(expr.bind(bindings, regex_limit)?),
            Self::QueryTemplate(template) => Self::QueryTemplate(template.bind(bindings)),
            Self::Json(_) | Self::Text(_) | Self::Number | Self::Named(_) => self.clone(),
        })
    }

    /// How far it looks back, in milliseconds.
    pub fn range(&self) -> Option<i64> {
        let Self::Series(expr) = self else { return None };
        let range = expr.selectors().filter_map(|selector| selector.range).max()?;
        i64::try_from(range.as_millis()).ok()
    }
}

/// As it is written in the configuration.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(expr) => expr.fmt(f),
            Self::QueryTemplate(template) => f.write_str(template.text()),
            Self::Json(expr) => expr.fmt(f),
            Self::Text(expr) => expr.fmt(f),
            Self::Number => f.write_str("the number"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl NamespaceLabels {
    /// The label that a query has: one.
    pub fn first(&self) -> Option<&String> {
        match self {
            Self::First(labels) => labels.first(),
            Self::Ignored | Self::Told => None,
        }
    }
}

impl fmt::Display for ItemText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Path(path) => path.fmt(f),
        }
    }
}

impl fmt::Display for DescribedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in namespace {namespace}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl From<&Kind> for ObjectKind {
    fn from(kind: &Kind) -> Self {
        Self {
            resource: kind.resource.to_owned(),
            kind: kind.kind.to_owned(),
            api_version: kind.api_version.to_owned(),
            namespaced: kind.namespaced,
            label: kind.label().map(str::to_owned),
        }
    }
}
