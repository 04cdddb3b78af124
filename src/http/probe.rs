//! Requests the health of a server on this machine, for probes in an image without other programs.

use std::time::Duration;

use std::sync::Arc;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::Connector;

use super::tcp::Tcp;
use super::tls::{self, Tls};
use super::unverified::Unverified;

/// Less than the kubelet's own timeout, so that the message says more than "timed out".
const TIMEOUT: Duration = Duration::from_millis(900);

/// The maximum number of bytes of a response that are read.
const ANSWER: u64 = 4_096;

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProbeError {
    /// The URL does not refer to this machine; the expected form.
    Url(&'static str),
    /// No server responds in time.
    Unavailable(String),
}

/// GETs a URL on this machine; returns status and body. The certificate is not verified, as no other machine can answer.
///
/// # Errors
/// If the URL is not on this machine, or no server answers in time.
pub(crate) fn get(url: &str) -> Result<(u16, String), ProbeError> {
    let uri: Uri = url.parse().map_err(|_| ProbeError::Url("a URL such as https://127.0.0.1:10250/readyz"))?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let address = if host == "localhost" { "127.0.0.1" } else { host };
    if !address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return Err(ProbeError::Url("the URL of a server on this machine: on 127.0.0.1, [::1] or localhost"));
    }
    let unavailable = |error: &dyn std::fmt::Display| ProbeError::Unavailable(error.to_string());
    let builder = tls::builder(Arc::new(Unverified)).map_err(|error| unavailable(&error))?;
    let tls = Tls::new(builder.with_no_client_auth(), None);
    let config = Config::builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build();
    let agent = Agent::with_parts(config, ().chain(Tcp { kept: None }).chain(tls), DefaultResolver::default());
    let response = agent.get(uri).call().map_err(|error| unavailable(&error))?;
    let code = response.status().as_u16();
    let body = response.into_body().with_config().limit(ANSWER).read_to_string().unwrap_or_default();
    Ok((code, body))
}
