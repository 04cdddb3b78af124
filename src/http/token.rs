//! The interface of a source of tokens.

use std::time::{Duration, Instant};

use ureq::http::HeaderValue;

use super::error::FetchError;

/// Fetches tokens, and caches them until they expire.
pub(crate) trait TokenSource: Send + Sync {
    /// The current token, fetched within `time` if there is none.
    ///
    /// # Errors
    /// If there is no token.
    fn token(&self, time: Duration) -> Result<Token, FetchError>;

    /// Reports that a server rejected this token. Returns whether another one is worth a try.
    fn reject(&self, token: &Token) -> bool;
}

/// A token as it is sent.
#[derive(Clone)]
pub(crate) struct Token {
    /// The whole value of `Authorization`, marked as sensitive.
    pub(super) value: HeaderValue,
    /// When it was fetched.
    pub(super) fetched: Instant,
}
