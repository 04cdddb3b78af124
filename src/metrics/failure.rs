//! Why a metric cannot be served. The text becomes `Status.message`, which `kubectl describe hpa` shows. Each change of
//! it is a write to etcd, so it names causes, not ages, durations or counts. It contains no data from upstream except
//! label names.

use std::fmt;

use super::objects::ListError;
use super::reason::{MissingReason, NotAGauge, RefusalReason};
use crate::config::model::{DescribedObject, NamespaceLabels, ObjectMapping, Rule};
use crate::kube::status::Status;
use crate::parse::path::{ExternalPath, MetricPath, ObjectName};
use crate::promql::VectorSelector;
use crate::source::error::SourceError;
use crate::source::waiting::Waiting;
use metriclet_exposition::is_named_like_a_counter;

/// Why a metric cannot be served.
#[derive(Debug)]
pub enum Failure {
    /// The request has to wait for this, and the caller does not wait.
    WouldWait(Waiting),
    /// The request is invalid or not supported: 400.
    BadRequest(String),
    /// There is no rule or no value: 404.
    NotFound(String),
    /// There may be a value, but not now or not as configured: 503.
    Unavailable(String),
    /// The source failed: it served no page, or one that cannot be read: 503.
    SourceFailed(String),
    /// Another adapter says why there is no value.
    Answered(Box<Status>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldWait(_) => f.write_str("the answer is not in memory"),
            Self::BadRequest(message)
            | Self::NotFound(message)
            | Self::Unavailable(message)
            | Self::SourceFailed(message) => f.write_str(message),
            Self::Answered(status) => f.write_str(&status.message),
        }
    }
}

impl std::error::Error for Failure {}

/// Builds the messages of failures for one rule and one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// The metric, and the objects or the namespace.
    pub metric: MetricReference<'a>,
    /// The rule that serves the metric.
    pub rule: &'a Rule,
    /// The rule's source by name.
    pub source: &'a str,
    /// Whether the rule is implicit, so that the text prints the rule to write.
    pub implicit: bool,
}

