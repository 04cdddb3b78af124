//! Sends requests over HTTP with the credentials of each identity.

use std::collections::HashMap;
use std::sync::Arc;

use super::exchange::{Identity, Request, Response};
use super::limits;
use super::session::Server;
use crate::config::limits::Limits;
use crate::http::address::AllowedAddresses;
use crate::http::client::Options;
use crate::http::credentials::{Credentials, SecretSource};
use crate::http::raw::{RawClient, RawRequest};
use crate::http::resolve::Resolver;
use crate::kube_api::target::Target;

/// An invalid token.
const WRONG: &str = "metriclet-conformance";

/// Opens a connection for each request.
pub(crate) struct Connection {
    server: String,
    clients: HashMap<Identity, RawClient>,
}

impl Connection {
    /// Creates a client without connecting. `tokens` are those of additional identities.
    pub(crate) fn new(target: &Target, tokens: &[(Identity, SecretSource)], limits: &Limits) -> Self {
        let resolver = Arc::new(Resolver::new(limits));
        let tls = target.server.starts_with("https://");
        let options = Options { reach: AllowedAddresses::Anywhere, tls, keep_alive: false, gzip: false, proxy: None };
        let client = |credentials| RawClient::new(options.clone(), credentials, limits, resolver.clone());
        // The trusted certificates are the same for all identities.
        let with = |bearer| Credentials {
            bearer,
            authorities: target.credentials.authorities.clone(),
            server_name: target.credentials.server_name.clone(),
            insecure: target.credentials.insecure,
            ..Credentials::default()
        };
        let wrong = SecretSource::Inline("token", WRONG.as_bytes().to_vec());
        let mut clients = HashMap::from([
            (Identity::Given, client(target.credentials.clone())),
            (Identity::Unauthenticated, client(with(None))),
            (Identity::WrongToken, client(with(Some(wrong)))),
        ]);
        clients.extend(tokens.iter().map(|(identity, token)| (*identity, client(with(Some(token.clone()))))));
        Self { server: target.server.clone(), clients }
    }
}

impl Server for Connection {
    fn send(&mut self, request: &Request) -> Result<Response, String> {
        let client = self.clients.get(&request.identity).ok_or("there are no credentials for this identity")?;
        let url = format!("{}{}", self.server, request.target);
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let raw = RawRequest {
            method: request.method,
            url: &url,
            headers: &headers,
            timeout: limits::ANSWER,
            most: limits::BODY,
        };
        let response = client.send(&raw).map_err(|error| match error.detail() {
            Some(detail) => format!("{error} ({detail})"),
            None => error.to_string(),
        })?;
        Ok(Response { status: response.status, headers: response.headers, body: response.body })
    }
}
