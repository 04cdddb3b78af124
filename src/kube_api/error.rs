//! Why the Kubernetes API gave no answer: which call, to where, and what came back.

use std::fmt;

/// A call that failed. `Display` is fit for a `Status.message`: no bytes from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// `TokenReview`
    pub call: &'static str,
    /// `https://10.0.0.1:443`
    pub to: String,
    /// Why it failed.
    pub failure: CallFailure,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallFailure {
    /// A file with our own credentials cannot be used.
    Credentials(String),
    /// The connection was refused, or the name has no address.
    Connect(String),
    /// TLS failed; mostly the certificate is signed by another authority than the configured one.
    Tls(String),
    /// No answer within the time there was.
    Timeout,
    /// The connection broke.
    Closed(String),
    /// Another code than 200 and 201, and what the other side said.
    Code(u16, String),
    /// An answer that is not what was asked for.
    Answer(String),
    /// More than is taken; in our words.
    TooMany(String),
}

impl CallError {
    /// What else is known, for the log: foreign bytes escaped, but neither stable nor ours.
    pub fn detail(&self) -> String {
        match &self.failure {
            CallFailure::Credentials(detail)
            | CallFailure::Connect(detail)
            | CallFailure::Tls(detail)
            | CallFailure::Closed(detail)
            | CallFailure::Code(_, detail)
            | CallFailure::Answer(detail)
                if !detail.is_empty() =>
            {
                format!("{self} ({detail})")
            }
            _ => self.to_string(),
        }
    }

    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.failure == CallFailure::Timeout
    }

    /// Whether it would be the same at once again.
    pub(super) fn is_final(&self) -> bool {
        match self.failure {
            CallFailure::Code(429, _) => false,
            CallFailure::Code(code, _) => code < 500,
            CallFailure::Credentials(_) | CallFailure::Tls(_) | CallFailure::Answer(_) | CallFailure::TooMany(_) => {
                true
            }
            CallFailure::Connect(_) | CallFailure::Closed(_) | CallFailure::Timeout => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, to, failure } = self;
        write!(f, "{call} to {to}: ")?;
        match failure {
            CallFailure::Credentials(_) => f.write_str("Metriclet's credentials cannot be used"),
            CallFailure::Connect(_) => f.write_str("no connection"),
            CallFailure::Tls(_) => f.write_str("tls failed"),
            CallFailure::Timeout => f.write_str("timeout"),
            CallFailure::Closed(_) => f.write_str("the connection broke"),
            CallFailure::Code(401, _) => f.write_str("answered 401: Metriclet's credentials were rejected"),
            CallFailure::Code(403, _) => f.write_str("answered 403: Metriclet's service account lacks the permission"),
            CallFailure::Code(code, _) => write!(f, "answered {code}"),
            CallFailure::TooMany(why) => f.write_str(why),
            CallFailure::Answer(_) => f.write_str("answered something unexpected"),
        }
    }
}

impl std::error::Error for CallError {}
