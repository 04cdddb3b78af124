//! A shell command that sets a value, so that the served value can be compared with it.

use std::process::{Command, Stdio};

/// Runs the shell command to set a value.
///
/// # Errors
/// If the command cannot be run, or its exit code is not 0.
pub(crate) fn set(hook: &str, value: &str) -> Result<(), String> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(hook).env("METRICLET_VALUE", value).stdin(Stdio::null()).stdout(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the hook could not set {value}: {status}")),
        Err(error) => Err(format!("the hook could not be run: {error}")),
    }
}
