//! Why an exchange failed, in which phase, and where the cause is.

use std::fmt;
use std::io;

use ureq::http::Uri;

use super::credentials::CredentialError;
use super::refusal;
#[cfg(doc)]
use crate::config::limits::FetchLimits;
use crate::parse::escape::escaped;

/// The maximum number of characters of a server's text that a log line shows.
const SHOWN: usize = 256;

/// The phase of an exchange; a timeout and a lost connection name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the host's addresses; governed by `limits.resolve.timeout`.
    Resolve,
    /// Opening a TCP connection; governed by [`FetchLimits::connecting`].
    Connect,
    /// The TLS handshake, within the rest of the connect timeout.
    Handshake,
    /// Sending the request and waiting for the whole response head; governed by the request's timeout.
    Response,
    /// Fetching a token; governed by `limits.oauth2.timeout`.
    Token,
    /// Receiving the body, within the rest of the request's timeout.
    Body,
}

/// The side that caused a failure, where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Our configuration or its files.
    Local,
    /// The server's response: it violates HTTP, or is not the one that the caller needs.
    Peer,
    /// Names, routes and connections between the two.
    Network,
    /// A timeout.
    Slow,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The exchange with the authorization server failed.
    Fetch(FetchError),
    /// The authorization server returned an error; `code` is `None` if it is not a known one.
    Refused {
        code: Option<&'static str>,
        /// The code as received.
        detail: String,
    },
    /// The authorization server's response is not a valid token, for this reason.
    Answer(&'static str),
}

/// The codes of RFC 6749 §5.2, and of servers that extend it (§4.1.2.1; RFC 8707 §2).
const CODES: [&str; 9] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "server_error",
    "temporarily_unavailable",
];

impl TokenError {
    pub(super) fn refused(code: &str) -> Self {
        Self::Refused { code: CODES.into_iter().find(|known| *known == code), detail: printable(&code) }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Fetch(error) => error.fault(),
            Self::Refused { .. } | Self::Answer(_) => Fault::Peer,
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Fetch(error) => error.detail(),
            Self::Refused { code: None, detail } => Some(detail),
            Self::Refused { .. } | Self::Answer(_) => None,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(FetchError::Status(status)) => write!(f, "oauth2: the token endpoint answered {status}"),
            Self::Fetch(error) => write!(f, "oauth2: {error}"),
            Self::Refused { code: Some(code), .. } => write!(f, "oauth2: the token endpoint answered {code}"),
            Self::Refused { code: None, .. } => {
                f.write_str("oauth2: the token endpoint answered another error than RFC 6749 lists")
            }
            Self::Answer(what) => write!(f, "oauth2: the token endpoint {what}"),
        }
    }
}

impl From<TokenError> for FetchError {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

/// A failed exchange.
///
/// `Display` is suitable for a `Status.message`: phase and cause, in a text that does not change while the failure
/// lasts, without bytes from the server. [`FetchError::detail`] is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL cannot be fetched: it is not http or https, has no host, or contains a user.
    Url(&'static str),
    /// A file with a credential could not be used.
    Credential(CredentialError),
    /// The host has no address, or the system's resolver failed.
    HostNotFound {
        /// The resolver's message.
        detail: String,
    },
    /// `limits.resolve.concurrent` other lookups were in progress for the whole available time.
    LookupsBusy,
    /// The host comes from a request or is a pod, and all its addresses are of this kind, which must not be reached.
    Address(&'static str),
    /// The connection was refused, or no route leads to the address.
    Connect(io::ErrorKind),
    /// TLS failed, in the handshake or later.
    Tls {
        /// The cause.
        cause: &'static str,
        /// Details from the certificate, or the library's message; empty if the cause is sufficient.
        detail: String,
    },
    /// There is no token.
    Token(Box<TokenError>),
    /// The proxy refused to connect; its status.
    Proxy(u16),
    /// This phase timed out.
    Timeout(Phase),
    /// The connection ended or broke in this phase.
    Closed(Phase),
    /// The response head is not HTTP/1.
    NotHttp {
        /// The parser's message.
        detail: String,
    },
    /// The response head is longer than `limits.fetch.response_head`, which has this value.
    HeadTooLarge(usize),
    /// A redirect, which is not followed: 3xx.
    Redirect {
        /// The status.
        status: u16,
        /// The Location without user and query, which may hold secrets; `None` if there was none.
        detail: Option<String>,
    },
    /// Any other status except 200.
    Status(u16),
    /// A Content-Encoding that was not requested.
    Encoded,
    /// The Content-Encoding is gzip, but the body is not valid gzip.
    BrokenGzip {
        /// The decoder's message.
        detail: String,
    },
    /// Content-Length, Transfer-Encoding or the chunks contradict HTTP/1.1 or each other.
    Framing(&'static str),
    /// The body breaks the rules of its transfer coding.
    BrokenBody {
        /// The parser's message.
        detail: String,
    },
    /// The body is longer than the caller's limit, which is this number of bytes.
    BodyTooLarge(u64),
    /// Bytes followed the end of the body: its declared length is wrong, so the page may be incomplete.
    Excess,
}

impl FetchError {
    /// Where the cause is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Token(error) => error.fault(),
            Self::Url(_) | Self::Credential(_) | Self::LookupsBusy | Self::Address(_) => Fault::Local,
            Self::HostNotFound { .. } | Self::Connect(_) | Self::Closed(_) => Fault::Network,
            Self::Timeout(_) => Fault::Slow,
            Self::Tls { .. }
            | Self::Proxy(_)
            | Self::NotHttp { .. }
            | Self::HeadTooLarge(_)
            | Self::Redirect { .. }
            | Self::Status(_)
            | Self::Encoded
            | Self::BrokenGzip { .. }
            | Self::Framing(_)
            | Self::BrokenBody { .. }
            | Self::BodyTooLarge(_)
            | Self::Excess => Fault::Peer,
        }
    }

    /// Whether no connection was made.
    pub fn is_unconnected(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout(Phase::Connect))
    }

