//! Why a source has no page, or no result of a query.

use std::fmt;

use super::page::BodyError;
use crate::http::error::{FetchError, Phase};
use crate::parse::escape::Escaped;
use crate::parse::likely_format::LikelyFormat;
use metriclet_exposition::error::{PageError, PageErrorKind};

/// The formats of pages. Any text can be searched by regular expressions, including HTML and XML.
const FORMATS: &str = "prometheus, openmetrics, json, yaml, csv, number, or text, which regular expressions read";

/// Why a source has no page.
///
/// Like that of [`FetchError`], `Display` is suitable for a `Status.message`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// A fetch is needed, and the caller does not wait.
    WouldWait,
    /// Another caller's fetch of the same page takes longer than this caller waits.
    Busy,
    /// The deadline passed before this one of many pages was fetched.
    Unreached,
    /// The maximum number of URLs is being fetched in the background.
    TooManyRefreshed,
    /// Other large pages use the memory that this one needs.
    NoMemory,
    /// The body exceeds the source's limit.
    TooLarge(u64),
    /// A bug in Metriclet ended the fetch.
    Bug,
    /// The fetch failed.
    Fetch(FetchError),
    /// The Content-Type, if any, is not that of a known format.
    ContentType(Option<String>),
    /// The body is not a valid page.
    Page {
        /// The error, without bytes of the page.
        cause: String,
        /// The error, with escaped bytes of the page; empty if `cause` is sufficient.
        detail: String,
    },
}

impl SourceError {
    /// The phase that timed out.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self {
            Self::Fetch(FetchError::Timeout(phase)) => Some(*phase),
            _ => None,
        }
    }

    /// Whether no connection was made.
    pub fn is_unconnected(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_unconnected())
    }

    /// Details for the log.
    pub fn detail(&self) -> String {
        let detail = match self {
            Self::Fetch(error) => error.detail(),
            Self::Page { detail, .. } => Some(detail.as_str()),
            _ => None,
        };
        detail.map_or_else(|| self.to_string(), |detail| format!("{self} ({detail})"))
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldWait => f.write_str("not fetched yet"),
            Self::Busy => f.write_str("timeout: waiting for a fetch of the same page"),
            Self::Unreached => f.write_str("timeout: waiting for a turn among the pages of other pods"),
            Self::TooManyRefreshed => f.write_str("too many URLs are refreshed in the background"),
            Self::NoMemory => f.write_str("timeout: waiting for the memory that other large pages take"),
            Self::TooLarge(max) => write!(f, "answered a body of more than {max} bytes; raise maxBytes: on the source"),
            Self::Bug => f.write_str("internal error during the fetch"),
            Self::Fetch(FetchError::Status(406)) => f.write_str(
                "answered 406: it serves none of the types in the Accept header, which format: on the source decides",
            ),
            Self::Fetch(FetchError::Status(405)) => {
                f.write_str("answered 405: it does not take this method; method: on the source sets it")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::ContentType(None) => {
                write!(f, "answered without a content-type; set format: on the source to what the page is: {FORMATS}")
            }
            Self::ContentType(Some(found)) => write!(
                f,
                "answered with the content-type {}, which is not read; set format: on the source to what the page is: {FORMATS}",
                Escaped::new(found)
            ),
            Self::Page { cause, .. } => f.write_str(cause),
        }
    }
}

impl std::error::Error for SourceError {}