impl About<'_> {
    /// There is no value for the object.
    pub(crate) fn missing(&self, reason: &MissingReason) -> Failure {
        let hint = match reason {
            MissingReason::NoObjectLabel(_) if self.implicit => match self.metric {
                MetricReference::Objects(MetricPath { namespace, resource, name: ObjectName::One(name), .. }) => {
                    let space = namespace.iter().map(|namespace| format!("/{namespace}")).collect::<String>();
                    format!("; --describes {resource}{space}/{name} would bind it")
                }
                _ => String::new(),
            },
            // The query was restricted to the requested namespace, and this label may hold the exporter's namespace.
            MissingReason::NoResult => match (&self.rule.mapping, self.metric) {
                (
                    ObjectMapping::Labels { namespace: NamespaceLabels::First(labels), .. }
                    | ObjectMapping::InQuery { namespace: NamespaceLabels::First(labels) },
                    MetricReference::Objects(MetricPath { namespace: Some(namespace), .. }),
                ) => labels.first().map(|label| format!(" with {label}={namespace:?}")).unwrap_or_default(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        Failure::NotFound(format!("{}: {reason}{hint}; {}", self.subject(), self.origin()))
    }

    /// There is a value, but it cannot be served.
    pub(crate) fn refused(&self, reason: &RefusalReason) -> Failure {
        let hint = if self.implicit { self.rule_to_write(reason) } else { String::new() };
        Failure::Unavailable(format!("{}: {reason}{hint}; {}", self.subject(), self.origin()))
    }

    /// The text of a rule that would serve a series of `--upstream`; for a counter, its rate.
    fn rule_to_write(&self, reason: &RefusalReason) -> String {
        let metric = self.metric.name();
        let selector = VectorSelector::named(metric).to_string();
        let rate = format!("sum(rate({selector}[2m]))");
        let value = match reason {
            RefusalReason::Several => format!("sum({selector})"),
            RefusalReason::NotAGauge(NotAGauge::Counter | NotAGauge::NamedLikeACounter) => rate,
            RefusalReason::NotAGauge(NotAGauge::Histogram) if metric.ends_with("_bucket") => {
                format!("histogram_quantile(0.9, sum by (le) (rate({selector}[2m])))")
            }
            RefusalReason::NotAGauge(NotAGauge::Histogram) => rate,
            RefusalReason::NotAGauge(NotAGauge::Summary) if is_named_like_a_counter(metric) => rate,
            RefusalReason::NotAGauge(NotAGauge::Summary) => format!("max({selector})"),
            _ => return String::new(),
        };
        let object = match self.metric {
            MetricReference::Objects(path) => format!("object: {}", path.resource),
            MetricReference::External(_) => "external: true".to_owned(),
        };
        let place = match (value.contains("rate("), object.as_str()) {
            (false, _) => "",
            (true, "object: pods") => " on a source with pods:, as a rate takes several samples of one process",
            (true, _) => " on a source with single: true, as a rate takes several samples of one process",
        };
        let describes = match &self.rule.mapping {
            ObjectMapping::Described(DescribedObject { namespace: Some(namespace), name }) => {
                format!(", describes: {{namespace: {namespace}, name: {name}}}")
            }
            ObjectMapping::Described(DescribedObject { namespace: None, name }) => {
                format!(", describes: {{name: {name}}}")
            }
            _ => String::new(),
        };
        let (source, value) = (self.source, value.replace('\'', "''"));
        format!("; write a rule{place}: {{name: {metric}, {object}, source: {source}, value: '{value}'{describes}}}")
    }

    /// The rule cannot use the page at all.
    pub(crate) fn page(&self, why: &dyn fmt::Display) -> Failure {
        Failure::Unavailable(format!("{}: {why}; {}", self.subject(), self.origin()))
    }

    /// There is no list of objects.
    pub(crate) fn unlisted(&self, unlisted: &ListError) -> Failure {
        match unlisted {
            ListError::WouldWait => Failure::WouldWait(Waiting::KubernetesLists),
            ListError::Failed(why) => self.page(why),
        }
    }

    /// Pages of the source are missing.
    pub(crate) fn incomplete(&self, why: &dyn fmt::Display) -> Failure {
        Failure::SourceFailed(self.page(why).to_string())
    }

    /// No object has this name, or `labelSelector` selects none.
    pub(crate) fn no_object(&self) -> Failure {
        let why = match self.metric {
            MetricReference::Objects(MetricPath { name: ObjectName::All, .. }) => "labelSelector matches no object",
            _ => "there is no such object",
        };
        Failure::NotFound(format!("{}: {why}", self.subject()))
    }

    /// No object has this name, or its kind has no scale subresource.
    pub(crate) fn no_scale(&self) -> Failure {
        Failure::NotFound(format!("{}: there is no such object, or its kind has no scale subresource", self.subject()))
    }

    /// The source served no page.
    pub(crate) fn source(&self, error: &SourceError) -> Failure {
        Failure::SourceFailed(format!("{}: source {} {error}", self.subject(), self.source))
    }

    /// The source cannot answer such a request.
    pub(crate) fn bad_request(&self, why: &dyn fmt::Display) -> Failure {
        Failure::BadRequest(format!("{}: {why}", self.subject()))
    }

    /// The source may not describe this namespace.
    pub(crate) fn foreign_namespace(&self) -> Failure {
        Failure::NotFound(format!(
            "{}: {}",
            self.subject(),
            match self.metric {
                MetricReference::Objects(_) => format!(
                    "source {} may not describe objects of this namespace; its namespaces: in the configuration says which",
                    self.source
                ),
                MetricReference::External(_) =>
                    "this namespace may not ask for it; namespaces: of the rule, or of its \
                                                 source, says which may"
                        .to_owned(),
            }
        ))
    }

    fn subject(&self) -> MetricReference<'_> {
        self.metric
    }

    /// The text of the rule's value.
    pub(crate) fn value(&self) -> String {
        self.rule.value.to_string()
    }

    fn origin(&self) -> String {
        format!("the rule takes {} from source {}", self.value(), self.source)
    }
}

/// The metric of a request, as text: `queue_depth of services/web in namespace shop`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MetricReference<'a> {
    Objects(&'a MetricPath),
    External(&'a ExternalPath),
}

impl<'a> MetricReference<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Objects(path) => &path.metric,
            Self::External(path) => &path.metric,
        }
    }
}

impl fmt::Display for MetricReference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MetricPath { namespace, resource, name, metric, .. } = match self {
            Self::Objects(path) => path,
            Self::External(ExternalPath { namespace, metric }) => {
                return write!(f, "external metric {metric} in namespace {namespace}");
            }
        };
        match name {
            ObjectName::One(name) if resource == "namespaces" => write!(f, "{metric} of namespace {name}")?,
            ObjectName::One(name) => write!(f, "{metric} of {resource}/{name}")?,
            ObjectName::All => write!(f, "{metric} of all {resource}")?,
        }
        namespace.as_deref().map_or(Ok(()), |namespace| write!(f, " in namespace {namespace}"))
    }
}
