//! Flags that say whom the secure listener trusts and who tells what they may, by the names that users of other
//! aggregated API servers know.

use std::path::PathBuf;

use super::values::set;

/// Whom to trust and whom to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// `--authentication-kubeconfig`: another one for who asks.
    pub authentication_kubeconfig: Option<PathBuf>,
    /// `--authorization-kubeconfig`: another one for what they may.
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

/// Their names, without dashes.
pub(super) const FLAGS: [&str; 10] = [
    "authentication-kubeconfig",
    "authorization-always-allow-paths",
    "authorization-kubeconfig",
    "client-ca-file",
    "requestheader-allowed-names",
    "requestheader-client-ca-file",
    "requestheader-extra-headers-prefix",
    "requestheader-group-headers",
    "requestheader-uid-headers",
    "requestheader-username-headers",
];

impl Access {
    /// Paths that anybody may ask for.
    pub fn always_allowed(&self) -> Vec<String> {
        let usual = || ["/healthz", "/livez", "/readyz"].map(str::to_owned).to_vec();
        self.always_allow.clone().unwrap_or_else(usual)
    }

    /// Takes one flag. Lists are divided by commas, and a flag given again goes on with its list.
    pub(super) fn take(&mut self, flag: &'static str, value: &str) -> Result<(), String> {
        let list = value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let name = format!("--{flag}");
        match flag {
            "authentication-kubeconfig" => set(&mut self.authentication_kubeconfig, value.into(), &name)?,
            "authorization-kubeconfig" => set(&mut self.authorization_kubeconfig, value.into(), &name)?,
            "client-ca-file" => set(&mut self.client_ca_file, value.into(), &name)?,
            "requestheader-client-ca-file" => set(&mut self.front_proxy_ca_file, value.into(), &name)?,
            "requestheader-allowed-names" => self.allowed_names.extend(list),
            "requestheader-extra-headers-prefix" => self.extra_prefixes.extend(list),
            "requestheader-group-headers" => self.group_headers.extend(list),
            "requestheader-uid-headers" => self.uid_headers.extend(list),
            "requestheader-username-headers" => self.username_headers.extend(list),
            _ => self.always_allow.get_or_insert_default().extend(list),
        }
        Ok(())
    }
}
