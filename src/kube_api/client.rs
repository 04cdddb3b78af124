//! Calls to the Kubernetes API, over connections that stay open, within the caller's time.

use std::fmt;
use std::io::{self, Read};
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{HeaderValue, Uri, header};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::error::{CallError, CallFailure};
use super::target::{Material, Target};
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::config::watch::Stamp;
use crate::kube::review::{self, SubjectAccessReviewSpec, SubjectAccessReviewStatus, TokenReviewStatus};
use crate::parse::pem;
use crate::telemetry::counters::{Calls, Counters};

/// The first pause before a call is tried again; each one after it is twice as long.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What is asked for, mostly.
const JSON: &str = "application/json";

/// The most bytes of what the other side said that a log line shows.
const SAID: usize = 200;

/// Makes calls.
pub struct Client {
    target: Target,
    limits: Limits,
    counters: Arc<Counters>,
    ready: Mutex<Option<(Vec<Option<Stamp>>, Ready)>>,
}

/// An agent with the credentials as the files had them.
#[derive(Clone)]
struct Ready {
    agent: Agent,
    authorization: Option<HeaderValue>,
}

/// One call.
struct Call<'a> {
    name: &'static str,
    path: &'a str,
    accept: &'a str,
    /// POSTed, if there is one.
    body: Option<&'a [u8]>,
    /// The most bytes of an answer, and the most time for one.
    most: u64,
    longest: Duration,
    counted: Option<&'a Calls>,
}

impl Client {
    /// For this API server; calls nobody yet.
    pub fn new(target: Target, limits: &Limits, counters: Arc<Counters>) -> Self {
        Self { target, limits: limits.clone(), counters, ready: Mutex::new(None) }
    }

    /// Where it is.
    pub fn server(&self) -> &str {
        &self.target.server
    }

    /// Asks whose token this is.
    ///
    /// # Errors
    /// If there is no answer by the deadline.
    pub fn token_review(&self, token: &str, deadline: Instant) -> Result<TokenReviewStatus, CallError> {
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let body = review::token_review(token);
        let counted = Some(&self.counters.token_reviews);
        self.status(&self.post("TokenReview", path, &body, counted), deadline)
    }

    /// Asks whether somebody may do something.
    ///
    /// # Errors
    /// If there is no answer by the deadline.
    pub fn access_review(
        &self,
        question: &SubjectAccessReviewSpec,
        deadline: Instant,
    ) -> Result<SubjectAccessReviewStatus, CallError> {
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let body = review::access_review(question);
        let counted = Some(&self.counters.access_reviews);
        self.status(&self.post("SubjectAccessReview", path, &body, counted), deadline)
    }

    /// A call that somebody else makes takes longer than we wait.
    pub fn too_slow(&self, call: &'static str) -> CallError {
        self.error(call, CallFailure::Timeout)
    }

