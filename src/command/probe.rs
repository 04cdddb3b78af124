//! `metriclet probe`: checks the health of the server in the same container.

use std::process::ExitCode;

use super::{exit, fail};
use crate::http::probe::{self, ProbeError};
use crate::parse::escape::Escaped;

/// Runs the command.
pub(crate) fn run(url: &str) -> ExitCode {
    match probe::get(url) {
        Ok((200, _)) => ExitCode::SUCCESS,
        Ok((code, body)) => {
            let failed: Vec<&str> = body.lines().filter(|line| line.starts_with("[-]")).collect();
            let why = if failed.is_empty() { String::new() } else { format!(": {}", Escaped::new(&failed.join(" "))) };
            fail(exit::UNAVAILABLE, &format_args!("{url} answered {code}{why}"))
        }
        Err(ProbeError::Unavailable(why)) => fail(exit::UNAVAILABLE, &format_args!("{url}: {why}")),
        Err(ProbeError::Url(expected)) => {
            fail(exit::USAGE, &format_args!("expected {expected}, found {}", Escaped::new(url)))
        }
    }
}
