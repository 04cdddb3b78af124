//! The `metriclet-conformance` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    metriclet::conformance(std::env::args_os().skip(1))
}