    /// The answer to a GET.
    pub(super) fn get(&self, name: &'static str, path: &str, deadline: Instant) -> Result<Vec<u8>, CallError> {
        let (most, longest) = (self.limits.page.json as u64, self.limits.review.timeout);
        let call = Call { name, path, accept: JSON, body: None, most, longest, counted: None };
        self.call(&call, deadline, &|body: &mut dyn Read| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
        })
    }

    /// What `read` makes of the list that answers a GET; it is called again for each try.
    pub(super) fn list<T>(
        &self,
        path: &str,
        accept: &str,
        deadline: Instant,
        read: impl Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let (most, longest) = (self.limits.objects.bytes, self.limits.objects.timeout);
        let call = Call { name: "list", path, accept, body: None, most, longest, counted: None };
        self.call(&call, deadline, &read)
    }

    fn post<'a>(&self, name: &'static str, path: &'a str, body: &'a [u8], counted: Option<&'a Calls>) -> Call<'a> {
        let (most, longest) = (self.limits.page.json as u64, self.limits.review.timeout);
        Call { name, path, accept: JSON, body: Some(body), most, longest, counted }
    }

    /// An answer that is not what was asked for.
    pub(super) fn unexpected(&self, name: &'static str, why: &impl ToString) -> CallError {
        self.error(name, CallFailure::Answer(said(&why.to_string())))
    }

    fn status<T: for<'de> Deserialize<'de>>(&self, call: &Call<'_>, deadline: Instant) -> Result<T, CallError> {
        self.call(call, deadline, &|body: &mut dyn Read| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            review::status(&bytes, call.name).map_err(|error| error.to_string())
        })
    }

    /// Calls until there is an answer, for as long as there is time.
    fn call<T>(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        read: &impl Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let mut pause = BACK_OFF;
        let mut cause: Option<CallError> = None;
        loop {
            let error = match self.once(call, deadline, read) {
                Ok(answer) => return Ok(answer),
                // The last try has little time: its timeout says less than what failed before it.
                Err(error) if error.is_timeout() => cause.take().unwrap_or(error),
                Err(error) => error,
            };
            if error.is_final() || Instant::now() + pause >= deadline {
                return Err(error);
            }
            cause = Some(error);
            thread::sleep(pause);
            pause *= 2;
        }
    }

    fn once<T>(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        read: &impl Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.error(call.name, CallFailure::Timeout));
        }
        let timeout = left.min(call.longest);
        let outcome = self.send(call, timeout, read);
        if let Some(calls) = call.counted {
            calls.count(match &outcome {
                Ok(_) => Some(200),
                Err(CallFailure::Code(code, _)) => Some(*code),
                Err(_) => None,
            });
        }
        outcome.map_err(|failure| self.error(call.name, failure))
    }

    fn send<T>(
        &self,
        call: &Call<'_>,
        timeout: Duration,
        read: &impl Fn(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, CallFailure> {
        let Ready { agent, authorization } = self.ready().map_err(CallFailure::Credentials)?;
        let url = format!("{}{}", self.target.url(), call.path);
        let answer = match call.body {
            Some(body) => {
                let mut request = agent.post(&url).config().timeout_global(Some(timeout)).build();
                request = request.header(header::ACCEPT, call.accept).content_type("application/json");
                if let Some(authorization) = authorization {
                    request = request.header(header::AUTHORIZATION, authorization);
                }
                request.send(body)
            }
            None => {
                let mut request = agent.get(&url).config().timeout_global(Some(timeout)).build();
                request = request.header(header::ACCEPT, call.accept);
                if let Some(authorization) = authorization {
                    request = request.header(header::AUTHORIZATION, authorization);
                }
                request.call()
            }
        };
        let response = answer.map_err(|error| explain(&error))?;
        let code = response.status().as_u16();
        // One more than may be: what is as long as that passes.
        let mut body =
            Body { reader: response.into_body().into_with_config().limit(call.most + 1).reader(), broke: None };
        match code {
            200 | 201 => read(&mut body).map_err(|why| body.broke.unwrap_or_else(|| CallFailure::Answer(said(&why)))),
            _ => {
                let mut text = Vec::new();
                let _ = body.reader.take(SAID as u64).read_to_end(&mut text);
                Err(CallFailure::Code(code, said(&String::from_utf8_lossy(&text))))
            }
        }
    }

    /// The agent for the credentials as they are now.
    fn ready(&self) -> Result<Ready, String> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamps come first: a file that changes while it is read has another stamp next time.
        let stamps: Vec<_> = self.target.files().map(|path| Stamp::of(path).ok()).collect();
        if let Some((_, ready)) = ready.as_ref().filter(|(seen, _)| *seen == stamps) {
            return Ok(ready.clone());
        }
        let made = self.make()?;
        *ready = Some((stamps, made.clone()));
        Ok(made)
    }

    fn make(&self) -> Result<Ready, String> {
        let mut tls = TlsConfig::builder().disable_verification(self.target.insecure);
        if let Some(authorities) = &self.target.authorities {
            let authorities =
                certificates(&self.bytes(authorities, self.limits.config.certificates)?, "certificate authority")?;
            tls = tls.root_certs(RootCerts::new_with_certs(&authorities));
        }
        if let Some((certificate, key)) = &self.target.certificate {
            let chain = certificates(&self.bytes(certificate, self.limits.config.certificates)?, "client certificate")?;
            let pem = self.bytes(key, self.limits.config.secret)?;
            let key = PrivateKey::from_pem(&pem)
                .map_err(|_| "client key: holds no private key (PEM: PKCS#8, PKCS#1 or SEC1)")?;
            fits(&chain, &pem)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        let authorization = match &self.target.token {
            Some(token) => Some(bearer(&self.bytes(token, self.limits.config.secret)?)?),
            None => None,
        };
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(self.limits.fetch.connect_tls))
            .max_response_header_size(self.limits.fetch.response_head)
            .user_agent(concat!("metriclet/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build();
        let names = Names { host: self.target.address().0.to_owned() };
        let agent = Agent::with_parts(config, DefaultConnector::default(), names);
        Ok(Ready { agent, authorization })
    }

    fn bytes(&self, material: &Material, max: usize) -> Result<Vec<u8>, String> {
        match material {
            Material::Inline(bytes) => Ok(bytes.clone()),
            Material::File(path) => read(path, max).map_err(|why| format!("{}: {why}", path.display())),
        }
    }

    fn error(&self, call: &'static str, failure: CallFailure) -> CallError {
        CallError { call, to: self.target.server.clone(), failure }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("target", &self.target).finish_non_exhaustive()
    }
}

/// An answer's body. It remembers why it broke off, which whoever reads it takes for nonsense.
struct Body<R> {
    reader: R,
    broke: Option<CallFailure>,
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            self.broke = Some(inner.map_or_else(|| explain_io(error), explain));
        })
    }
}

