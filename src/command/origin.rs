//! The origin of the configuration, a file or flags, and reloading.

use std::path::Path;
use std::process::ExitCode;

use log::{error, info, warn};

use super::{exit, fail};
use crate::api::Api;
use crate::config::cli::Origin;
use crate::config::file::{self, Loaded};
use crate::config::limits::Limits;
use crate::config::model::Config;
use crate::config::problem::Severity;
use crate::config::read::{self as bounded, Unreadable};
use crate::config::watch::Watched;

/// The current configuration, and its file, if any.
#[derive(Debug)]
pub(crate) struct Live {
    file: Option<Watched>,
    limits: Limits,
}

impl Live {
    /// Installs the configuration. The server starts even if the file cannot be used: it serves discovery, and every
    /// metric returns the problem.
    ///
    /// # Errors
    /// The exit code for flags that mean nothing; the reason is printed.
    pub(crate) fn start(api: &Api, origin: &Origin, limits: &Limits) -> Result<Self, ExitCode> {
        let Origin::File(path) = origin else {
            install_once(api, origin, limits)?;
            return Ok(Self { file: None, limits: limits.clone() });
        };
        let mut watched = Watched::new(path.clone());
        watched.changed();
        let live = Self { file: Some(watched), limits: limits.clone() };
        match live.load(path) {
            Ok(loaded) => {
                let problem = loaded.unattributed().map(ToString::to_string);
                api.metrics().install(loaded.config, problem);
            }
            Err(why) => {
                error!("{why}");
                api.metrics().install(Config::default(), Some(why));
            }
        }
        Ok(live)
    }

    /// Reads the file again if it changed.
    pub(crate) fn follow(&mut self, api: &Api) {
        if self.file.as_mut().is_some_and(Watched::changed) {
            self.reload(api);
        }
    }

    /// Reads the file again. If it cannot be used, the current configuration stays.
    pub(crate) fn reload(&mut self, api: &Api) {
        let Some(watched) = &mut self.file else { return };
        // A change that comes together with a signal is read once.
        watched.changed();
        let path = &watched.path().to_owned();
        let counters = api.counters();
        match self.load(path) {
            Ok(loaded) if loaded.unattributed().is_none() => {
                let rules = loaded.config.written_rules();
                api.metrics().install(loaded.config, None);
                counters.reloads_succeeded.increment();
                info!("{}: loaded {}", path.display(), super::counted(rules, "rule"));
            }
            Ok(_) => {
                counters.reloads_failed.increment();
                error!("{}: rejected; still using the previous configuration", path.display());
            }
            Err(why) => {
                counters.reloads_failed.increment();
                error!("{why}; still using the previous configuration");
            }
        }
    }

    /// Reads the file and logs its problems.
    fn load(&self, path: &Path) -> Result<Loaded, String> {
        let loaded = file::load(&read(path, &self.limits)?, &self.limits);
        for problem in &loaded.problems {
            match problem.severity {
                Severity::Error => error!("{}:{problem}", path.display()),
                Severity::Warning => warn!("{}:{problem}", path.display()),
            }
        }
        Ok(loaded)
    }
}

/// Installs a configuration for one request.
///
/// # Errors
/// The exit code; the reason is printed.
pub(crate) fn install_once(api: &Api, origin: &Origin, limits: &Limits) -> Result<(), ExitCode> {
    match origin {
        Origin::ByDefault => Err(fail(exit::USAGE, &"say where the values come from: --upstream URL or --config FILE")),
        Origin::Upstream { url, describes } => match file::simple(url, describes.clone(), limits) {
            Ok(config) => {
                api.metrics().install(config, None);
                Ok(())
            }
            Err(why) => Err(fail(exit::USAGE, &format_args!("--upstream: {why}"))),
        },
        Origin::File(path) => {
            let text = read(path, limits).map_err(|why| fail(exit::NO_INPUT, &why))?;
            let loaded = file::load(&text, limits);
            for problem in loaded.problems.iter().filter(|problem| problem.is_error()) {
                super::tell(&format_args!("{}:{problem}", path.display()));
            }
            if loaded.unattributed().is_some() {
                return Err(ExitCode::from(exit::CONFIG));
            }
            api.metrics().install(loaded.config, None);
            Ok(())
        }
    }
}

/// Reads a configuration file.
///
/// # Errors
/// What was attempted, expected and found.
pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    bounded::read(path, limits.config.bytes).map_err(|why| {
        let cannot = format!("cannot read configuration {}", path.display());
        match why {
            Unreadable::TooLarge => format!("{cannot}: expected at most {} bytes, found more", limits.config.bytes),
            why => format!("{cannot}: {why}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::telemetry::clock::Clock;

    #[test]
    fn reads_a_change_that_comes_with_a_signal_once() {
        let path = std::env::temp_dir().join(format!("metriclet-origin-{}.yaml", std::process::id()));
        fs::write(&path, "sources: {}\nmetrics: []\n").unwrap();
        let limits = Limits::default();
        let api = Api::unconfigured(&limits, &Clock::system());
        let mut live = Live::start(&api, &Origin::File(path.clone()), &limits).unwrap();
        fs::write(&path, "sources: {}\nmetrics: [] # changed\n").unwrap();
        live.reload(&api);
        live.follow(&api);
        fs::remove_file(&path).unwrap();
        assert_eq!(api.counters().reloads_succeeded.get(), 1);
    }
}
