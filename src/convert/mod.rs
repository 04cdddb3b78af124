//! Other adapters' configuration as Metriclet's: texts in, a text and remarks out.
//!
//! What has no equal here is refused by its name and place, and what differs is said. Every text that comes out is read
//! back before, so that `metriclet check` accepts it.

mod adapter_rules;
mod annotations;
mod collected;
pub(crate) mod go_template;
mod hpas;
mod json_value;
pub(crate) mod keda;
mod keda_auth;
mod keda_metadata;
mod keda_metrics_api;
mod keda_prometheus;
mod keda_triggers;
pub(crate) mod kube_metrics_adapter;
mod manifest;
mod naming;
mod output;
pub(crate) mod prometheus_adapter;
mod query;
mod query_shape;
mod remarks;
mod resources;
mod written;

pub use self::remarks::Remark;

/// A file that was given.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// As messages name it.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

/// What came of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The configuration; empty if there is nothing to serve.
    pub config: String,
    /// HPAs that replace those that were given; empty if these stay as they are.
    pub hpas: String,
    pub remarks: Vec<Remark>,
    /// How the values differ in general.
    pub notes: Vec<&'static str>,
}

/// What is known beside the files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The URL of the Prometheus server.
    pub prometheus: Option<&'a str>,
    /// The namespace of HPAs that name none.
    pub namespace: Option<&'a str>,
    /// The names of series that the server has: one on each line, or a response of `/api/v1/label/__name__/values`.
    pub series: Option<&'a [u8]>,
}
