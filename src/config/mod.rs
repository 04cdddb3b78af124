//! The configuration, from flags and a file, checked; and all limits and timeouts.

pub(crate) mod check;
pub(crate) mod cli;
pub mod exit;
pub(crate) mod file;
pub(crate) mod hpa;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod problem;
pub(crate) mod read;
pub(crate) mod rights;
pub(crate) mod watch;
