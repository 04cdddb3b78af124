//! Why another adapter has no answer.

use std::fmt;

use crate::http::error::FetchError;

/// Why another adapter has no answer. `Display` follows its name, and is suitable for a `Status.message`: it contains no
/// bytes from the adapter, except its message about Metriclet's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardError {
    /// A request is needed, and the caller does not wait.
    WouldWait,
    /// Another caller's identical request takes longer than this caller waits.
    Busy,
    /// A bug in Metriclet ended the request.
    Bug,
    /// It has failed twice in a row, and is skipped for some time, because a rule can serve the metric.
    Away,
    /// It is Metriclet itself.
    Own,
    /// The exchange failed.
    Fetch(FetchError),
    /// 401: it does not accept Metriclet's credentials.
    Unauthorized,
    /// 403: Metriclet lacks rights; with the adapter's message, which may be empty.
    Forbidden(String),
    /// Another status code, without a Status in the body.
    Code(u16),
    /// An invalid answer; the reason may contain foreign text, escaped.
    Answer(String),
    /// It lists more metrics than this.
    TooMany(usize),
}

impl ForwardError {
    /// The message without text from the adapter.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Forbidden(_) => Self::Forbidden(String::new()).to_string(),
            error => error.to_string(),
        }
    }

    /// The message with details for the log; foreign bytes are escaped and cut.
    pub(crate) fn detail(&self) -> String {
        let detail = match self {
            Self::Fetch(error) => error.detail(),
            Self::Answer(detail) => Some(detail.as_str()),
            _ => None,
        };
        detail.map_or_else(|| self.to_string(), |detail| format!("{self} ({detail})"))
    }

    /// Whether the adapter cannot answer any request, rather than only this one.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Own | Self::Fetch(_) | Self::Unauthorized | Self::Code(502..=504))
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldWait => f.write_str("not asked yet"),
            Self::Busy => f.write_str("timeout: waiting for an identical request"),
            Self::Bug => f.write_str("internal error during the request"),
            Self::Away => f.write_str("skipped for a while after two failures in a row"),
            Self::Own => f.write_str(
                "not requested, because it is Metriclet's own Service; forward: needs that of another adapter",
            ),
            Self::Fetch(error) => error.fmt(f),
            Self::Unauthorized => {
                f.write_str("answered 401: it does not accept the token of Metriclet's service account")
            }
            Self::Forbidden(message) => {
                f.write_str("answered 403: Metriclet's service account lacks rights, which metriclet rbac prints")?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::Code(code) => write!(f, "answered {code} without a Status"),
            Self::Answer(_) => f.write_str("answered neither with a list of this API nor with a Status"),
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
