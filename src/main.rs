//! The `metriclet` binary.

use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

fn main() -> ExitCode {
    metriclet::run(std::env::args_os().skip(1))
}
