//! Facts about the server that are collected before the checks: its APIs, and metrics with values.

use super::target::{CustomTarget, ExternalTarget};

/// The path of requests to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Via {
    /// Via the aggregation layer of kube-apiserver, which handles some paths itself.
    KubeApiserver,
    #[default]
    Directly,
}

/// The facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) through: Via,
    /// Whether the server uses TLS; over `http://` there are no credentials.
    pub(crate) is_tls: bool,
    /// The served versions of the Custom Metrics API.
    pub(crate) versions: Vec<&'static str>,
    /// Whether the External Metrics API is served.
    pub(crate) serves_external: bool,
    /// Metrics of single objects.
    pub(crate) named: Vec<CustomTarget>,
    /// Metrics of all objects that match a selector.
    pub(crate) wildcards: Vec<CustomTarget>,
    pub(crate) external: Vec<ExternalTarget>,
    /// The namespace for requests for nonexistent metrics.
    pub(crate) namespace: String,
    /// Whether there are credentials for these identities.
    pub(crate) has_unauthenticated: bool,
    pub(crate) has_unauthorized: bool,
    pub(crate) has_custom_reader: bool,
    pub(crate) has_external_reader: bool,
    /// The value that the hook has set.
    pub(crate) hooked: Option<&'static str>,
    /// Whether a hook is configured.
    pub(crate) has_hook: bool,
}

pub(crate) const NO_CUSTOM: &str = "the server does not serve custom.metrics.k8s.io";
pub(crate) const NO_EXTERNAL: &str = "the server does not serve external.metrics.k8s.io";
const NO_NAMED: &str = "no metric of a single object is known: name one with --object";
const NO_WILDCARD: &str = "no metric of several objects is known: name one with --pods";
const NO_EXTERNAL_METRIC: &str = "no external metric is known: name one with --external";

impl Facts {
    /// The served versions of the Custom Metrics API.
    ///
    /// # Errors
    /// If the API is not served.
    pub(crate) fn versions(&self) -> Result<&[&'static str], String> {
        if self.versions.is_empty() { Err(NO_CUSTOM.to_owned()) } else { Ok(&self.versions) }
    }

    /// The newest served version.
    ///
    /// # Errors
    /// If the API is not served.
    pub(crate) fn version(&self) -> Result<&'static str, String> {
        self.versions()?.last().copied().ok_or_else(|| NO_CUSTOM.to_owned())
    }

    /// Metrics of single objects.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn named(&self) -> Result<&[CustomTarget], String> {
        self.versions()?;
        if self.named.is_empty() { Err(NO_NAMED.to_owned()) } else { Ok(&self.named) }
    }

    /// Metrics of several objects.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn wildcards(&self) -> Result<&[CustomTarget], String> {
        self.versions()?;
        if self.wildcards.is_empty() { Err(NO_WILDCARD.to_owned()) } else { Ok(&self.wildcards) }
    }

    /// External metrics.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn external(&self) -> Result<&[ExternalTarget], String> {
        match (self.serves_external, self.external.is_empty()) {
            (false, _) => Err(NO_EXTERNAL.to_owned()),
            (true, true) => Err(NO_EXTERNAL_METRIC.to_owned()),
            (true, false) => Ok(&self.external),
        }
    }

    /// Checks that the server itself handles a path, not kube-apiserver.
    ///
    /// # Errors
    /// If kube-apiserver handles it.
    pub(crate) fn directly(&self) -> Result<(), String> {
        match self.through {
            Via::Directly => Ok(()),
            Via::KubeApiserver => Err("kube-apiserver answers this itself".to_owned()),
        }
    }

    /// The path of a metric or, if none is known, of discovery: for checks that do not depend on metrics.
    ///
    /// # Errors
    /// If the server serves nothing.
    pub(crate) fn any_target(&self) -> Result<String, String> {
        let version = self.versions.last();
        let custom = self.named.first().or(self.wildcards.first());
        match (custom.zip(version), self.external.first()) {
            (Some((custom, version)), _) => Ok(custom.target(version)),
            (None, Some(external)) => Ok(external.target()),
            (None, None) => Err("no metric is known: name one with --object, --pods or --external".to_owned()),
        }
    }
}
