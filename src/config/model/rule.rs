//! Rules, which assign values to objects.

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
    /// The described resources; empty only for an external metric.
    pub objects: Vec<ObjectKind>,
    /// Index into [`Config::sources`](super::Config::sources).
    pub source: usize,
    /// The value on a page.
    pub value: Value,
    /// The object that a value belongs to.
    pub mapping: ObjectMapping,
    /// The pattern that extracts the object's name, and possibly its namespace, from a label or an item's text.
    pub name_pattern: Option<NamePattern>,
    /// The namespaces that may request the metric, if not [`Source::namespaces`](super::Source::namespaces).
    pub namespaces: Option<Namespaces>,
    /// The answer if an object has no value.
    pub on_missing: OnMissing,
    /// The answer if the source failed.
    pub on_unavailable: OnMissing,
    /// The answer if the value is NaN.
    pub on_nan: OnNan,
    /// Whether negative values are served.
    pub allow_negative: bool,
    /// The percentage of pods that must respond, if their pages are joined.
    pub min_coverage: u8,
    /// The series with the times at which the rule's series were pushed.
    pub age_from: Option<VectorSelector>,
    /// The maximum age: samples with an older timestamp count as missing.
    pub max_age: Duration,
    /// Whether another adapter's value is served instead of the rule's, and both are compared.
    pub shadow: bool,
    /// The line in the file, from 1; 0 without a file.
    pub line: usize,
    /// The hash of the text of the rule and its source, which identifies it to other replicas; 0 without a file.
    pub definition: u64,
}

/// A rule that cannot be served; requests for its metric get 503 with the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    /// The metric's name, as far as it could be read.
    pub name: String,
    /// Its resources, as far as they could be read (`services`, `deployments.apps`); empty: any.
    pub resources: Vec<String>,
    /// The objects that it lists, if any and if they could be read.
    pub describes: Vec<DescribedObject>,
    /// Whether it is an external metric, which has no resources.
    pub external: bool,
    /// The first problem, as [`Problem`](crate::config::problem::Problem) prints it.
    pub problem: String,
}

/// An object that a rule lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribedObject {
    /// `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    pub name: String,
}

/// A kind of object that a rule describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// The plural resource, with its group unless that is core: `services`, `deployments.apps`.
    pub resource: String,
    /// `Service`, `Deployment`.
    pub kind: String,
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// Whether its objects are namespaced.
    pub namespaced: bool,
    /// The label that names an object on a page (`service`); `None` for kinds without a default, such as jobs.
    pub label: Option<String>,
}

/// The value on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An expression over a page of series.
    Series(Expr),
    /// A query for sources that evaluate PromQL, if it exceeds the subset that Metriclet parses.
    QueryTemplate(QueryTemplate),
    /// JSONPaths on a page of JSON, YAML or CSV.
    Json(JsonExpr),
    /// A regular expression on a page of text.
    Text(TextExpr),
    /// The page, which is a single number.
    Number,
    /// The series, JSON member or number with the name of the metric, depending on the page (`--upstream`).
    Named(String),
}

/// The object that a value belongs to.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectMapping {
    /// The requested object, because the page is its own: the URL contains `{name}`, or it is a pod. Labels on the page are
    /// ignored.
    Requested,
    /// The object that selects the pods whose pages are joined: labels on the pages name no object.
    PodSelector,
    /// An object that the rule lists.
    Described(DescribedObject),
    /// The object named by labels: by the first label of each list that a series has.
    Labels {
        /// `exported_namespace`, `namespace` by default.
        namespace: NamespaceLabels,
        /// `exported_service`, `service` and so on by default.
        name: Vec<String>,
    },
    /// One object for each item of a page of JSON, YAML or CSV.
    Items {
        /// The path from the page to its items.
        items: JsonPath,
        /// The path from an item to its object's name.
        name_from: ItemText,
        /// The path from an item to its object's namespace.
        namespace_from: Option<ItemText>,
    },
    /// The requested object, whose name is in the value as `{name}`.
    InQuery {
        /// As with labels.
        namespace: NamespaceLabels,
    },
    /// The object that a group of the regular expression names.
    CaptureGroups {
        /// Whether another group names its namespace.
        namespace: bool,
    },
    /// The namespace that the page describes (rules on `namespaces`).
    Namespace,
    /// No object: the values of an external metric are identified by labels.
    External {
        /// The labels that name the namespace of a series.
        namespace: NamespaceLabels,
        /// The list of values on a page of JSON, YAML or CSV.
        items: Option<LabelledItems>,
    },
}

/// The labels that name the namespace of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceLabels {
    /// The first of these that a series has; the default labels if the list is empty.
    First(Vec<String>),
    /// None (`namespaceLabel: none`): a namespace on the page is not that of the request.
    Ignored,
    /// None: the value contains `{namespace}`, or the name pattern has a group `namespace`.
    FromValue,
}

/// The list of an external metric's values on a page, and the labels of each.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledItems {
    /// The path from the page to its items.
    pub items: JsonPath,
    /// The path from an item to its namespace.
    pub namespace_from: Option<ItemText>,
    /// The name of each label, and the path from an item to its value.
    pub labels_from: Vec<(String, ItemText)>,
}

/// The location of a text that identifies an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemText {
    /// The item's key: the items are the members of an object.
    Key,
    /// The path from the item.
    Path(JsonPath),
}

/// The answer if an object has no value after a successful fetch, or if the source failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// 404, or the source's failure.
    #[default]
    Error,
    /// This number.
    Number(Milli),
    /// The last valid value, if its sample is not older than this.
    Last(Duration),
}

/// The answer if the value is NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNan {
    /// 503.
    #[default]
    Error,
    /// As for a missing value.
    Missing,
    /// 0.
    Zero,
}

impl Rule {
    /// Whether the metric is external.
    pub fn is_external(&self) -> bool {
        self.objects.is_empty()
    }
}

impl OnMissing {
    /// How long values are remembered.
    pub fn remembers(self) -> Option<Duration> {
        match self {
            Self::Last(age) => Some(age),
            Self::Error | Self::Number(_) => None,
        }
    }
}

impl Value {
    /// Whether a matcher contains this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        match self {
            Self::Series(expr) => expr.uses(placeholder),
            Self::QueryTemplate(template) => template.uses(placeholder),
            Self::Json(_) | Self::Text(_) | Self::Number | Self::Named(_) => false,
        }
    }

    /// Whether it contains any placeholder.
    pub fn is_open(&self) -> bool {
        [Placeholder::Name, Placeholder::Namespace, Placeholder::Metric]
            .iter()
            .any(|placeholder| self.uses(*placeholder))
    }

    /// The value with placeholders replaced by their bindings.
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

    /// The longest range, in milliseconds.
    pub fn range(&self) -> Option<i64> {
        let Self::Series(expr) = self else { return None };
        let range = expr.selectors().filter_map(|selector| selector.range).max()?;
        i64::try_from(range.as_millis()).ok()
    }
}

/// The text as in the configuration.
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
    /// The label for a query, which uses only one.
    pub fn first(&self) -> Option<&String> {
        match self {
            Self::First(labels) => labels.first(),
            Self::Ignored | Self::FromValue => None,
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
