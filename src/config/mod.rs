//! What the user said (flags and file), checked, and every cap and timeout.

pub mod check;
pub mod cli;
pub mod file;
pub mod limits;
pub mod model;
pub mod problem;
pub mod read;
pub mod watch;
