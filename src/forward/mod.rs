//! Other adapters of the same APIs, which serve what no rule does.
//!
//! - [`adapter`] makes requests to one, with Metriclet's own identity, and remembers what it lists and how it does.
//! - [`adapters`] makes them by the configuration; [`error`] says why one has no answer.
//! - [`difference`] compares its values with a rule's, and [`shadow_log`] counts that.

pub(crate) mod adapter;
pub(crate) mod adapters;
pub(crate) mod difference;
pub(crate) mod error;
mod listed;
pub(crate) mod shadow_log;
mod state;
