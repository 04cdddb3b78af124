//! A metric request, and the values that answer it.

use crate::kube::custom_metrics::MetricValue;
use crate::kube::meta::LabelSelector;
use crate::parse::path::MetricPath;
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
}

/// The values of a metric, and the selector to echo beside each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricValues {
    /// One value for each object, at least one; exactly one for a named object.
    pub items: Vec<MetricValue>,
    /// `metricLabelSelector` as an object, if the request had one.
    pub selector: Option<LabelSelector>,
}
