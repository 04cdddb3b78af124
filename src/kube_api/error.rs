//! Why a call to the Kubernetes API failed.

use std::fmt;

use crate::http::error::{Fault, FetchError};

/// A failed call. `Display` is suitable for a `Status.message`: it contains no bytes of the response.
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
    /// The exchange failed.
    Exchange(FetchError),
    /// There are no credentials; with the reason.
    Login(String),
    /// The deadline passed before the call.
    Timeout,
    /// A status code other than 200 and 201, and the start of the body.
    Code(u16, String),
    /// The response has another form; with a description.
    Answer(String),
    /// There are more objects than the limit; with a description.
    TooMany(String),
}

impl CallError {
    /// The details for the log, with untrusted bytes escaped and truncated. They may differ between failures.
    pub fn detail(&self) -> String {
        let detail = match &self.failure {
            CallFailure::Exchange(FetchError::Credential(error)) => Some(error.to_string()),
            CallFailure::Exchange(error @ FetchError::Timeout(_)) => Some(error.to_string()),
            CallFailure::Exchange(error) => error.detail().map(str::to_owned),
            CallFailure::Code(_, detail) | CallFailure::Answer(detail) => Some(detail.clone()),
            CallFailure::Login(_) | CallFailure::Timeout | CallFailure::TooMany(_) => None,
        };
        match detail.filter(|detail| !detail.is_empty()) {
            Some(detail) => format!("{self} ({detail})"),
            None => self.to_string(),
        }
    }

    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self.failure, CallFailure::Timeout | CallFailure::Exchange(FetchError::Timeout(_)))
    }

    /// Whether the API server's state is earlier than the requested version.
    pub fn is_version_too_large(&self) -> bool {
        matches!(&self.failure, CallFailure::Code(504, detail) if detail.contains("Too large resource version"))
    }

    /// Whether the objects exceed the limit on their number or on their bytes.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self.failure, CallFailure::TooMany(_) | CallFailure::Exchange(FetchError::BodyTooLarge(_)))
    }

    /// Whether a retry would fail in the same way.
    pub(super) fn is_final(&self) -> bool {
        match &self.failure {
            CallFailure::Exchange(FetchError::LookupsBusy) => false,
            CallFailure::Exchange(error) => !matches!(error.fault(), Fault::Network | Fault::Slow),
            CallFailure::Code(429, _) | CallFailure::Timeout => false,
            CallFailure::Code(code, _) => *code < 500,
            CallFailure::Login(_) | CallFailure::Answer(_) | CallFailure::TooMany(_) => true,
        }
    }
}

impl From<FetchError> for CallFailure {
    fn from(error: FetchError) -> Self {
        Self::Exchange(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, to, failure } = self;
        write!(f, "{call} to {to}: ")?;
        match failure {
            CallFailure::Exchange(FetchError::Credential(_)) => f.write_str("Metriclet's credentials cannot be used"),
            // The same text whether this caller or another one made the call.
            CallFailure::Exchange(FetchError::Timeout(_)) | CallFailure::Timeout => f.write_str("timeout"),
            CallFailure::Exchange(error) => error.fmt(f),
            CallFailure::Code(401, _) => f.write_str("answered 401: Metriclet's credentials were rejected"),
            CallFailure::Code(403, _) => f.write_str("answered 403: Metriclet's service account lacks the permission"),
            CallFailure::Code(code, _) => write!(f, "answered {code}"),
            CallFailure::Login(why) | CallFailure::TooMany(why) => f.write_str(why),
            CallFailure::Answer(_) => f.write_str("answered something unexpected"),
        }
    }
}

impl std::error::Error for CallError {}
