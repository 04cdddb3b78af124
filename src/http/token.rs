//! Tokens that have to be fetched.

use std::time::{Duration, Instant};

use ureq::http::HeaderValue;

use super::error::FetchError;

/// Gets tokens, and knows them for as long as they last.
pub(crate) trait TokenSource: Send + Sync {
    /// The token of this moment, fetched within `time` if there is none.
    ///
    /// # Errors
    /// If there is no token.
    fn token(&self, time: Duration) -> Result<Token, FetchError>;

    /// A server did not take this token. Whether another one is worth a try.
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
