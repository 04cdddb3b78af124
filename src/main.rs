//! The `metriclet` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    metriclet::run(std::env::args_os().skip(1))
}
