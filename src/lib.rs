//! Metriclet: any number that an HTTP endpoint serves, as a Kubernetes custom metric.
//!
//! The layers, each using only those before it (a test checks the arrows):
//! `parse` ← `promql` ← `kube` ← `config`, `telemetry` ← `cache` ← `http` ← `source`, `kube_api` ← `metrics` ← `api` ← `server` ← `command`, `app` ← `main`.
//!
//! - [`parse`], [`promql`] and [`kube`] are pure: bytes or values in, values out, limits as arguments; no clock, log or I/O.
//! - [`config`] holds the configuration and every limit and timeout; [`telemetry`] the program's own log and metrics.
//! - [`cache`] loads a value once for all who ask; [`http`] is the outgoing HTTP client.
//! - [`source`] fetches pages from upstreams; [`kube_api`] beside it calls the Kubernetes API.
//! - [`metrics`] turns a rule, objects and selectors into values, or tells why there are none.
//! - [`api`] takes one request to its reply; [`server`] owns sockets, workers and signals.
//! - [`command`] has one file for each subcommand; [`app`] runs the one that the arguments name.

pub mod api;
pub mod app;
pub mod cache;
pub mod command;
pub mod config;
pub mod http;
pub mod kube;
pub mod kube_api;
pub mod metrics;
pub mod parse;
pub mod promql;
pub mod server;
pub mod source;
pub mod telemetry;
