//! One exchange: a request, the head of its response, and its body as it streams in.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::http::header;
use ureq::{Agent, RequestBuilder};

use super::address::Reserved;
use super::agent;
pub(crate) use super::agent::Options;
use super::credentials::{Credentials, Current, Secrets};
use super::error::{FetchError, Phase};
use super::kept::{KeptConnections, Peer};
use super::progress;
use super::resolve::Resolver;
pub(crate) use super::response::Response;
use super::token::{Token, TokenSource};
use crate::config::limits::Limits;

/// Makes exchanges with the same credentials.
pub(crate) struct Client {
    options: Options,
    secrets: Secrets,
    limits: Limits,
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
    authenticated: Mutex<Option<Authenticated>>,
    /// The source of OAuth 2 tokens, if they are sent.
    tokens: Option<Box<dyn TokenSource>>,
    /// The pool of kept connections, and this client's number in it.
    kept: Option<(Arc<KeptConnections>, u64)>,
    /// The maximum size in bytes of a request's head without its credentials.
    head: usize,
}

/// An agent, and the credentials that it was made with.
#[derive(Clone)]
struct Authenticated {
    agent: Agent,
    credentials: Arc<Current>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The URL, `http` or `https`. Its fragment, which is not sent, identifies the process at its address.
    pub url: &'a str,
    /// The Accept header.
    pub accept: &'a str,
    /// A GET without a body, or a POST or PATCH with one.
    pub body: RequestBody<'a>,
    /// The longest time until the end of the response.
    pub timeout: Duration,
}

impl Request<'_> {
    /// The same request with the remaining time.
    fn until(&self, deadline: Instant) -> Self {
        Self { timeout: deadline.saturating_duration_since(Instant::now()), ..*self }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestBody<'a> {
    /// No body: a GET.
    None,
    /// `application/x-www-form-urlencoded`
    Form(&'a [(&'a str, String)]),
    /// A POST with a body of this media type.
    Bytes(&'a str, &'a [u8]),
    /// A PATCH of this media type.
    Patch(&'a str, &'a [u8]),
}

impl Client {
    /// Creates a client, without connecting.
    pub(crate) fn new(
        options: Options,
        credentials: Credentials,
        limits: &Limits,
        resolver: Arc<Resolver>,
        reserved: Arc<Reserved>,
    ) -> Self {
        let (secrets, limits) = (Secrets::new(credentials, limits), limits.clone());
        let (authenticated, head) = (Mutex::new(None), limits.fetch.request_head);
        Self { options, secrets, limits, resolver, reserved, authenticated, tokens: None, kept: None, head }
    }

    /// A client with smaller buffers, for requests without long URLs and tokens.
    pub(crate) fn with_short_heads(self) -> Self {
        Self { head: self.limits.fetch.short_request_head, ..self }
    }

    /// Adds a source of tokens.
    pub(crate) fn with_tokens(self, tokens: impl TokenSource + 'static) -> Self {
        Self { tokens: Some(Box::new(tokens)), ..self }
    }

    /// Keeps connections to each process that a URL's fragment identifies.
    pub(crate) fn keeping(self, kept: Arc<KeptConnections>) -> Self {
        let number = kept.client();
        Self { kept: Some((kept, number)), ..self }
    }

    /// Sends a request and passes the response to `read`, which reads the body to its end or fails.
    ///
    /// # Errors
    /// The error of `read`, or the cause and phase of a failed transfer.
    pub(crate) fn exchange<T, E: From<FetchError>>(
        &self,
        request: &Request<'_>,
        read: impl FnOnce(&mut Response) -> Result<T, E>,
    ) -> Result<T, E> {
        let Authenticated { agent, credentials } = self.authenticated()?;
        let (url, process) = request.url.split_once('#').unwrap_or((request.url, ""));
        let uri = with_query(url, &credentials.query);
        let uri: Uri = uri.parse().map_err(|_| FetchError::Url("not one that can be fetched"))?;
        uri.host().ok_or(FetchError::Url("without a host"))?;
        let peer = self.peer(&uri, process, request.body);
        let deadline = Instant::now() + request.timeout;
        let mut response = match self.token(deadline)? {
            None => self.send(&agent, &uri, request, &credentials, None, peer)?,
            Some(token) => {
                let response = self.send(&agent, &uri, &request.until(deadline), &credentials, Some(&token), peer)?;
                match response.status() == 401 && self.tokens.as_ref().is_some_and(|tokens| tokens.reject(&token)) {
                    false => response,
                    true => {
                        drop(response);
                        let token = self.token(deadline)?;
                        self.send(&agent, &uri, &request.until(deadline), &credentials, token.as_ref(), peer)?
                    }
                }
            }
        };
        let read = read(&mut response);
        // The error contains the bytes that were left on the connection.
        let failure = response.body.end();
        match failure.filter(|_| !response.is_prefix) {
            Some(failure) => Err(failure.into()),
            None if read.is_ok() && !self.options.keep_alive && progress::excess() => Err(FetchError::Excess.into()),
            None => read,
        }
    }

