//! ConfigMap `kube-system/extension-apiserver-authentication`, in which kube-apiserver publishes for aggregated API
//! servers the authorities that it trusts, and the headers in which it names users.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use super::client::Client;
use super::error::{CallError, CallFailure};

const NAME: &str = "ConfigMap extension-apiserver-authentication";
const PATH: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/// The content of the ConfigMap; a missing key leaves its field empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// `client-ca-file`: PEM.
    pub client_ca: String,
    /// `requestheader-client-ca-file`: PEM.
    pub front_proxy_ca: String,
    /// `requestheader-allowed-names`
    pub allowed_names: Vec<String>,
    /// `requestheader-username-headers`
    pub username_headers: Vec<String>,
    /// `requestheader-uid-headers`
    pub uid_headers: Vec<String>,
    /// `requestheader-group-headers`
    pub group_headers: Vec<String>,
    /// `requestheader-extra-headers-prefix`
    pub extra_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct ConfigMap {
    kind: String,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Reads the ConfigMap; `None` if it does not exist.
///
/// # Errors
/// If there is no valid response by the deadline.
pub(crate) fn published(client: &Client, deadline: Instant) -> Result<Option<Published>, CallError> {
    let body = match client.get(NAME, PATH, deadline) {
        Ok(body) => body,
        Err(CallError { failure: CallFailure::Code(404, _), .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let map: ConfigMap = serde_json::from_slice(&body).map_err(|error| client.unexpected(NAME, &error))?;
    if map.kind != "ConfigMap" {
        return Err(client.unexpected(NAME, &format_args!("expected kind ConfigMap, found {}", map.kind)));
    }
    read(map.data).map(Some).map_err(|why| client.unexpected(NAME, &why))
}

fn read(mut data: BTreeMap<String, String>) -> Result<Published, String> {
    let list = |key: &str| match data.get(key) {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| format!("{key}: expected a list of texts, {error}")),
    };
    Ok(Published {
        allowed_names: list("requestheader-allowed-names")?,
        username_headers: list("requestheader-username-headers")?,
        uid_headers: list("requestheader-uid-headers")?,
        group_headers: list("requestheader-group-headers")?,
        extra_prefixes: list("requestheader-extra-headers-prefix")?,
        client_ca: data.remove("client-ca-file").unwrap_or_default(),
        front_proxy_ca: data.remove("requestheader-client-ca-file").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_published_config_map() {
        let data = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(read(BTreeMap::new()), Ok(Published::default()));
        let published = read(data(&[
            ("client-ca-file", "PEM"),
            ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
            ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
        ]));
        let expected = Published {
            client_ca: "PEM".to_owned(),
            allowed_names: vec!["front-proxy-client".to_owned()],
            extra_prefixes: vec!["X-Remote-Extra-".to_owned()],
            ..Published::default()
        };
        assert_eq!(published, Ok(expected));
        assert!(read(data(&[("requestheader-allowed-names", "front-proxy-client")])).is_err());
    }
}
