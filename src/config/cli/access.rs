//! Flags of authentication and authorization, by the names that other aggregated API servers use.

use std::path::PathBuf;

use super::flag::flags;
use super::values::set;

/// The secure listener's authentication and authorization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// `--authentication-kubeconfig`: for TokenReviews; defaults to `--kubeconfig`.
    pub authentication_kubeconfig: Option<PathBuf>,
    /// `--authorization-kubeconfig`: for SubjectAccessReviews; defaults to `--kubeconfig`.
    pub authorization_kubeconfig: Option<PathBuf>,
    /// `--client-ca-file`: authorities for clients, instead of the published ones.
    pub client_ca_file: Option<PathBuf>,
    /// `--requestheader-client-ca-file`: authorities for front proxies, instead of the published ones.
    pub front_proxy_ca_file: Option<PathBuf>,
    /// `--requestheader-allowed-names`
    pub allowed_names: Vec<String>,
    /// `--requestheader-username-headers`
    pub username_headers: Vec<String>,
    /// `--requestheader-uid-headers`
    pub uid_headers: Vec<String>,
    /// `--requestheader-group-headers`
    pub group_headers: Vec<String>,
    /// `--requestheader-extra-headers-prefix`
    pub extra_prefixes: Vec<String>,
    /// `--authorization-always-allow-paths`
    pub always_allow: Option<Vec<String>>,
}

flags! {
    /// Flags of authentication and authorization.
    AccessFlag {
        AlwaysAllowPaths = "authorization-always-allow-paths",
        AuthenticationKubeconfig = "authentication-kubeconfig",
        AuthorizationKubeconfig = "authorization-kubeconfig",
        ClientCa = "client-ca-file",
        FrontProxyAllowedNames = "requestheader-allowed-names",
        FrontProxyCa = "requestheader-client-ca-file",
        FrontProxyExtraHeaders = "requestheader-extra-headers-prefix",
        FrontProxyGroupHeaders = "requestheader-group-headers",
        FrontProxyUidHeaders = "requestheader-uid-headers",
        FrontProxyUsernameHeaders = "requestheader-username-headers",
    }
}

impl Access {
    /// Paths that need no authorization.
    pub(crate) fn always_allowed(&self) -> Vec<String> {
        let usual = || ["/healthz", "/livez", "/readyz"].map(str::to_owned).to_vec();
        self.always_allow.clone().unwrap_or_else(usual)
    }

    /// Sets one flag. Lists are separated by commas; a repeated flag extends its list.
    pub(super) fn take(&mut self, flag: AccessFlag, value: &str) -> Result<(), String> {
        let list = value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let name = flag.dashed();
        match flag {
            AccessFlag::AlwaysAllowPaths => self.always_allow.get_or_insert_default().extend(list),
            AccessFlag::AuthenticationKubeconfig => set(&mut self.authentication_kubeconfig, value.into(), name)?,
            AccessFlag::AuthorizationKubeconfig => set(&mut self.authorization_kubeconfig, value.into(), name)?,
            AccessFlag::ClientCa => set(&mut self.client_ca_file, value.into(), name)?,
            AccessFlag::FrontProxyAllowedNames => self.allowed_names.extend(list),
            AccessFlag::FrontProxyCa => set(&mut self.front_proxy_ca_file, value.into(), name)?,
            AccessFlag::FrontProxyExtraHeaders => self.extra_prefixes.extend(list),
            AccessFlag::FrontProxyGroupHeaders => self.group_headers.extend(list),
            AccessFlag::FrontProxyUidHeaders => self.uid_headers.extend(list),
            AccessFlag::FrontProxyUsernameHeaders => self.username_headers.extend(list),
        }
        Ok(())
    }
}
