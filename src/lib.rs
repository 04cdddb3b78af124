//! Metriclet serves any number from an HTTP endpoint as a Kubernetes custom or external metric.
//!
//! The layers, each using only those before it (a test checks the arrows):
//! `parse` ← `promql` ← `kube` ← `autoscaling` ← `config`, `telemetry` ← `cache`, `convert` ← `http` ← `source`, `kube_api`, `forward` ←
//! `metrics`, `conformance` ← `status` ← `api` ← `server` ← `command` ← `app` ← `main`.
//!
//! - `parse`, `promql`, `kube` and `autoscaling` are pure: bytes or values in, values out, limits as arguments; no clock, log or I/O.
//! - `config` holds the configuration and every limit and timeout; `telemetry` the program's own log and metrics.
//! - `convert` reads other adapters' configurations; it is as pure as `parse`.
//! - `cache` loads a value once for many callers; `http` is the outgoing HTTP client.
//! - `source` fetches pages from upstreams; `kube_api` beside it calls the Kubernetes API, and `forward` other adapters.
//! - `metrics` turns a rule, objects and selectors into values, or into the reason why there are none.
//! - `conformance` judges any server of these APIs; it is a separate program, and uses no code that serves them.
//! - `status` remembers answers, and shows what the program is doing.
//! - `api` takes one request to its reply; `server` owns sockets, workers and signals.
//! - `command` has one file for each subcommand; `app` runs the one that the arguments name.

mod api;
mod app;
mod autoscaling;
mod cache;
mod command;
mod config;
mod conformance;
mod convert;
mod forward;
mod http;
#[doc(hidden)]
pub mod internals;
mod kube;
mod kube_api;
mod metrics;
mod parse;
mod promql;
mod server;
mod source;
mod status;
mod telemetry;

pub use app::run;
pub use conformance::run as conformance;
