//! The commands, one file each, and the functions that they share for printing and exit codes.

pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod convert;
mod discovery;
mod event;
pub(crate) mod explain;
pub(crate) mod get;
mod kubernetes;
mod listeners;
mod local_answer;
pub(crate) mod origin;
mod peers;
pub(crate) mod probe;
pub(crate) mod rbac;
pub(crate) mod serve;
mod trust;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

pub use crate::config::exit;

/// Prints to stdout; a closed pipe is not an error.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

/// Prints one line to stderr and ends with `code`.
pub(crate) fn fail(code: u8, why: &dyn Display) -> ExitCode {
    eprint(&format_args!("metriclet: {why}"));
    ExitCode::from(code)
}

/// Prints one line to stderr.
pub(crate) fn eprint(line: &dyn Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// `no rules`, `1 rule`, `2 rules`.
fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
