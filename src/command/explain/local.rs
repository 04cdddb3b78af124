//! Responses from a configuration that is loaded into this process, with the events of each request.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::found::{Answered, Answers, ConfigFile};
use crate::api::Api;
use crate::autoscaling::manifest::ObjectRef;
use crate::autoscaling::request_path;
use crate::command::{local_answer, origin};
use crate::config::limits::Limits;
use crate::telemetry::clock::Clock;

/// A loaded configuration.
pub(super) struct Local<'a> {
    pub api: Arc<Api>,
    pub file: ConfigFile,
    pub wait: Duration,
    pub limits: &'a Limits,
    pub clock: &'a Clock,
}

impl<'a> Local<'a> {
    /// Loads a file.
    ///
    /// # Errors
    /// The exit code; the error is already printed.
    pub(super) fn load(
        api: Arc<Api>,
        path: &Path,
        wait: Duration,
        limits: &'a Limits,
        clock: &'a Clock,
    ) -> Result<Self, ExitCode> {
        let config = origin::load_once(path, limits)?;
        let file = ConfigFile { name: path.display().to_string(), config: config.clone() };
        api.metrics().install(config, None);
        Ok(Self { api, file, wait, limits, clock })
    }
}

impl Answers for Local<'_> {
    fn answer(&self, path: &str) -> Answered {
        let (reply, trace) = local_answer::local_answer(&self.api, path, self.wait, self.limits, self.clock);
        let events = trace.events().iter().map(|event| (event.topic(), event.text())).collect();
        Answered { code: reply.code, body: reply.body.to_vec(), server: None, events }
    }

    fn version(&self) -> String {
        request_path::PREFERRED.to_owned()
    }

    fn resource(&self, object: &ObjectRef<'_>) -> Option<(String, bool)> {
        let kinds = self.file.config.rules.iter().flat_map(|rule| &rule.objects);
        let group_of = |api_version: &str| api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let mut of_kind =
            kinds.filter(|kind| kind.kind == object.kind && group_of(&kind.api_version) == object.group());
        of_kind.next().map(|kind| (kind.resource.clone(), kind.namespaced))
    }
}
