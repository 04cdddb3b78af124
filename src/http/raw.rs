//! Exchanges whose requests contain only what the caller writes, and whose responses are returned as received, for
//! checks of a server.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{self, HeaderName, HeaderValue};
use ureq::http::{Method, Request as UreqRequest, Uri};

use super::agent::{self, Options};
use super::credentials::{Credentials, Secrets};
use super::error::FetchError;
use super::progress;
use super::resolve::Resolver;
use super::response::check_framing;
use crate::config::limits::Limits;

/// Sends requests with the same credentials, each on its own connection, so that responses cannot be confused.
pub(crate) struct RawClient {
    options: Options,
    secrets: Secrets,
    limits: Limits,
    resolver: Arc<Resolver>,
}

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRequest<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// The URL; its path and query are sent unchanged.
    pub url: &'a str,
    /// Header fields in addition to Host, Connection, credentials and the Content-Length of methods that imply a body.
    pub headers: &'a [(&'a str, &'a str)],
    /// The longest time until the end of the response.
    pub timeout: Duration,
    /// The maximum size of the response's body in bytes.
    pub most: u64,
}

/// A response as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawResponse {
    /// The status code (RFC 9110 §15).
    pub status: u16,
    /// Header fields, with names in lower case. Bytes of values that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, without chunked framing, but with any Content-Encoding.
    pub body: Vec<u8>,
}

impl RawClient {
    /// Creates a client, without connecting.
    pub(crate) fn new(options: Options, credentials: Credentials, limits: &Limits, resolver: Arc<Resolver>) -> Self {
        Self { options, secrets: Secrets::new(credentials, limits), limits: limits.clone(), resolver }
    }

    /// Sends a request and receives the response to its end.
    ///
    /// # Errors
    /// If the request is invalid, or the transfer fails.
    pub(crate) fn send(&self, request: &RawRequest<'_>) -> Result<RawResponse, FetchError> {
        let credentials = self.secrets.current()?;
        let (tls, head) = (credentials.tls.clone(), self.limits.fetch.request_head);
        let agent = agent::new(&self.options, tls, &self.limits, head, self.resolver.clone(), Arc::default(), None);
        let cannot = |_| FetchError::Url("not one that can be fetched");
        let uri: Uri = request.url.parse().map_err(cannot)?;
        uri.host().ok_or(FetchError::Url("without a host"))?;
        let method: Method = request.method.parse().map_err(|_| FetchError::Url("with an impossible method"))?;
        // These methods imply a body, so its length is sent.
        let promises = matches!(request.method, "POST" | "PUT" | "PATCH");
        let mut message = UreqRequest::builder().method(method).uri(uri).header(header::CONNECTION, "close");
        for (name, value) in &credentials.headers {
            message = message.header(name, value);
        }
        for (name, value) in request.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                message = message.header(name, value);
            }
        }
        let cannot = |_| FetchError::Url("not one that can be fetched");
        progress::begin(None);
        let response = match promises {
            true => {
                let message = message.body(&[][..]).map_err(cannot)?;
                let message = agent.configure_request(message).timeout_global(Some(request.timeout));
                agent.run(message.accept("").accept_encoding("").build())
            }
            false => {
                let message = message.body(()).map_err(cannot)?;
                let message = agent.configure_request(message).timeout_global(Some(request.timeout));
                agent.run(message.accept("").accept_encoding("").build())
            }
        };
        let response = response.map_err(progress::failure)?;
        progress::head_received();
        check_framing(response.headers())?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        // Reading one byte more than allowed detects a body that is too long.
        let mut reader = response.into_body().into_reader().take(request.most + 1);
        reader.read_to_end(&mut body).map_err(|error| progress::failure(error.into()))?;
        match (reader.limit(), body) {
            (0, _) => Err(FetchError::BodyTooLarge(request.most)),
            (_, body) => {
                drop(reader);
                if progress::excess() { Err(FetchError::Excess) } else { Ok(RawResponse { status, headers, body }) }
            }
        }
    }
}
