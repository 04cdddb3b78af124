//! The `metriclet` binary.

fn main() {}
