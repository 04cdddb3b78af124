//! What is known about the server before it is judged: what it serves, and which metrics have values.

use super::target::{CustomTarget, ExternalTarget};

/// How the server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Through {
    /// Through the aggregation layer of kube-apiserver, which answers some paths itself.
    KubeApiserver,
    #[default]
    Directly,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) through: Through,
    /// Whether credentials matter: over `http://` there are none.
    pub(crate) is_tls: bool,
    /// Versions of the Custom Metrics API that discovery has.
    pub(crate) versions: Vec<&'static str>,
    /// Whether discovery has the External Metrics API.
    pub(crate) serves_external: bool,
    /// Metrics of single objects.
    pub(crate) named: Vec<CustomTarget>,
    /// Metrics of all objects that a selector picks.
    pub(crate) wildcards: Vec<CustomTarget>,
    pub(crate) external: Vec<ExternalTarget>,
    /// The namespace of requests for what does not exist.
    pub(crate) namespace: String,
    /// Identities beside the one that asks.
    pub(crate) has_nobody: bool,
    pub(crate) has_unauthorized: bool,
    pub(crate) has_custom_reader: bool,
    pub(crate) has_external_reader: bool,
    /// The value that the hook has set.
    pub(crate) hooked: Option<&'static str>,
    /// Whether there is a hook.
    pub(crate) has_hook: bool,
}

pub(crate) const NO_CUSTOM: &str = "the server does not serve custom.metrics.k8s.io";
pub(crate) const NO_EXTERNAL: &str = "the server does not serve external.metrics.k8s.io";
const NO_NAMED: &str = "no metric of a single object is known: name one with --object";
const NO_WILDCARD: &str = "no metric of several objects is known: name one with --pods";
const NO_EXTERNAL_METRIC: &str = "no external metric is known: name one with --external";

impl Facts {
    /// The versions of the Custom Metrics API.
    ///
    /// # Errors
    /// If it is not served.
    pub(crate) fn versions(&self) -> Result<&[&'static str], String> {
        if self.versions.is_empty() { Err(NO_CUSTOM.to_owned()) } else { Ok(&self.versions) }
    }

    /// One version, the newest.
    ///
    /// # Errors
    /// If the API is not served.
    pub(crate) fn version(&self) -> Result<&'static str, String> {
        self.versions()?.last().copied().ok_or_else(|| NO_CUSTOM.to_owned())
    }

    /// Metrics of single objects.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn named(&self) -> Result<&[CustomTarget], String> {
        self.versions()?;
        if self.named.is_empty() { Err(NO_NAMED.to_owned()) } else { Ok(&self.named) }
    }

    /// Metrics of several objects.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn wildcards(&self) -> Result<&[CustomTarget], String> {
        self.versions()?;
        if self.wildcards.is_empty() { Err(NO_WILDCARD.to_owned()) } else { Ok(&self.wildcards) }
    }

    /// External metrics.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn external(&self) -> Result<&[ExternalTarget], String> {
        match (self.serves_external, self.external.is_empty()) {
            (false, _) => Err(NO_EXTERNAL.to_owned()),
            (true, true) => Err(NO_EXTERNAL_METRIC.to_owned()),
            (true, false) => Ok(&self.external),
        }
    }

    /// That the server itself answers, rather than kube-apiserver in its place.
    ///
    /// # Errors
    /// If kube-apiserver does.
    pub(crate) fn directly(&self) -> Result<(), String> {
        match self.through {
            Through::Directly => Ok(()),
            Through::KubeApiserver => Err("kube-apiserver answers this itself".to_owned()),
        }
    }

    /// A path with a metric if there is one, else discovery: for what does not depend on metrics.
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
