//! What the user said (flags and file), checked, and every cap and timeout.

pub(crate) mod check;
pub(crate) mod cli;
pub(crate) mod file;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod problem;
pub(crate) mod read;
pub(crate) mod watch;
