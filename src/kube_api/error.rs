//! Why the Kubernetes API gave no answer: which call, to where, and what came back.

use std::fmt;

/// A call that failed. `Display` is fit for a `Status.message`: no bytes from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// `TokenReview`
    pub call: &'static str,
    /// `https://10.0.0.1:443`
    pub to: String,
    /// What came of it.
    pub what: What,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A file with our own credentials cannot be used.
    Credentials(String),
    /// Nobody accepted a connection, or nobody by that name.
    Connect(String),
    /// TLS failed; mostly another authority than the one we were given.
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
        match &self.what {
            What::Credentials(detail)
            | What::Connect(detail)
            | What::Tls(detail)
            | What::Closed(detail)
            | What::Code(_, detail)
            | What::Answer(detail)
                if !detail.is_empty() =>
            {
                format!("{self} ({detail})")
            }
            _ => self.to_string(),
        }
    }

    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.what == What::Timeout
    }

    /// Whether it would be the same at once again.
    pub(super) fn is_final(&self) -> bool {
        match self.what {
            What::Code(429, _) => false,
            What::Code(code, _) => code < 500,
            What::Credentials(_) | What::Tls(_) | What::Answer(_) | What::TooMany(_) => true,
            What::Connect(_) | What::Closed(_) | What::Timeout => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, to, what } = self;
        write!(f, "{call} to {to}: ")?;
        match what {
            What::Credentials(_) => f.write_str("Metriclet's credentials cannot be used"),
            What::Connect(_) => f.write_str("no connection"),
            What::Tls(_) => f.write_str("tls failed"),
            What::Timeout => f.write_str("timeout"),
            What::Closed(_) => f.write_str("the connection broke"),
            What::Code(401, _) => f.write_str("answered 401: Metriclet's credentials were rejected"),
            What::Code(403, _) => f.write_str("answered 403: Metriclet's service account lacks the permission"),
            What::Code(code, _) => write!(f, "answered {code}"),
            What::TooMany(why) => f.write_str(why),
            What::Answer(_) => f.write_str("answered something unexpected"),
        }
    }
}

impl std::error::Error for CallError {}
