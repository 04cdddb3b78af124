//! Settings on a source that replace a TriggerAuthentication of KEDA.

use crate::parse::escape::Escaped;

/// The diagnostic about `authenticationRef`, and comments for the source.
pub(super) fn hint(name: &str, modes: &str) -> (String, Vec<String>) {
    let mut keys = Vec::new();
    for mode in modes.split(',').map(str::trim) {
        keys.extend_from_slice(match mode {
            "bearer" => &["bearerTokenFile: /etc/metriclet/token"][..],
            "basic" => &["basic: {username: NAME, passwordFile: /etc/metriclet/password}"],
            "tls" => &[
                "certFile: /etc/metriclet/tls.crt",
                "keyFile: /etc/metriclet/tls.key",
                "caFile: /etc/metriclet/ca.pem",
            ],
            "custom" => &["headers: {NAME: {file: /etc/metriclet/header}}"],
            "apiKey" => &["headers: {X-API-KEY: {file: /etc/metriclet/key}}"],
            "oauth" => &["oauth2: {tokenUrl: URL, clientId: ID, clientSecretFile: /etc/metriclet/client-secret}"],
            _ => &[],
        });
    }
    if keys.is_empty() {
        keys.push("bearerTokenFile: /etc/metriclet/token");
    }
    let message = format!(
        "authenticationRef: credentials are files here; mount the Secret of TriggerAuthentication {} and write on the source: {}",
        Escaped::new(name),
        keys.join(", ")
    );
    (message, keys.iter().map(|key| format!("# {key}")).collect())
}