    /// The process that a request addresses, if connections to it are kept. Only requests without a body use them, because
    /// any other request could take effect twice if it were sent again.
    fn peer(&self, uri: &Uri, process: &str, body: RequestBody<'_>) -> Option<Peer> {
        let (kept, number) = self.kept.as_ref()?;
        let is_direct = uri.scheme_str() == Some("http") && self.options.proxy.is_none();
        let may_be_kept = is_direct && !process.is_empty() && matches!(body, RequestBody::None);
        may_be_kept.then(|| kept.peer(*number, process))
    }

    /// The current token, if one is sent.
    fn token(&self, deadline: Instant) -> Result<Option<Token>, FetchError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let token = self.tokens.as_ref().map(|tokens| tokens.token(left)).transpose()?;
        match token.is_some() && Instant::now() >= deadline {
            true => Err(FetchError::Timeout(Phase::Token)),
            false => Ok(token),
        }
    }

    /// Sends a request and receives the head of its response.
    fn send(
        &self,
        agent: &Agent,
        uri: &Uri,
        request: &Request<'_>,
        credentials: &Current,
        token: Option<&Token>,
        peer: Option<Peer>,
    ) -> Result<Response, FetchError> {
        progress::begin(peer);
        let closes = !self.options.keep_alive && peer.is_none();
        let secret = credentials.form.iter().map(|(name, value)| (name.as_str(), value));
        let response = match request.body {
            RequestBody::None => {
                let deadline = Instant::now() + request.timeout;
                match self.headed(agent.get(uri), request, credentials, token, closes).call() {
                    Err(error) if Instant::now() < deadline && progress::begin_again(&error) => {
                        self.headed(agent.get(uri), &request.until(deadline), credentials, token, closes).call()
                    }
                    response => response,
                }
            }
            RequestBody::Form(form) => self
                .headed(agent.post(uri), request, credentials, token, closes)
                .send_form(form.iter().map(|(name, value)| (*name, value)).chain(secret)),
            // Without a media type, no Content-Type is sent.
            RequestBody::Bytes("", bytes) => {
                self.headed(agent.post(uri), request, credentials, token, closes).send(bytes)
            }
            RequestBody::Bytes(media_type, bytes) => {
                self.headed(agent.post(uri), request, credentials, token, closes).content_type(media_type).send(bytes)
            }
            RequestBody::Patch(media_type, bytes) => {
                self.headed(agent.patch(uri), request, credentials, token, closes).content_type(media_type).send(bytes)
            }
        };
        let response = Response::new(response.map_err(progress::failure)?, self.options.gzip);
        progress::head_received();
        Ok(response)
    }

    fn headed<B>(
        &self,
        builder: RequestBuilder<B>,
        request: &Request<'_>,
        credentials: &Current,
        token: Option<&Token>,
        closes: bool,
    ) -> RequestBuilder<B> {
        let mut builder = builder
            .config()
            .timeout_global(Some(request.timeout))
            .build()
            .header(header::ACCEPT_ENCODING, if self.options.gzip { "gzip" } else { "identity" });
        if !credentials.headers.iter().any(|(name, _)| name == header::ACCEPT) {
            builder = builder.header(header::ACCEPT, request.accept);
        }
        if closes {
            builder = builder.header(header::CONNECTION, "close");
        }
        for (name, value) in &credentials.headers {
            builder = builder.header(name, value);
        }
        if let Some(token) = token {
            builder = builder.header(header::AUTHORIZATION, &token.value);
        }
        builder
    }

    /// The agent for the current credentials.
    fn authenticated(&self) -> Result<Authenticated, FetchError> {
        let credentials = self.secrets.current()?;
        let mut authenticated = self.authenticated.lock().unwrap_or_else(PoisonError::into_inner);
        match &*authenticated {
            Some(known) if Arc::ptr_eq(&known.credentials, &credentials) => Ok(known.clone()),
            _ => {
                let (resolver, reserved) = (self.resolver.clone(), self.reserved.clone());
                let tls = credentials.tls.clone();
                let head = self.head + credentials.length();
                let kept = self.kept.as_ref().map(|(kept, _)| kept.clone());
                let agent = agent::new(&self.options, tls, &self.limits, head, resolver, reserved, kept);
                Ok(authenticated.insert(Authenticated { agent, credentials }).clone())
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Adds parameters to the query of a URL.
pub(crate) fn with_query<'a>(url: &'a str, more: &str) -> Cow<'a, str> {
    let between = match url.split_once('?') {
        _ if more.is_empty() => return url.into(),
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{url}{between}{more}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_to_queries() {
        for (url, more, expected) in [
            ("http://a/", "", "http://a/"),
            ("http://a/", "k=v", "http://a/?k=v"),
            ("http://a/?", "k=v", "http://a/?k=v"),
            ("http://a/?x", "k=v", "http://a/?x&k=v"),
        ] {
            assert_eq!(with_query(url, more), expected);
        }
    }
}
