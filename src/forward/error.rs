//! Why another adapter has no answer.

use std::fmt;

use crate::http::error::FetchError;

/// Why another adapter has no answer. `Display` follows its name, and is suitable for a `Status.message`: no bytes from the
/// other side, except what it says of Metriclet's own rights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardError {
    /// A request is needed, and the caller does not wait.
    WouldWait,
    /// Another caller's request for the same takes longer than this caller waits.
    Busy,
    /// A bug in Metriclet ended the request.
    Bug,
    /// It has failed twice in a row, and is not asked for a moment, as a rule has a value, too.
    Away,
    /// It is Metriclet itself.
    Own,
    /// The exchange failed.
    Fetch(FetchError),
    /// 401: it does not accept Metriclet's credentials.
    Unauthorized,
    /// 403: Metriclet lacks rights; with its message, which is empty if it has none.
    Forbidden(String),
    /// Another status, without a body that says why.
    Code(u16),
    /// An answer that makes no sense; in words, with foreign text, escaped.
    Answer(String),
    /// More metrics than this.
    TooMany(usize),
}

impl ForwardError {
    /// Without what the other side says.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Forbidden(_) => Self::Forbidden(String::new()).to_string(),
            error => error.to_string(),
        }
    }

    /// Details for the log: foreign bytes, escaped and cut.
    pub(crate) fn detail(&self) -> String {
        let detail = match self {
            Self::Fetch(error) => error.detail(),
            Self::Answer(detail) => Some(detail.as_str()),
            _ => None,
        };
        detail.map_or_else(|| self.to_string(), |detail| format!("{self} ({detail})"))
    }

    /// Whether the adapter is away or accepts no request, rather than having no answer to this one.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Own | Self::Fetch(_) | Self::Unauthorized | Self::Code(502..=504))
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldWait => f.write_str("not asked yet"),
            Self::Busy => f.write_str("timeout: waiting for a request for the same"),
            Self::Bug => f.write_str("internal error during the request"),
            Self::Away => f.write_str("not asked for a moment, as it has failed twice in a row"),
            Self::Own => {
                f.write_str("not asked, as it is Metriclet's own Service; forward: needs that of another adapter")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::Unauthorized => {
                f.write_str("answered 401: it does not accept the token of Metriclet's service account")
            }
            Self::Forbidden(message) => {
                f.write_str("answered 403: Metriclet's service account lacks rights, which metriclet rbac prints")?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::Code(code) => write!(f, "answered {code} without a Status"),
            Self::Answer(_) => f.write_str("answered something that is no list of this API, and no Status"),
            Self::TooMany(max) => write!(f, "lists more than {max} metrics"),
        }
    }
}

impl std::error::Error for ForwardError {}

impl From<FetchError> for ForwardError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}
