//! The story of one GET or POST.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::http::header::{self, HeaderMap};
use ureq::http::{Response, Uri};
use ureq::{Agent, RequestBuilder};

use super::address::{Reach, Reserved};
use super::agent::{self, Options};
use super::credentials::{Current, Secrets};
use super::error::{FetchError, SourceError};
use super::resolve::Resolver;
use crate::config::limits::Limits;
use crate::config::model::Source;

/// Fetches pages of one source.
pub struct Fetcher {
    options: Options,
    server_name: Option<String>,
    secrets: Secrets,
    limits: Limits,
    resolver: Arc<Resolver>,
    reserved: Arc<Reserved>,
    agent: Mutex<Option<Authenticated>>,
}

/// An agent, and the credentials that it was made with.
#[derive(Clone)]
struct Authenticated {
    agent: Agent,
    credentials: Arc<Current>,
}

/// What of a response's head matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The Content-Type without its parameters, in lower case: `text/plain`.
    pub content_type: Option<String>,
    /// The status of an answer to a POST, unless it is 200: its body may say why.
    pub refused: Option<u16>,
}

impl Fetcher {
    /// For one source.
    pub fn new(source: &Source, limits: &Limits, resolver: Arc<Resolver>, reserved: Arc<Reserved>) -> Self {
        let reach = match (source.is_open(), source.danger_allow_loopback) {
            (false, _) => Reach::Anywhere,
            (true, false) => Reach::Others,
            (true, true) => Reach::OthersAndLoopback,
        };
        Self {
            options: Options { reach, tls: source.is_https() },
            server_name: source.credentials.server_name.clone(),
            secrets: Secrets::new(source.credentials.clone(), limits),
            limits: limits.clone(),
            resolver,
            reserved,
            agent: Mutex::new(None),
        }
    }

    /// Gets `url` within `time` and hands head and body to `read`, which reads the body to its end or fails.
    ///
    /// # Errors
    /// What `read` says, unless the transfer is to blame: then what broke it, and in which phase.
    pub fn get<T>(
        &self,
        url: &str,
        accept: &str,
        time: Duration,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.exchange(url, accept, None, time, read)
    }

    /// Posts a form to `url`, likewise; `read` gets the body of a refusal too.
    ///
    /// # Errors
    /// As for [`Fetcher::get`].
    pub fn post<T>(
        &self,
        url: &str,
        accept: &str,
        form: &[(&str, String)],
        time: Duration,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.exchange(url, accept, Some(form), time, read)
    }

    fn exchange<T>(
        &self,
        url: &str,
        accept: &str,
        form: Option<&[(&str, String)]>,
        time: Duration,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let Authenticated { agent, credentials } = self.ready()?;
        let uri: Uri = url.parse().map_err(|_| FetchError::Url("not one that can be fetched"))?;
        let host = uri.host().ok_or(FetchError::Url("without a host"))?;
        agent::begin(host.trim_start_matches('[').trim_end_matches(']'));
        let to = self.asked_for(&uri)?;
        let response = match form {
            None => self.headed(agent.get(to), &uri, accept, time, &credentials).call(),
            Some(form) => self
                .headed(agent.post(to), &uri, accept, time, &credentials)
                .send_form(form.iter().map(|(name, value)| (name, value))),
        };
        let response = response.map_err(agent::failure)?;
        agent::head_received();
        let head = check(&response, form.is_some())?;
        let mut body = Body { reader: response.into_body().into_reader(), failure: None };
        let read = read(&head, &mut body);
        // Closes the connection, which tells what was left on it.
        let Body { reader, failure } = body;
        drop(reader);
        match failure {
            Some(failure) => Err(failure.into()),
            None if read.is_ok() && agent::excess() => Err(FetchError::Excess.into()),
            None => read,
        }
    }

    fn headed<B>(
        &self,
        request: RequestBuilder<B>,
        uri: &Uri,
        accept: &str,
        time: Duration,
        credentials: &Current,
    ) -> RequestBuilder<B> {
        let mut request = request
            .config()
            .timeout_global(Some(time))
            .build()
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close");
        if let Some(authority) = uri.authority().filter(|_| self.server_name.is_some()) {
            request = request.header(header::HOST, authority.as_str());
        }
        for (name, value) in &credentials.headers {
            request = request.header(name, value);
        }
        request
    }

