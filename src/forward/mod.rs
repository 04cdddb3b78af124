//! Other adapters of the same APIs, which serve metrics without a rule.
//!
//! - [`adapter`] makes requests to one adapter, with Metriclet's own identity, and keeps its list of metrics and its state.
//! - [`adapters`] creates them from the configuration; [`error`] lists the reasons for missing answers.
//! - [`difference`] compares an adapter's values with a rule's, and [`shadow_log`] counts the outcomes.

pub(crate) mod adapter;
pub(crate) mod adapters;
pub(crate) mod difference;
pub(crate) mod error;
mod listed;
pub(crate) mod shadow_log;
mod state;
