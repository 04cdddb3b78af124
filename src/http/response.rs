//! The head of a response, and its body as it streams in.

use std::io::Read;
use std::time::{Duration, SystemTime};

use ureq::http::Response as UreqResponse;
use ureq::http::header::{self, HeaderMap, HeaderValue};

use super::body::ResponseBody;
use super::error::FetchError;

/// A response whose head has been received.
pub(crate) struct Response {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    delimited: bool,
    length: Option<u64>,
    age: Option<Duration>,
    date: Option<SystemTime>,
    /// Whether only the start of the body is needed, even if the transfer is interrupted.
    pub(super) is_prefix: bool,
    /// Why the length of the body is ambiguous, or its coding is not supported.
    unreadable: Option<FetchError>,
    pub(super) body: ResponseBody,
}

impl Response {
    pub(super) fn new(response: UreqResponse<ureq::Body>, may_be_gzip: bool) -> Self {
        let headers = response.headers();
        let content_type = media_type(headers);
        let coding = coding(headers, may_be_gzip).and_then(|coding| check_framing(headers).map(|()| coding));
        let (is_gzip, unreadable) = coding.map_or_else(|error| (false, Some(error)), |is_gzip| (is_gzip, None));
        let has = |name| headers.contains_key(name);
        let delimited = has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let location = text(header::LOCATION).map(str::to_owned);
        let age = text(header::AGE).and_then(seconds);
        let length = text(header::CONTENT_LENGTH).filter(|_| !is_gzip).and_then(|value| value.parse().ok());
        let date = text(header::DATE).and_then(|value| httpdate::parse_http_date(value).ok());
        let status = response.status().as_u16();
        let body = ResponseBody::new(response.into_body().into_reader(), is_gzip);
        Self { status, content_type, location, delimited, length, age, date, is_prefix: false, unreadable, body }
    }

    /// The status code (RFC 9110 §15).
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The Content-Type without its parameters, in lower case: `text/plain`.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Where a redirect points to, as it was sent.
    pub(crate) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The length of the body, if it is known beforehand.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// How long caches have kept the response (RFC 9111 §5.1).
    pub(crate) fn age(&self) -> Option<Duration> {
        self.age
    }

    /// When the response was created, by its origin's clock (RFC 9110 §6.6.1).
    pub(crate) fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// Whether Content-Length or chunks mark the end of the body, so that a body read to its end is complete (RFC 9112
    /// §6.3).
    pub(crate) fn is_delimited(&self) -> bool {
        self.delimited
    }

    /// The body.
    ///
    /// # Errors
    /// If its end is ambiguous, or if it is encoded.
    pub(crate) fn body(&mut self) -> Result<&mut dyn Read, FetchError> {
        match &self.unreadable {
            Some(error) => Err(error.clone()),
            None => Ok(&mut self.body),
        }
    }

    /// At most `max` bytes from the start of an error's body, or fewer if the transfer fails: the status matters, not
    /// the body.
    pub(crate) fn prefix(&mut self, max: u64) -> Vec<u8> {
        self.is_prefix = true;
        let mut bytes = Vec::new();
        if self.unreadable.is_none() {
            let _ = (&mut self.body).take(max).read_to_end(&mut bytes);
        }
        bytes
    }
}

/// Parses the value of an Age header: takes the first member of a list, and clamps a number that is too large (RFC 9111
/// §1.2.2, §5.1).
fn seconds(value: &str) -> Option<Duration> {
    let first = value.split(',').next()?.trim();
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(first.parse().unwrap_or(u64::MAX)))
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(media_type).filter(|media_type| !media_type.is_empty())
}

fn is(value: &HeaderValue, coding: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(coding.as_bytes())
}

/// Whether gzip is the only coding of the body (RFC 9110 §8.4).
fn coding(headers: &HeaderMap, may_be_gzip: bool) -> Result<bool, FetchError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter().filter(|coding| !is(coding, "identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if may_be_gzip && (is(coding, "gzip") || is(coding, "x-gzip")) => Ok(true),
        _ => Err(FetchError::Encoded),
    }
}

/// Rejects transfer codings other than chunked, because none was offered (RFC 9112 §6.1), and a Content-Length that is
/// repeated or accompanies a transfer coding, because it cannot be trusted (§6.3).
pub(super) fn check_framing(headers: &HeaderMap) -> Result<(), FetchError> {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    if codings.iter().any(|coding| !is(coding, "chunked")) {
        return Err(FetchError::Framing("expected no transfer-encoding but chunked"));
    }
    match (lengths, codings.iter().count()) {
        (0 | 1, 0) | (0, 1) => Ok(()),
        (_, 0) => Err(FetchError::Framing("duplicate Content-Length")),
        (0, _) => Err(FetchError::Framing("duplicate Transfer-Encoding")),
        _ => Err(FetchError::Framing("both Content-Length and Transfer-Encoding")),
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderName;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn reads_media_types() {
        for (value, expected) in [("Text/Plain; version=0.0.4", Some("text/plain")), (" ; x", None), ("", None)] {
            assert_eq!(media_type(&headers(&[("content-type", value)])).as_deref(), expected, "{value}");
        }
        assert_eq!(media_type(&headers(&[])), None);
    }

    #[test]
    fn reads_ages() {
        for (value, expected) in [
            ("0", Some(0)),
            (" 90 ", Some(90)),
            ("99999, 4", Some(99_999)),
            ("99999999999999999999", Some(u64::MAX)),
            ("500.5", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(seconds(value), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn rejects_bodies_without_a_definite_end() {
        let framing = |why| Err(FetchError::Framing(why));
        for (lines, expected) in [
            (&[][..], Ok(())),
            (&[("content-length", "5")], Ok(())),
            (&[("transfer-encoding", "chunked")], Ok(())),
            (&[("transfer-encoding", "gzip, chunked")], framing("expected no transfer-encoding but chunked")),
            (
                &[("content-length", "5"), ("transfer-encoding", "chunked")],
                framing("both Content-Length and Transfer-Encoding"),
            ),
            (&[("content-length", "5"), ("content-length", "5")], framing("duplicate Content-Length")),
        ] {
            let headers: HeaderMap = headers(lines);
            assert_eq!(check_framing(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn rejects_unrequested_codings() {
        for (lines, plain, gzip) in [
            (&[][..], Ok(false), Ok(false)),
            (&[("content-encoding", "Identity")], Ok(false), Ok(false)),
            (&[("content-encoding", "gzip")], Err(FetchError::Encoded), Ok(true)),
            (&[("content-encoding", "X-Gzip")], Err(FetchError::Encoded), Ok(true)),
            (&[("content-encoding", "br")], Err(FetchError::Encoded), Err(FetchError::Encoded)),
            (&[("content-encoding", "gzip, gzip")], Err(FetchError::Encoded), Err(FetchError::Encoded)),
            (
                &[("content-encoding", "gzip"), ("content-encoding", "gzip")],
                Err(FetchError::Encoded),
                Err(FetchError::Encoded),
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!((coding(&headers, false), coding(&headers, true)), (plain, gzip), "{lines:?}");
        }
    }
}