impl From<FetchError> for SourceError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<BodyError> for SourceError {
    fn from(error: BodyError) -> Self {
        let page = |cause: String, detail: String| Self::Page { cause, detail };
        match error {
            BodyError::Io(_) => Self::Fetch(FetchError::Closed(Phase::Body)),
            BodyError::Text(error) => {
                page(format!("answered malformed text: {}{}", error.kind.cause(), hint(&error)), error.to_string())
            }
            BodyError::Misread(error, likely_format) => {
                let hint = match likely_format {
                    LikelyFormat::Csv => "CSV with a header: set format: csv on the source",
                    LikelyFormat::KeyValue => "lines of keys and values: set format: text on the source and write a regular expression, or format: yaml if it is YAML",
                };
                let cause = error.kind.cause();
                page(format!("answered malformed text: {cause}; the page looks like {hint}"), error.to_string())
            }
            BodyError::Json(error) if error.is_too_large => page(
                "answered JSON of more values than maxBytes: on the source allows".to_owned(),
                error.to_string(),
            ),
            BodyError::Json(error) => page("answered malformed JSON".to_owned(), error.to_string()),
            BodyError::Yaml(error) => page(format!("answered {}", error.cause()), error.to_string()),
            BodyError::Csv(error) if error.is_too_large() => page(
                "answered CSV of more values than maxBytes: on the source allows".to_owned(),
                error.to_string(),
            ),
            BodyError::Csv(error) => page(format!("answered malformed CSV: {}", error.cause()), error.to_string()),
            BodyError::Truncated => page(
                "answered a page without a line feed at its end, which may be cut off: neither Content-Length nor chunks \
                 show its end"
                    .to_owned(),
                String::new(),
            ),
            BodyError::Number => page("answered something that is not a number".to_owned(), String::new()),
            BodyError::TooLarge(max) => Self::TooLarge(max),
            BodyError::ExceedsGlobalLimit(max) => Self::Fetch(FetchError::BodyTooLarge(max)),
        }
    }
}

const PROMETHEUS: &str = "; the page looks like Prometheus text: set format: prometheus on the source";

/// Suggests a format for a page that is malformed from its start, or that has a metric type or timestamp of the other
/// text format.
fn hint(error: &PageError) -> &'static str {
    let PageErrorKind::Syntax { expected, found } = &error.kind else { return "" };
    let json = "; the page looks like JSON: set format: json on the source";
    match &**found {
        b"unknown" | b"info" | b"stateset" | b"gaugehistogram" if expected.ends_with("untyped") => {
            "; the page looks like OpenMetrics: set format: openmetrics on the source"
        }
        // An exemplar, or a timestamp in seconds with a fraction.
        [b'#', ..] | [b'0'..=b'9', ..] if expected.ends_with("integer milliseconds") => {
            "; the page looks like OpenMetrics: set format: openmetrics on the source"
        }
        b"untyped" if expected.ends_with("unknown") => PROMETHEUS,
        b"#" if expected.starts_with("\"# TYPE") => PROMETHEUS,
        _ if (error.line, error.column) != (1, 1) => "",
        [b'<', ..] => {
            "; the page looks like HTML or XML, which only regular expressions read: set format: text on the source"
        }
        [b'[', ..] | [b'{'] | [b'{', b'\r'] => json,
        // A quoted metric name would be followed by a comma or a brace.
        [b'{', rest @ ..] if rest.windows(2).any(|two| two == b"\":") => json,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_at_the_format() {
        let wrong = |line, expected, found: &str| PageError {
            line,
            column: 1,
            kind: PageErrorKind::Syntax { expected, found: found.as_bytes().into() },
        };
        for (error, expected) in [
            (wrong(1, "a metric name", "{\"health\":\"true\"}"), "json"),
            (wrong(1, "a metric name", "{"), "json"),
            (wrong(1, "a metric name", "{\r"), "json"),
            (wrong(1, "a metric name", "[1,2]"), "json"),
            (wrong(1, "a metric name", "<!doctype"), "HTML"),
            (wrong(9, "counter, gauge, histogram, summary or untyped", "unknown"), "openmetrics"),
            (wrong(2, "a timestamp in integer milliseconds", "#"), "openmetrics"),
            (wrong(2, "a timestamp in integer milliseconds", "1.5"), "openmetrics"),
            (wrong(2, "a timestamp in integer milliseconds", "x"), ""),
            (wrong(2, "counter, gauge, summary or unknown", "untyped"), "prometheus"),
            (wrong(2, "\"# TYPE \" or \"# EOF\"", "#"), "prometheus"),
            (wrong(1, "a metric name", "{\"queue.depth\"}"), ""),
            (wrong(2, "a metric name", "{"), ""),
            (wrong(9, "counter, gauge, histogram, summary or untyped", "level"), ""),
            (PageError { line: 1, column: 1, kind: PageErrorKind::MissingEof }, ""),
        ] {
            let hint = hint(&error);
            assert!(hint.contains(expected) && hint.is_empty() == expected.is_empty(), "{error}: {hint}");
        }
    }
}
