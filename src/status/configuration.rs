//! How the configuration file was read: set where it is loaded, shown on the status page and counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::report::ConfigurationStatus;
use crate::config::problem::Problem;
use crate::kube::meta::Time;
use crate::telemetry::clock::Now;

/// How the configuration was loaded.
#[derive(Debug, Default)]
pub(crate) struct LoadedConfiguration(Mutex<ConfigurationStatus>);

impl LoadedConfiguration {
    /// A file was read and is in force.
    pub(crate) fn loaded(&self, file: &str, problems: &[Problem], now: Now) {
        *self.lock() = ConfigurationStatus {
            file: Some(file.to_owned()),
            loaded: Some(Time::from_millis(now.unix_millis)),
            is_rejected: false,
            problems: problems.iter().map(ToString::to_string).collect(),
        };
    }

    /// A file could not be used; what was in force before, if anything, stays so.
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
