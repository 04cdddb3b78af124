//! A metric request, and the values that answer it.

use super::freshness::Freshness;
use crate::kube::custom_metrics::MetricValue;
use crate::kube::external_metrics::ExternalMetricValue;
use crate::kube::meta::LabelSelector;
use crate::parse::path::{ExternalPath, MetricPath};
use crate::parse::selector::Selector;

/// A request for the values of a metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricRequest<'a> {
    /// The metric and the objects.
    pub path: &'a MetricPath,
    /// `labelSelector`: selects objects, with `*`.
    pub label_selector: &'a Selector,
    /// `metricLabelSelector`: selects series.
    pub metric_selector: &'a Selector,
    /// Whether another Metriclet has forwarded it; then it is not forwarded again.
    pub is_forwarded: bool,
}

/// The values of a metric, and the selector that each item repeats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricValues {
    /// One value for each object, at least one; exactly one for a named object.
    pub items: Vec<MetricValue>,
    /// `metricLabelSelector` as an object, if the request had one.
    pub selector: Option<LabelSelector>,
    /// How long the response stays valid, if that is known.
    pub(crate) freshness: Option<Freshness>,
}

/// A request for the values of an external metric.
#[derive(Clone, Copy, Debug)]
pub struct ExternalRequest<'a> {
    /// The metric, and the requested namespace.
    pub path: &'a ExternalPath,
    /// `labelSelector`: selects values by their labels.
    pub selector: &'a Selector,
    /// Whether another Metriclet has forwarded it; then it is not forwarded again.
    pub is_forwarded: bool,
}

/// The values of an external metric.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalValues {
    /// The metric's name as it is written in the rule; clients send it in lower case.
    pub metric: String,
    /// All values, at least one.
    pub items: Vec<ExternalMetricValue>,
    /// How long the response stays valid, if that is known.
    pub(crate) freshness: Option<Freshness>,
}
