//! Why a fetch failed, and whose fault that is.

use std::fmt;
use std::io;

use super::credentials::CredentialError;
use super::page::BodyError;

/// The most bytes of a foreign text that a log line shows.
const SHOWN: usize = 256;

/// What a fetch is doing; a timeout and a lost connection name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the host's addresses; governed by `limits.resolve.timeout`.
    Resolve,
    /// Opening a TCP connection; governed by `limits.fetch.connect` or, for https, `limits.fetch.connect_tls`.
    Connect,
    /// Agreeing on TLS; what `limits.fetch.connect_tls` leaves after connecting.
    Handshake,
    /// Sending the request and waiting for the whole response head; governed by the source's `timeout`.
    Response,
    /// Receiving the body; what the source's `timeout` leaves.
    Body,
}

/// Whose fault a failed fetch is: where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Our configuration or its files.
    Us,
    /// The upstream answered, but not with a page.
    Peer,
    /// Names, routes and connections between the two.
    Network,
    /// Somebody took too long.
    Slow,
}

/// Why a source has no page to offer.
///
/// `Display` is fit for a `Status.message`, as that of [`FetchError`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// It takes a fetch to know, and the caller does not wait.
    WouldWait,
    /// Somebody else's fetch of the same page takes longer than the caller waits.
    Busy,
    /// One of many pages for which there was no time, after all that came before it.
    Unreached,
    /// A bug of ours ended the fetch.
    Bug,
    /// The fetch failed.
    Fetch(FetchError),
    /// The Content-Type is none that tells what the page is; what it is, if there is one.
    ContentType(Option<String>),
    /// The body is no page.
    Page {
        /// Our words for it.
        cause: String,
        /// With bytes from upstream, escaped.
        detail: String,
    },
}

/// A failed fetch.
///
/// `Display` is fit for a `Status.message`: phase and cause in words that stay the same while the failure does, without
/// bytes from upstream. What else is known, see [`FetchError::detail`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL is none that can be fetched: not http or https, without host, or with a user in it.
    Url(&'static str),
    /// A file with a credential could not be used.
    Credential(CredentialError),
    /// The host has no address, or the system's resolver failed.
    HostNotFound {
        /// What the resolver said.
        detail: String,
    },
    /// `limits.resolve.concurrent` other names were being looked up for all of the time there was.
    LookupsBusy,
    /// The host comes from a request or is a pod, and all its addresses are of this kind; see [`super::address`].
    Address(&'static str),
    /// Nobody accepted a connection.
    Connect(io::ErrorKind),
    /// TLS failed, in the handshake or later.
    Tls {
        /// Our words for it.
        cause: &'static str,
        /// The library's, with names from the certificate in it.
        detail: String,
    },
    /// The time for this phase is over.
    Timeout(Phase),
    /// The connection ended or broke in this phase.
    Closed(Phase),
    /// The response head is not HTTP/1.
    NotHttp {
        /// What the parser said.
        detail: String,
    },
    /// The response head is longer than `limits.fetch.response_head`, its value.
    HeadTooLarge(usize),
    /// 3xx.
    Redirect(u16),
    /// Any other status but 200.
    Status(u16),
    /// A Content-Encoding, though `identity` was asked for.
    Encoded,
    /// Content-Length, Transfer-Encoding or the chunks contradict HTTP/1.1 or each other.
    Framing(&'static str),
    /// The body breaks the rules of its transfer coding.
    BrokenBody {
        /// What the parser said.
        detail: String,
    },
    /// The body is longer than the cap that the caller gave, its value in bytes.
    BodyTooLarge(u64),
    /// Bytes came after the end of the body: its length is a lie, so the page may be cut short.
    Excess,
}

impl FetchError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Url(_) | Self::Credential(_) | Self::LookupsBusy | Self::Address(_) => Fault::Us,
            Self::HostNotFound { .. } | Self::Connect(_) | Self::Closed(_) => Fault::Network,
            Self::Timeout(_) => Fault::Slow,
            Self::Tls { .. }
            | Self::NotHttp { .. }
            | Self::HeadTooLarge(_)
            | Self::Redirect(_)
            | Self::Status(_)
            | Self::Encoded
            | Self::Framing(_)
            | Self::BrokenBody { .. }
            | Self::BodyTooLarge(_)
            | Self::Excess => Fault::Peer,
        }
    }

    /// Whether nobody was there to connect to.
    pub fn is_unconnected(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout(Phase::Connect))
    }

    /// What else is known, for the log: foreign bytes escaped and cut, but neither stable nor ours.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::HostNotFound { detail }
            | Self::Tls { detail, .. }
            | Self::NotHttp { detail }
            | Self::BrokenBody { detail } => Some(detail),
            _ => None,
        }
    }

    pub(super) fn host_not_found(said: &impl ToString) -> Self {
        Self::HostNotFound { detail: printable(said) }
    }

    pub(super) fn not_http(said: &impl ToString) -> Self {
        Self::NotHttp { detail: printable(said) }
    }

    pub(super) fn broken_body(said: &impl ToString) -> Self {
        Self::BrokenBody { detail: printable(said) }
    }

    pub(super) fn tls(error: &rustls::Error) -> Self {
        Self::Tls { cause: tls_cause(error), detail: printable(error) }
    }
}

