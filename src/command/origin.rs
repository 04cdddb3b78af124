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
use crate::parse::digest;

/// The current configuration, and its file, if any.
#[derive(Debug)]
pub(crate) struct Live {
    file: Option<Watched>,
    limits: Limits,
}

impl Live {
    /// Installs the configuration. The server starts even if the file is invalid: it serves discovery, and requests for
    /// metrics get the problem.
    ///
    /// # Errors
    /// The exit code for invalid flags; the reason is printed.
    pub(crate) fn start(api: &Api, origin: &Origin, limits: &Limits) -> Result<Self, ExitCode> {
        let Origin::File(path) = origin else {
            install_once(api, origin, limits)?;
            api.health().set_configured();
            api.counters().reload_successful.set(1);
            return Ok(Self { file: None, limits: limits.clone() });
        };
        let mut watched = Watched::new(path.clone());
        watched.changed();
        let live = Self { file: Some(watched), limits: limits.clone() };
        match live.load(path) {
            Ok((loaded, hash)) if loaded.unattributed().is_none() => put_in_use(api, path, loaded, hash),
            Ok((loaded, _)) => {
                let problem = loaded.unattributed().map(ToString::to_string);
                reject(api, path, loaded.problems.iter().map(ToString::to_string).collect());
                api.metrics().install(loaded.config, problem);
            }
            Err(why) => {
                error!("{why}");
                reject(api, path, vec![why.clone()]);
                api.metrics().install(Config::default(), Some(why));
            }
        }
        api.health().set_configured();
        Ok(live)
    }

    /// Reads the file again if it changed.
    pub(crate) fn follow(&mut self, api: &Api) {
        if self.file.as_mut().is_some_and(Watched::changed) {
            self.reload(api);
        }
    }

    /// Reads the file again. If it is invalid, the current configuration stays in use.
    pub(crate) fn reload(&mut self, api: &Api) {
        let Some(watched) = &mut self.file else { return };
        // If the file changes at the time of the signal, it is read only once.
        watched.changed();
        let path = &watched.path().to_owned();
        let counters = api.counters();
        match self.load(path) {
            Ok((loaded, hash)) if loaded.unattributed().is_none() => {
                counters.reloads_succeeded.increment();
                put_in_use(api, path, loaded, hash);
            }
            Ok((loaded, _)) => {
                let problems = loaded.problems.iter().map(ToString::to_string).collect();
                reject(api, path, problems);
                counters.reloads_failed.increment();
                error!("{}: rejected; still using the previous configuration", path.display());
            }
            Err(why) => {
                counters.reloads_failed.increment();
                reject(api, path, vec![why.clone()]);
                error!("{why}; still using the previous configuration");
            }
        }
    }

    /// Reads the file and logs its problems; returns it with its hash.
    fn load(&self, path: &Path) -> Result<(Loaded, String), String> {
        let text = read(path, &self.limits)?;
        let loaded = file::load(&text, &self.limits);
        for problem in &loaded.problems {
            match problem.severity {
                Severity::Error => error!("{}:{problem}", path.display()),
                Severity::Warning => warn!("{}:{problem}", path.display()),
            }
        }
        Ok((loaded, digest::text(&text)))
    }
}

/// Puts the configuration of a file in use, and logs it.
fn put_in_use(api: &Api, path: &Path, loaded: Loaded, hash: String) {
    let rules = loaded.config.written_rules();
    api.status().configuration.loaded(&path.display().to_string(), &loaded.problems, api.now());
    api.counters().reload_successful.set(1);
    api.metrics().install(loaded.config, None);
    info!("{}: loaded {}, {hash}", path.display(), super::counted(rules, "rule"));
    api.counters().set_config(hash);
}

/// Records that a file was rejected, for the status page and the counters.
fn reject(api: &Api, path: &Path, problems: Vec<String>) {
    api.counters().reload_successful.set(0);
    api.status().configuration.rejected(&path.display().to_string(), problems);
}

/// Installs a configuration for one request.
///
/// # Errors
/// The exit code; the reason is printed.
pub(crate) fn install_once(api: &Api, origin: &Origin, limits: &Limits) -> Result<(), ExitCode> {
    match origin {
        Origin::ByDefault => Err(fail(exit::USAGE, &"expected --upstream URL or --config FILE")),
        Origin::Upstream { url, describes } => match file::simple(url, describes.clone(), limits) {
            Ok(config) => {
                api.metrics().install(config, None);
                Ok(())
            }
            Err(why) => Err(fail(exit::USAGE, &format_args!("--upstream: {why}"))),
        },
        Origin::File(path) => {
            api.metrics().install(load_once(path, limits)?, None);
            Ok(())
        }
    }
}

/// Loads a configuration file for one request.
///
/// # Errors
/// The exit code; the reason is printed.
pub(crate) fn load_once(path: &Path, limits: &Limits) -> Result<Config, ExitCode> {
    let text = read(path, limits).map_err(|why| fail(exit::NO_INPUT, &why))?;
    let loaded = file::load(&text, limits);
    for problem in loaded.problems.iter().filter(|problem| problem.is_error()) {
        super::eprint(&format_args!("{}:{problem}", path.display()));
    }
    match loaded.unattributed() {
        Some(_) => Err(ExitCode::from(exit::CONFIG)),
        None => Ok(loaded.config),
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
    fn reads_a_change_and_a_signal_once() {
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
