//! The program's counters, metrics page and log; and the clock.

pub(crate) mod bug;
pub(crate) mod clock;
pub(crate) mod connections;
pub(crate) mod counter;
pub(crate) mod counters;
pub(crate) mod exposition;
pub(crate) mod log;
pub(crate) mod pod_watches;
pub(crate) mod process;
