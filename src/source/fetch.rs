//! Fetches pages and query results of one source.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::SourceError;
use super::page_request::PageRequest;
use crate::config::limits::Limits;
use crate::config::model::{self, Basic, ClientAuth, ClientCredentials, Compression, Method, Setting, Source};
use crate::http::address::{AllowedAddresses, Reserved};
use crate::http::client::{Client, Options, Request, RequestBody, Response, with_query};
use crate::http::credentials::{Credentials, SecretSource};
use crate::http::error::FetchError;
use crate::http::kept::KeptConnections;
use crate::http::oauth2::OAuth2;
use crate::http::resolve::Resolver;
use crate::parse::percent::Encoded;

/// Fetches pages and query results of one source.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Client,
    /// The method of queries.
    method: Method,
    /// The Content-Type of a page request's body.
    media_type: String,
}

/// The parts of a response's head that sources use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The Content-Type without its parameters, in lower case: `text/plain`.
    pub content_type: Option<String>,
    /// The status of an error whose body may contain the reason.
    pub refused: Option<u16>,
    /// Whether a body that was read to its end is known to be complete.
    pub delimited: bool,
    /// The length of the body, if it is known beforehand.
    pub length: Option<u64>,
    /// The value of the Age header: how long caches have kept the response.
    pub age: Option<Duration>,
    /// When the response was created.
    pub date: Option<SystemTime>,
}

impl Head {
    /// The age of the response when it was received (RFC 9111 §4.2.3). Its date counts only beyond `skew`, because the
    /// clocks of two machines differ.
    pub(crate) fn age_at(&self, unix_millis: i64, skew: Duration) -> Duration {
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_millis).unwrap_or(0));
        let apparent = self.date.and_then(|date| now.duration_since(date).ok()).filter(|age| *age > skew);
        apparent.unwrap_or_default().max(self.age.unwrap_or_default())
    }
}

impl Fetcher {
    /// Creates the fetcher of one source.
    pub(crate) fn new(
        source: &Source,
        limits: &Limits,
        resolver: Arc<Resolver>,
        reserved: Arc<Reserved>,
        kept: &Arc<KeptConnections>,
    ) -> Self {
        let reach = match (source.is_open(), source.danger_allow_loopback) {
            (false, _) => AllowedAddresses::Anywhere,
            (true, false) => AllowedAddresses::Others,
            (true, true) => AllowedAddresses::OthersAndLoopback,
        };
        let gzip = source.compression == Some(Compression::Gzip);
        let options = Options { reach, tls: source.is_https(), keep_alive: false, gzip, proxy: source.proxy.clone() };
        let tokens = source.credentials.oauth2.as_ref().map(|oauth2| tokens(oauth2, source, limits, &resolver));
        let mut client = Client::new(options, credentials(&source.credentials), limits, resolver, reserved);
        match tokens {
            Some(tokens) => client = client.with_tokens(tokens),
            None if source.is_of_pods() => client = client.with_short_heads(),
            None => {}
        }
        // Pods are many and are sampled every few seconds, so their connections are kept.
        if source.is_of_pods() {
            client = client.keeping(kept.clone());
        }
        let media_type = source.body.as_ref().map(|body| body.media_type().to_owned()).unwrap_or_default();
        Self { client, method: source.method, media_type }
    }

    /// Requests a page within `timeout` and passes head and body to `read`, which reads the body to its end or fails.
    ///
    /// # Errors
    /// The error of `read`, or the cause and phase of a failed transfer.
    pub(crate) fn page<T>(
        &self,
        page: &PageRequest,
        accept: &str,
        timeout: Duration,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let body = match &page.body {
            None => RequestBody::None,
            Some(body) => RequestBody::Bytes(&self.media_type, body.as_bytes()),
        };
        self.exchange(&Request { url: &page.url, accept, body, timeout }, false, read)
    }

    /// Sends a query like [`Fetcher::page`], by the source's method; `read` also gets the body of an error response.
    ///
    /// # Errors
    /// As for [`Fetcher::page`].
    pub(crate) fn query<T>(
        &self,
        url: &str,
        form: &[(&str, String)],
        timeout: Duration,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let accept = "application/json";
        if self.method == Method::Post {
            return self.exchange(&Request { url, accept, body: RequestBody::Form(form), timeout }, true, read);
        }
        let pair = |(name, value): &(&str, String)| format!("{name}={}", Encoded::unreserved(value));
        let pairs: Vec<String> = form.iter().map(pair).collect();
        let url = &with_query(url, &pairs.join("&"));
        self.exchange(&Request { url, accept, body: RequestBody::None, timeout }, true, read)
    }

