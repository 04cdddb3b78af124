//! The state of the configuration file, set when it is loaded, for the status page and counters.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::report::ConfigurationStatus;
use crate::config::problem::Problem;
use crate::kube::meta::Time;
use crate::telemetry::clock::Now;

/// The outcome of loading the configuration.
#[derive(Debug, Default)]
pub(crate) struct LoadedConfiguration(Mutex<ConfigurationStatus>);

impl LoadedConfiguration {
    /// Records that a file was loaded.
    pub(crate) fn loaded(&self, file: &str, problems: &[Problem], now: Now) {
        *self.lock() = ConfigurationStatus {
            file: Some(file.to_owned()),
            loaded: Some(Time::from_millis(now.unix_millis)),
            is_rejected: false,
            problems: problems.iter().map(ToString::to_string).collect(),
        };
    }

    /// Records that a file was rejected; a previous configuration stays in use.
    pub(crate) fn rejected(&self, file: &str, problems: Vec<String>) {
        let mut status = self.lock();
        status.file = Some(file.to_owned());
        status.is_rejected = true;
        status.problems = problems;
    }

    pub(super) fn status(&self) -> ConfigurationStatus {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ConfigurationStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
