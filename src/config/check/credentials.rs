//! Checks of credentials.

use super::{Finding, error, warning};
use crate::config::model::{Namespaces, Source, Target, is_secret};
use crate::parse::certificate_name::CertificateName;
use crate::parse::url_template::Placeholder;

/// Checks that credentials can be combined, and reach only their server.
pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let credentials = &source.credentials;
    match (&credentials.cert_file, &credentials.key_file) {
        (Some(_), None) => findings.push(error("certFile", "requires keyFile:")),
        (None, Some(_)) => findings.push(error("keyFile", "requires certFile:")),
        _ => {}
    }
    let header = credentials.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match (&credentials.basic, &credentials.bearer_token_file, header) {
        (Some(_), Some(_), _) => findings.push(error("basic", "excludes bearerTokenFile:; both are Authorization")),
        (Some(_), _, true) | (_, Some(_), true) => {
            findings.push(error("headers", "basic: or bearerTokenFile: already sets Authorization"));
        }
        _ => {}
    }
    if let Some(oauth2) = &credentials.oauth2 {
        if credentials.basic.is_some() || credentials.bearer_token_file.is_some() || header {
            findings
                .push(error("oauth2", "excludes basic:, bearerTokenFile: and a header Authorization, which it sends"));
        }
        if !oauth2.is_https() {
            findings.push(warning("oauth2", "the client's secret crosses the network unencrypted over http://"));
        }
    }
    if credentials.headers.iter().any(|(name, value)| is_secret(name) && !value.is_file()) {
        findings.push(warning(
            "headers",
            "a credential does not belong in the configuration; put it in a file and write {file: PATH}",
        ));
    }
    if matches!(credentials.server_name, Some(CertificateName::Spiffe(_))) && credentials.ca_file.is_none() {
        findings.push(error("serverName", "a SPIFFE ID needs caFile: with the authorities of its trust domain"));
    }
    if !source.is_https() {
        for (key, set) in [
            ("caFile", credentials.ca_file.is_some()),
            ("certFile", credentials.cert_file.is_some()),
            ("keyFile", credentials.key_file.is_some()),
            ("serverName", credentials.server_name.is_some()),
        ] {
            if set {
                findings.push(error(key, "needs a URL with https://"));
            }
        }
    }
    if !credentials.secret() {
        return;
    }
    let open = source.uses(Placeholder::Name) || source.uses(Placeholder::Namespace) || source.is_of_any_pods();
    let listed = matches!(&source.namespaces, Namespaces::Only(names) if !names.is_empty());
    if open && !listed {
        let message = "pods and URLs with placeholders get credentials only if namespaces: lists each namespace; \
                       otherwise anyone who can name an object or run a pod could collect them";
        findings.push(error("namespaces", message));
    }
    if !source.is_https() {
        let key = match source.target {
            Target::Url(_) => "url",
            Target::Pods(_) => "pods",
            Target::Prometheus(_) => "prometheus",
        };
        findings.push(warning(key, "credentials cross the network unencrypted over http://"));
    }
}