    /// Details for the log, with bytes from the server, escaped and truncated. They may change from one failure to the
    /// next.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Token(error) => error.detail(),
            Self::HostNotFound { detail }
            | Self::Tls { detail, .. }
            | Self::NotHttp { detail }
            | Self::BrokenGzip { detail }
            | Self::BrokenBody { detail }
            | Self::Redirect { detail: Some(detail), .. } => Some(detail.as_str()).filter(|detail| !detail.is_empty()),
            _ => None,
        }
    }

    pub(super) fn host_not_found(said: &impl ToString) -> Self {
        Self::HostNotFound { detail: printable(said) }
    }

    /// The error for a redirect; `location` is the value of its Location header (RFC 9110 §10.2.2).
    pub(crate) fn redirect(status: u16, location: Option<&str>) -> Self {
        let target = |uri: Uri| match (uri.scheme_str(), uri.host()) {
            (Some(scheme), Some(host)) => {
                let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("to {scheme}://{host}{port}{}", uri.path())
            }
            _ => format!("to {}", uri.path()),
        };
        let detail = location.and_then(|location| location.parse().ok()).map(|uri| printable(&target(uri)));
        Self::Redirect { status, detail }
    }

    pub(super) fn not_http(said: &impl ToString) -> Self {
        Self::NotHttp { detail: printable(said) }
    }

    pub(super) fn broken_body(said: &impl ToString) -> Self {
        Self::BrokenBody { detail: printable(said) }
    }

    pub(super) fn broken_gzip(said: &impl ToString) -> Self {
        Self::BrokenGzip { detail: printable(said) }
    }

    /// The server answered `http://` with TLS.
    pub(super) fn tls_expected(said: &impl ToString) -> Self {
        Self::Tls { cause: "the server speaks TLS, and the URL says http://", detail: printable(said) }
    }

    pub(super) fn tls(error: &rustls::Error) -> Self {
        let (cause, detail) = refusal::explain(error);
        Self::Tls { cause, detail: printable(&detail) }
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
            Self::Token => "oauth2 token",
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
            Self::Token(error) => error.fmt(f),
            Self::Proxy(status) => write!(f, "connect: the proxy answered {status}"),
            Self::Timeout(phase) => write!(f, "timeout: {phase}"),
            Self::Closed(Phase::Body) => f.write_str("closed the connection before the end of the body"),
            Self::Closed(Phase::Response) => f.write_str("closed the connection before the end of the response head"),
            Self::Closed(phase) => write!(f, "closed the connection: {phase}"),
            Self::NotHttp { .. } => f.write_str("answered something that is not HTTP/1"),
            Self::HeadTooLarge(cap) => write!(f, "answered a response head of more than {cap} bytes"),
            Self::Redirect { status, .. } => write!(f, "answered {status}, and redirects are not followed"),
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Encoded => f.write_str("answered with a content-encoding that was not requested"),
            Self::BrokenGzip { .. } => f.write_str("answered a body that is not valid gzip"),
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

/// Escapes and truncates a text from a server.
pub(crate) fn printable(said: &impl ToString) -> String {
    escaped(said.to_string().as_bytes(), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_and_escapes_untrusted_text() {
        let FetchError::NotHttp { detail } = FetchError::not_http(&format!("é\n{}", "x".repeat(1000))) else {
            panic!()
        };
        assert_eq!(detail, format!("é\\n{}", "x".repeat(254)));
    }

    #[test]
    fn redirects_show_no_secrets() {
        for (location, expected) in [
            (Some("/metrics/?token=t#f"), Some("to /metrics/")),
            (Some("http://user:password@web:8080/metrics/?token=t"), Some("to http://web:8080/metrics/")),
            (Some("https://web"), Some("to https://web/")),
            (Some("two words"), None),
            (None, None),
        ] {
            assert_eq!(FetchError::redirect(307, location).detail(), expected, "{location:?}");
        }
    }

    #[test]
    fn is_small() {
        assert!(size_of::<FetchError>() <= 64, "{}", size_of::<FetchError>());
    }
}