    fn exchange<T>(
        &self,
        request: &Request<'_>,
        reads_refusals: bool,
        read: impl FnOnce(&Head, &mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.client.exchange(request, |response: &mut Response| {
            let refused = refused(response.status(), response.location(), reads_refusals)?;
            let content_type = response.content_type().map(str::to_owned);
            let (delimited, length) = (response.is_delimited(), response.length());
            let (age, date) = (response.age(), response.date());
            let head = Head { content_type, refused, delimited, length, age, date };
            read(&head, response.body()?)
        })
    }
}

/// The status of an error response whose body is needed; `None` for 200.
fn refused(status: u16, location: Option<&str>, reads_refusals: bool) -> Result<Option<u16>, FetchError> {
    match status {
        200 => Ok(None),
        300..=303 | 305..=399 => Err(FetchError::redirect(status, location)),
        400..=599 if reads_refusals => Ok(Some(status)),
        _ => Err(FetchError::Status(status)),
    }
}

/// The source of tokens, through the same proxy. Its URL comes from the configuration, so its address is not
/// restricted.
fn tokens(of: &ClientCredentials, source: &Source, limits: &Limits, resolver: &Arc<Resolver>) -> OAuth2 {
    let options = Options {
        reach: AllowedAddresses::Anywhere,
        tls: of.is_https(),
        keep_alive: false,
        gzip: false,
        proxy: source.proxy.clone(),
    };
    let secret = SecretSource::File(of.client_secret_file.clone());
    let authorities = of.ca_file.clone().map(SecretSource::File);
    let mut form = vec![("grant_type", "client_credentials".to_owned())];
    form.extend(Some(("scope", of.scopes.clone())).filter(|_| !of.scopes.is_empty()));
    form.extend(of.audience.clone().map(|audience| ("audience", audience)));
    let credentials = match of.client_auth {
        ClientAuth::Basic => Credentials {
            basic: Some((of.client_id.clone(), secret)),
            encodes_basic: true,
            authorities,
            ..Credentials::default()
        },
        ClientAuth::Body => {
            form.push(("client_id", of.client_id.clone()));
            Credentials { form: vec![("client_secret".to_owned(), secret)], authorities, ..Credentials::default() }
        }
    };
    let client = Client::new(options, credentials, limits, resolver.clone(), Arc::default());
    OAuth2::new(client, of.token_url.clone(), form, limits)
}

fn credentials(of: &model::Credentials) -> Credentials {
    let file = |path: &std::path::PathBuf| SecretSource::File(path.clone());
    let setting = |key, (name, value): &(String, Setting)| {
        let value = match value {
            Setting::Text(text) => SecretSource::Inline(key, text.clone().into_bytes()),
            Setting::File(path) => file(path),
        };
        (name.clone(), value)
    };
    let pair = of.cert_file.as_ref().zip(of.key_file.as_ref());
    Credentials {
        bearer: of.bearer_token_file.as_ref().map(file),
        basic: of.basic.as_ref().map(|Basic { username, password_file }| (username.clone(), file(password_file))),
        headers: of.headers.iter().map(|named| setting("headers", named)).collect(),
        query: of.query.iter().map(|named| setting("query", named)).collect(),
        authorities: of.ca_file.as_ref().map(file),
        certificate: pair.map(|(certificate, key)| (file(certificate), file(key))),
        server_name: of.server_name.clone(),
        ..Credentials::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_age_of_a_response() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (age, date, expected) in [
            (None, None, 0),
            (Some(90), None, 90),
            (None, Some(at(970)), 0),
            (None, Some(at(969)), 31),
            (Some(5), Some(at(900)), 100),
            (Some(200), Some(at(900)), 200),
            (None, Some(at(2_000)), 0),
        ] {
            let head = Head { age: age.map(Duration::from_secs), date, ..Head::default() };
            assert_eq!(head.age_at(1_000_000, Duration::from_secs(30)).as_secs(), expected, "{head:?}");
        }
    }

    #[test]
    fn judges_statuses() {
        let at = Some("/metrics/?token=t");
        for (status, page, query) in [
            (200, Ok(None), Ok(None)),
            (204, Err(FetchError::Status(204)), Err(FetchError::Status(204))),
            (302, Err(FetchError::redirect(302, at)), Err(FetchError::redirect(302, at))),
            (304, Err(FetchError::Status(304)), Err(FetchError::Status(304))),
            (500, Err(FetchError::Status(500)), Ok(Some(500))),
        ] {
            assert_eq!((refused(status, at, false), refused(status, at, true)), (page, query), "{status}");
        }
    }
}
