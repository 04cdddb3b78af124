//! What the program says of itself: counters, our own page of metrics, log lines; and the clock everything reads.

pub(crate) mod bug;
pub(crate) mod clock;
pub(crate) mod connections;
pub(crate) mod counter;
pub(crate) mod counters;
pub(crate) mod exposition;
pub(crate) mod log;
pub(crate) mod process;
