//! What the program says of itself: counters, our own page of metrics, log lines; and the clock everything reads.

pub mod bug;
pub mod clock;
pub mod connections;
pub mod counter;
pub mod counters;
pub mod exposition;
pub mod log;
pub mod process;
