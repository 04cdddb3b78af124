//! Converts other adapters' configurations to Metriclet's: texts in, a text and diagnostics out.
//!
//! What has no equivalent is rejected with its name and position, and differences are reported. All output is parsed
//! again, so that `metriclet check` accepts it.

mod adapter_rules;
mod annotations;
mod collected;
mod diagnostics;
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
mod resources;
mod written;

pub use self::diagnostics::Diagnostic;

/// An input file.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The name for messages.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

/// The result of a conversion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The configuration; empty if there is nothing to serve.
    pub config: String,
    /// HPAs that replace those in the input; empty if these can remain unchanged.
    pub hpas: String,
    pub diagnostics: Vec<Diagnostic>,
    /// General differences of the values.
    pub notes: Vec<&'static str>,
}

/// Information that is not in the files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The URL of the Prometheus server.
    pub prometheus: Option<&'a str>,
    /// The namespace of HPAs without one.
    pub namespace: Option<&'a str>,
    /// The names of the server's series: one per line, or a response of `/api/v1/label/__name__/values`.
    pub series: Option<&'a [u8]>,
}
