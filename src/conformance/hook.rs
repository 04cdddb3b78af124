//! The command that sets a value, so that what is served can be compared with it.

use std::process::{Command, Stdio};

/// Lets a shell command set a value.
///
/// # Errors
/// If it cannot, as its exit code says.
pub(crate) fn set(hook: &str, value: &str) -> Result<(), String> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(hook).env("METRICLET_VALUE", value).stdin(Stdio::null()).stdout(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the hook could not set {value}: {status}")),
        Err(error) => Err(format!("the hook could not be run: {error}")),
    }
}
