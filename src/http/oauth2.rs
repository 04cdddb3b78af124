//! OAuth 2 tokens by the client credentials grant (RFC 6749 §4.4).

use std::fmt;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::HeaderValue;

use super::client::{Client, Request, RequestBody, Response};
use super::error::{FetchError, Phase, TokenError};
use super::token::{Token, TokenSource};
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::limits::{Limits, OAuth2Limits};

/// Fetches tokens from one server; concurrent callers share one token request.
pub(crate) struct OAuth2 {
    /// The client that authenticates to the server.
    client: Client,
    url: String,
    /// The form, without the secret.
    form: Vec<(&'static str, String)>,
    limits: OAuth2Limits,
    cache: Cache<Result<Token, FetchError>>,
    /// Tokens that were fetched before this time are no longer used.
    rejected: Mutex<Option<Instant>>,
}

/// A response (RFC 6749 §5.1, §5.2).
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
    /// Seconds; some servers write a string.
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    error: Option<String>,
}

impl OAuth2 {
    /// Creates the source of tokens from this URL, without fetching one.
    pub(crate) fn new(client: Client, url: String, form: Vec<(&'static str, String)>, limits: &Limits) -> Self {
        let limits = limits.oauth2.clone();
        Self { client, url, form, limits, cache: Cache::new(1, 1), rejected: Mutex::default() }
    }

    fn load(&self, time: Duration) -> Loaded<Result<Token, FetchError>> {
        let longest = time.min(self.limits.timeout);
        let value = self.fetch(longest);
        let now = Instant::now();
        let (value, ttl) = match value {
            Ok((token, lifetime)) => (Ok(token), lifetime),
            Err(error) => (Err(error), self.limits.failure_ttl),
        };
        // A timeout due to the caller's own deadline is not shared: it is not a failure of the server.
        let cut_by_caller = longest < self.limits.timeout && value.as_ref().is_err_and(is_timeout);
        Loaded { value, until: now + ttl, cost: 1, shared: !cut_by_caller }
    }

    fn fetch(&self, time: Duration) -> Result<(Token, Duration), FetchError> {
        let request =
            Request { url: &self.url, accept: "application/json", body: RequestBody::Form(&self.form), timeout: time };
        let answer = self.client.exchange(&request, |response: &mut Response| {
            let status = response.status();
            let mut body = Vec::new();
            let read = response.body()?.take(self.limits.answer).read_to_end(&mut body);
            // The exchange reports how it failed.
            read.map_err(|_| FetchError::Closed(Phase::Body))?;
            parse(status, &body, &self.limits).map_err(FetchError::from)
        });
        answer.map_err(|error| match error {
            FetchError::Timeout(_) => FetchError::Timeout(Phase::Token),
            FetchError::Token(error) => FetchError::Token(error),
            other => TokenError::Fetch(other).into(),
        })
    }
}

impl TokenSource for OAuth2 {
    fn token(&self, time: Duration) -> Result<Token, FetchError> {
        let now = Instant::now();
        let rejected = *self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let covers = |outcome: &Result<Token, FetchError>| {
            outcome.as_ref().map_or(true, |token| rejected.is_none_or(|rejected| token.fetched > rejected))
        };
        match self.cache.get(&Key::of("token"), now, Wait::Until(now + time), covers, || self.load(time)) {
            Outcome::Value(outcome) => (*outcome).clone(),
            Outcome::WouldWait | Outcome::TimedOut => Err(FetchError::Timeout(Phase::Token)),
            Outcome::Panicked => Err(TokenError::Answer("the fetch ended early").into()),
        }
    }

    fn reject(&self, token: &Token) -> bool {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *rejected {
            // Another caller has rejected it; there may be a new one.
            Some(until) if token.fetched <= *until => true,
            // A server that rejects every token must not cause a token request each time.
            Some(until) if until.elapsed() < self.limits.distrust => false,
            rejected => {
                *rejected = Some(Instant::now());
                true
            }
        }
    }
}

fn is_timeout(error: &FetchError) -> bool {
    matches!(error, FetchError::Timeout(_))
}

fn parse(status: u16, body: &[u8], limits: &OAuth2Limits) -> Result<(Token, Duration), TokenError> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    if let Some(code) = answer.as_ref().and_then(|answer| answer.error.as_deref()) {
        return Err(TokenError::refused(code));
    }
    if status != 200 {
        return Err(TokenError::Fetch(FetchError::Status(status)));
    }
    let answer = answer.ok_or(TokenError::Answer("answered something that is not a token in JSON"))?;
    if answer.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::Answer("answered a token that is not of the type Bearer"));
    }
    let token = answer.access_token.filter(|token| !token.is_empty());
    let token = token.ok_or(TokenError::Answer("answered no access_token"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| TokenError::Answer("answered a token that no header can hold"))?;
    value.set_sensitive(true);
    let seconds = match &answer.expires_in {
        Some(serde_json::Value::Number(number)) => number.as_f64(),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(limits.lifetime);
    let lifetime = lifetime.min(limits.max_lifetime);
    // The token must not expire on its way to the server.
    let lifetime = lifetime.saturating_sub(limits.margin.min(lifetime / 4));
    Ok((Token { value, fetched: Instant::now() }, lifetime))
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(status: u16, body: &str) -> Result<(String, u64), String> {
        let parsed = parse(status, body.as_bytes(), &OAuth2Limits::default());
        let shown =
            |(token, lifetime): (Token, Duration)| (token.value.to_str().unwrap().to_owned(), lifetime.as_secs());
        parsed.map(shown).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_tokens() {
        let token = |lifetime| Ok(("Bearer t".to_owned(), lifetime));
        for (body, expected) in [
            (r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#, token(3_570)),
            (r#"{"access_token":"t","expires_in":"60"}"#, token(45)),
            (r#"{"access_token":"t","expires_in":0}"#, token(0)),
            (r#"{"access_token":"t","expires_in":-1}"#, token(270)),
            (r#"{"access_token":"t","expires_in":1e99}"#, token(270)),
            (r#"{"access_token":"t"}"#, token(270)),
            (r#"{"access_token":"t","expires_in":99999999}"#, token(86_370)),
            (r#"{"access_token":"t","token_type":"mac"}"#, Err("a token that is not of the type Bearer")),
            (r#"{"access_token":"t\n"}"#, Err("a token that no header can hold")),
            (r#"{"access_token":""}"#, Err("no access_token")),
            ("<html>", Err("something that is not a token in JSON")),
        ] {
            let expected = expected.map_err(|why| format!("oauth2: the token endpoint answered {why}"));
            assert_eq!(parsed(200, body), expected, "{body}");
        }
    }

    #[test]
    fn shows_codes_of_errors_only() {
        for (status, body, expected) in [
            (
                400,
                r#"{"error":"invalid_client","error_description":"s3cret"}"#,
                "oauth2: the token endpoint answered invalid_client",
            ),
            (200, r#"{"error":"invalid_scope"}"#, "oauth2: the token endpoint answered invalid_scope"),
            (401, r#"{"error":"s3cret"}"#, "oauth2: the token endpoint answered another error than RFC 6749 lists"),
            (503, "busy", "oauth2: the token endpoint answered 503"),
        ] {
            assert_eq!(parsed(status, body), Err(expected.to_owned()));
        }
    }
}