    /// The agent for the credentials as they are now.
    fn ready(&self) -> Result<Authenticated, FetchError> {
        let credentials = self.secrets.current()?;
        let mut ready = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ready {
            Some(ready) if Arc::ptr_eq(&ready.credentials, &credentials) => Ok(ready.clone()),
            _ => {
                let (resolver, reserved) = (self.resolver.clone(), self.reserved.clone());
                let agent = agent::new(&self.options, credentials.tls.clone(), &self.limits, resolver, reserved);
                Ok(ready.insert(Authenticated { agent, credentials }).clone())
            }
        }
    }

    /// The URL with the name that TLS is to ask for; where to connect, the resolver knows.
    fn asked_for(&self, uri: &Uri) -> Result<Uri, FetchError> {
        let Some(name) = &self.server_name else { return Ok(uri.clone()) };
        let impossible = |_| FetchError::Url("without room for serverName");
        let mut parts = uri.clone().into_parts();
        let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
        let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        parts.authority =
            Some(format!("{name}{port}").parse().map_err(|_| FetchError::Url("without room for serverName"))?);
        Uri::from_parts(parts).map_err(impossible)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Refuses what is no page, or a page whose end nobody could tell.
fn check<T>(response: &Response<T>, posted: bool) -> Result<Head, FetchError> {
    let headers = response.headers();
    let mut refused = None;
    match response.status().as_u16() {
        200 => {}
        status @ (300..=303 | 305..=399) => return Err(FetchError::Redirect(status)),
        status @ 400..=599 if posted => refused = Some(status),
        status => return Err(FetchError::Status(status)),
    }
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(FetchError::Encoded);
    }
    framed(headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    Ok(Head { content_type: essence.filter(|essence| !essence.is_empty()), refused })
}

/// RFC 9112 §6.1: no coding was offered, so chunks are all there may be. §6.3: a length given twice, or beside a transfer
/// coding, cannot be trusted.
fn framed(headers: &HeaderMap) -> Result<(), FetchError> {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(FetchError::Framing("expected no transfer-encoding but chunked"));
    }
    match (lengths, codings.iter().count()) {
        (0 | 1, 0) | (0, 1) => Ok(()),
        (_, 0) => Err(FetchError::Framing("duplicate Content-Length")),
        (0, _) => Err(FetchError::Framing("duplicate Transfer-Encoding")),
        _ => Err(FetchError::Framing("both Content-Length and Transfer-Encoding")),
    }
}

/// A body that remembers how it broke.
struct Body<R> {
    reader: R,
    failure: Option<FetchError>,
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            self.failure = Some(agent::failure(error.into()));
            io::ErrorKind::Other.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, headers: &[(&str, &str)]) -> Result<Head, FetchError> {
        let builder =
            headers.iter().fold(Response::builder().status(status), |b, (name, value)| b.header(*name, *value));
        check(&builder.body(()).unwrap(), false)
    }

    #[test]
    fn checks_heads() {
        let page = |essence: &str| Ok(Head { content_type: Some(essence.to_owned()), refused: None });
        for (status, headers, expected) in [
            (200, &[][..], Ok(Head::default())),
            (200, &[("content-type", "Text/Plain; version=0.0.4")], page("text/plain")),
            (200, &[("content-type", " ; x")], Ok(Head::default())),
            (200, &[("content-length", "5")], Ok(Head::default())),
            (200, &[("transfer-encoding", "chunked")], Ok(Head::default())),
            (
                200,
                &[("transfer-encoding", "gzip, chunked")],
                Err(FetchError::Framing("expected no transfer-encoding but chunked")),
            ),
            (200, &[("content-encoding", "Identity")], Ok(Head::default())),
            (200, &[("content-encoding", "gzip")], Err(FetchError::Encoded)),
            (
                200,
                &[("content-length", "5"), ("transfer-encoding", "chunked")],
                Err(FetchError::Framing("both Content-Length and Transfer-Encoding")),
            ),
            (
                200,
                &[("content-length", "5"), ("content-length", "5")],
                Err(FetchError::Framing("duplicate Content-Length")),
            ),
            (204, &[], Err(FetchError::Status(204))),
            (302, &[("location", "http://elsewhere/")], Err(FetchError::Redirect(302))),
            (304, &[], Err(FetchError::Status(304))),
            (500, &[], Err(FetchError::Status(500))),
        ] {
            assert_eq!(head(status, headers), expected, "{status} {headers:?}");
        }
    }
}
