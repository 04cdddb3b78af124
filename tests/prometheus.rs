//! Servers with Prometheus' API as sources: the queries they get, and which of their results are accepted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "prometheus/answers.rs"]
mod answers;
mod common;
#[path = "prometheus/fleets.rs"]
mod fleets;
#[path = "prometheus/live.rs"]
mod live;
#[path = "prometheus/queries.rs"]
mod queries;
#[path = "prometheus/ranges.rs"]
mod ranges;
#[path = "prometheus/scripted.rs"]
mod scripted;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "promql/prometheus.rs"]
mod server;