/// Looks up names where they are asked for: ureq's own resolver would start a thread for each look-up, without bound. An
/// API server mostly has an address anyhow. Whatever name the certificate is for, it is this host that we connect to.
#[derive(Debug)]
struct Names {
    host: String,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = (self.host.as_str(), uri.port_u16().unwrap_or(443))
            .to_socket_addrs()
            .map_err(|_| ureq::Error::HostNotFound)?;
        let mut addresses: ResolvedSocketAddrs = ArrayVec::from_fn(|_| std::net::SocketAddr::from(([0, 0, 0, 0], 0)));
        // As many as there is room for.
        found.take(16).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<Certificate<'static>>, String> {
    let certificates = pem::certificates(pem).map_err(|why| format!("{what} {why}"))?;
    Ok(certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}

/// Whether key and certificate belong together: ureq would panic at the first handshake.
fn fits(chain: &[Certificate<'_>], key: &[u8]) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "client key: holds no private key")?;
    let chain = chain.iter().map(|certificate| certificate.der().to_vec().into()).collect();
    let pair = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider());
    pair.map(drop).map_err(|_| "client key: does not belong to the client certificate, or cannot be used".to_owned())
}

/// A header value that no library prints.
fn bearer(token: &[u8]) -> Result<HeaderValue, String> {
    let token = token.trim_ascii();
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
        .map_err(|_| "the token holds characters that no header may hold")?;
    value.set_sensitive(true);
    if token.is_empty() { Err("the token is empty".to_owned()) } else { Ok(value) }
}

fn explain(error: &ureq::Error) -> CallFailure {
    use ureq::Error;
    match error {
        Error::Timeout(_) => CallFailure::Timeout,
        Error::HostNotFound | Error::ConnectionFailed => CallFailure::Connect(error.to_string()),
        Error::Rustls(_) | Error::Tls(_) | Error::TlsRequired | Error::Pem(_) => {
            CallFailure::Tls(said(&error.to_string()))
        }
        Error::Io(io) => explain_io(io),
        Error::BodyExceedsLimit(limit) => CallFailure::Answer(format!("more than {limit} bytes")),
        other => CallFailure::Closed(said(&other.to_string())),
    }
}

fn explain_io(error: &io::Error) -> CallFailure {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => CallFailure::Timeout,
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable => CallFailure::Connect(error.to_string()),
        _ if error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some() => {
            CallFailure::Tls(said(&error.to_string()))
        }
        _ => CallFailure::Closed(said(&error.to_string())),
    }
}

/// What others said, escaped and cut.
fn said(text: &str) -> String {
    text.bytes().take(SAID).flat_map(std::ascii::escape_default).map(char::from).collect()
}