impl SourceError {
    /// The phase in which time ran out.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self {
            Self::Fetch(FetchError::Timeout(phase)) => Some(*phase),
            _ => None,
        }
    }

    /// Whether nobody was there to connect to.
    pub fn is_unconnected(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_unconnected())
    }

    /// What else is known, for the log.
    pub fn detail(&self) -> String {
        let detail = match self {
            Self::Fetch(error) => error.detail(),
            Self::Page { detail, .. } => Some(detail.as_str()),
            _ => None,
        };
        detail.map_or_else(|| self.to_string(), |detail| format!("{self} ({detail})"))
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldWait => f.write_str("not fetched yet"),
            Self::Busy => f.write_str("timeout: waiting for a fetch of the same page"),
            Self::Unreached => f.write_str("timeout: waiting for a turn among the pages of other pods"),
            Self::Bug => f.write_str("internal error during the fetch"),
            Self::Fetch(error) => error.fmt(f),
            Self::ContentType(None) => f.write_str("answered without a content-type; set format: on the source"),
            Self::ContentType(Some(_)) => {
                f.write_str("answered with a content-type that is no metrics format; set format: on the source")
            }
            Self::Page { cause, .. } => f.write_str(cause),
        }
    }
}

impl std::error::Error for SourceError {}

impl From<FetchError> for SourceError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<BodyError> for SourceError {
    fn from(error: BodyError) -> Self {
        let page = |cause: String, detail: String| Self::Page { cause, detail };
        match error {
            BodyError::Io(_) => Self::Fetch(FetchError::Closed(Phase::Body)),
            BodyError::Text(error) => {
                page(format!("answered malformed text: {}", error.kind.cause()), error.to_string())
            }
            BodyError::Json(error) => page("answered malformed JSON".to_owned(), error.to_string()),
            BodyError::Number => page("answered something that is not a number".to_owned(), String::new()),
            BodyError::TooLarge(max) => Self::Fetch(FetchError::BodyTooLarge(max)),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Handshake => "tls handshake",
            Self::Response => "receive response",
            Self::Body => "receive body",
        })
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(why) => write!(f, "url: {why}"),
            Self::Credential(error) => error.fmt(f),
            Self::HostNotFound { .. } => f.write_str("resolve: host not found"),
            Self::LookupsBusy => f.write_str("resolve: too many look-ups at once"),
            Self::Address(kind) => {
                write!(f, "resolve: host has a {kind} address, not allowed for pod IPs or templated hosts")
            }
            Self::Connect(kind) => write!(f, "connect: {kind}"),
            Self::Tls { cause, .. } => write!(f, "tls: {cause}"),
            Self::Timeout(phase) => write!(f, "timeout: {phase}"),
            Self::Closed(Phase::Body) => f.write_str("closed the connection before the end of the body"),
            Self::Closed(Phase::Response) => f.write_str("closed the connection before the end of the response head"),
            Self::Closed(phase) => write!(f, "closed the connection: {phase}"),
            Self::NotHttp { .. } => f.write_str("answered something that is not HTTP/1"),
            Self::HeadTooLarge(cap) => write!(f, "answered a response head of more than {cap} bytes"),
            Self::Redirect(status) => write!(f, "answered {status}, and redirects are not followed"),
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Encoded => f.write_str("answered with a content-encoding that was not asked for"),
            Self::Framing(why) => write!(f, "answered an ambiguous body length: {why}"),
            Self::BrokenBody { .. } => f.write_str("answered a body with broken chunks"),
            Self::BodyTooLarge(cap) => write!(f, "answered a body of more than {cap} bytes"),
            Self::Excess => f.write_str("answered more bytes than the length it gave"),
        }
    }
}

impl std::error::Error for FetchError {}

impl From<CredentialError> for FetchError {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

/// Escapes and cuts what others said.
pub(super) fn printable(said: &impl ToString) -> String {
    said.to_string().bytes().take(SHOWN).flat_map(std::ascii::escape_default).map(char::from).collect()
}

fn tls_cause(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cert;
    use rustls::{AlertDescription as Alert, Error};

    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            Cert::UnknownIssuer => "certificate of the upstream is signed by an authority that is not trusted",
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
                "certificate of the upstream is for other names"
            }
            Cert::Expired | Cert::ExpiredContext { .. } => "certificate of the upstream has expired",
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => "certificate of the upstream is not valid yet",
            _ => "certificate of the upstream is not valid",
        },
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => "upstream wants a client certificate, or another one",
        Error::AlertReceived(_) => "upstream refused the handshake",
        Error::InvalidMessage(_) => "upstream does not speak tls",
        _ => "handshake failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_escapes_what_others_said() {
        let FetchError::NotHttp { detail } = FetchError::not_http(&format!("é\n{}", "x".repeat(1000))) else {
            panic!()
        };
        assert_eq!(detail, format!("\\xc3\\xa9\\n{}", "x".repeat(253)));
    }

    #[test]
    fn is_small() {
        assert!(size_of::<FetchError>() <= 64, "{}", size_of::<FetchError>());
    }
}
