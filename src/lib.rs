//! Metriclet: any number that an HTTP endpoint serves, as a Kubernetes custom metric.
//!
//! The layers, each using only those before it (a test checks the arrows):
//! `parse` ← `promql` ← `kube` ← `config`, `telemetry` ← `source`, `kube_api` ← `metrics` ← `api` ← `server` ← `command`, `app` ← `main`.
//!
//! - [`parse`], [`promql`] and [`kube`] are pure: bytes or values in, values out, limits as arguments; no clock, log or I/O.
//! - [`config`] holds what the user said and every cap and timeout; [`telemetry`] what we say of ourselves.
//! - [`source`] fetches pages from upstreams; [`kube_api`] beside it asks the Kubernetes API.
//! - [`metrics`] turns a rule, objects and selectors into values, and says why when it cannot.
//! - [`api`] is the story of one call; [`server`] owns sockets, workers and signals.
//! - [`command`] is one file a subcommand; [`app`] puts the parts together.

pub mod api;
pub mod app;
pub mod command;
pub mod config;
pub mod kube;
pub mod kube_api;
pub mod metrics;
pub mod parse;
pub mod promql;
pub mod server;
pub mod source;
pub mod telemetry;
