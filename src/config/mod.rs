//! What the user said (flags and file), checked, and every cap and timeout.

pub mod limits;
pub mod model;
