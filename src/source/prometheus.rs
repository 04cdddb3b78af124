//! A query to a server with Prometheus' HTTP API, and its result, which must be complete.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::SourceError;
use crate::config::limits::Limits;
use crate::config::model::{Source, Target};
use crate::http::error::{FetchError, printable};
use crate::parse::url_template::{ExpandError, Values};
use crate::promql::NAME_LABEL;
use crate::promql::evaluate::Labels;
use metriclet_exposition as exposition;

/// The maximum number of bytes read from an error response.
const REFUSAL: u64 = 64 * 1024;

/// A query, and the labels that are read from its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstantQuery {
    /// The URL of the server.
    pub url: String,
    /// The expression.
    pub promql: String,
    /// The maximum age of the latest sample of a series.
    pub lookback: Duration,
    /// The label that names an object's namespace.
    pub namespace: Option<String>,
    /// The label that names an object.
    pub name: Option<String>,
    /// Whether all labels of the result are needed.
    pub labels: bool,
}

/// A result.
#[derive(Debug)]
pub struct QueryResult {
    /// When it was received, in Unix milliseconds.
    pub at: i64,
    /// The size of its body in bytes.
    pub bytes: u64,
    /// One for each element of the result.
    pub samples: Vec<Sample>,
}

/// The size of a result, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuerySummary {
    /// The size of its body in bytes.
    pub bytes: u64,
    pub samples: usize,
}

impl fmt::Display for QuerySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "result of {} bytes, {} samples", self.bytes, self.samples)
    }
}

/// One element of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value of the namespace label.
    pub namespace: Option<Box<str>>,
    /// The value of the object label.
    pub name: Option<Box<str>>,
    /// All labels except its name, if the query needs them.
    pub labels: Labels,
    /// The value, which may be NaN or infinite.
    pub value: f64,
    /// The evaluation time in Unix milliseconds.
    pub at: i64,
}

impl InstantQuery {
    /// The URL for queries about a namespace.
    ///
    /// # Errors
    /// If the URL contains the namespace, and there is none.
    pub fn url_for(source: &Source, namespace: Option<&str>) -> Result<String, ExpandError> {
        match &source.target {
            Target::Prometheus(template) => template.expand(&Values { namespace, ..Values::default() }),
            Target::Url(_) | Target::Pods(_) => Ok(String::new()),
        }
    }

    /// The parameters of the request.
    pub fn form(&self) -> [(&'static str, String); 2] {
        [("query", self.promql.clone()), ("lookback_delta", self.lookback.as_secs_f64().to_string())]
    }
}

impl QueryResult {
    /// The size of the result, for messages.
    pub fn summary(&self) -> QuerySummary {
        QuerySummary { bytes: self.bytes, samples: self.samples.len() }
    }

    /// The approximate size in memory in bytes.
    pub fn cost(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len() + 16);
        self.samples
            .iter()
            .map(|sample| size_of::<Sample>() + text(&sample.namespace) + text(&sample.name) + sample.labels.bytes())
            .sum()
    }
}

/// The envelope of a response.
#[derive(Debug, Deserialize)]
struct Envelope {
    status: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    /// The name of this field in VictoriaMetrics.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
    data: Option<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(rename = "resultType")]
    result_type: String,
}

/// A response whose result is a vector.
#[derive(Debug, Deserialize)]
struct Vector {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    result: Vec<Element>,
}

#[derive(Debug, Deserialize)]
struct Element {
    #[serde(default)]
    metric: HashMap<String, String>,
    /// The time in seconds, and a number as Prometheus prints it.
    value: Option<(f64, String)>,
    histogram: Option<IgnoredAny>,
}

/// A response whose result is a scalar.
#[derive(Debug, Deserialize)]
struct Scalar {
    data: ScalarData,
}

#[derive(Debug, Deserialize)]
struct ScalarData {
    result: (f64, String),
}

/// Reads a response to its end.
///
/// # Errors
/// If the response is neither a complete vector of numbers nor a scalar for a single object.
pub(crate) fn read(
    body: &mut dyn Read,
    query: &InstantQuery,
    at: i64,
    limits: &Limits,
) -> Result<QueryResult, SourceError> {
    let cap = limits.prometheus.bytes as u64;
    let bytes = take(body, cap + 1)?;
    if bytes.len() as u64 > cap {
        return Err(FetchError::BodyTooLarge(cap).into());
    }
    let Envelope { status, error_type, error, warnings, is_partial, data } = json(&bytes)?;
    if status != "success" {
        return Err(refusal(&error_type, &error));
    }
    // Prometheus up to 2.53 and Thanos list infos among the warnings. They are about the query's style, not about its
    // data.
    if let Some(warning) = warnings.iter().flatten().find(|warning| !warning.starts_with("PromQL info:")) {
        let cause = match warning.starts_with("PromQL warning:") {
            true => "warned that the query does not fit its data",
            false => "returned a partial result with warnings",
        };
        return Err(bad(cause, warning));
    }
    if is_partial {
        return Err(bad("returned a partial result", &"isPartial"));
    }
    match data.map(|data| data.result_type).as_deref() {
        Some("vector") => {}
        Some("scalar") if query.name.is_none() => {
            let Scalar { data: ScalarData { result: (seconds, text) } } = json(&bytes)?;
            let sample = Sample {
                namespace: None,
                name: None,
                labels: Labels::default(),
                value: number(&text)?,
                at: millis(seconds),
            };
            return Ok(QueryResult { at, bytes: bytes.len() as u64, samples: vec![sample] });
        }
        Some("scalar") => {
            return Err(bad("returned a scalar, expected a vector; aggregate by the object's label", &"scalar"));
        }
        Some("matrix") => {
            return Err(bad(
                "returned a range vector, expected an instant vector; wrap the range in a function such as rate()",
                &"matrix",
            ));
        }
        other => return Err(bad("returned no vector", &other.unwrap_or("nothing"))),
    }
    let Vector { data: Data { result } } = json(&bytes)?;
    if result.len() > limits.page.kept_series {
        return Err(bad(&format!("answered more than {} values", limits.page.kept_series), &result.len()));
    }
    let samples: Result<_, _> = result.into_iter().map(|element| sample(element, query)).collect();
    Ok(QueryResult { at, bytes: bytes.len() as u64, samples: samples? })
}

/// Why a server returned a status other than 200.
pub(crate) fn refused(status: u16, body: &mut dyn Read) -> SourceError {
    match take(body, REFUSAL).ok().and_then(|bytes| serde_json::from_slice::<Envelope>(&bytes).ok()) {
        Some(Envelope { status, error_type, error, .. }) if status == "error" => refusal(&error_type, &error),
        _ => FetchError::Status(status).into(),
    }
}

fn sample(mut element: Element, query: &InstantQuery) -> Result<Sample, SourceError> {
    let labels = match query.labels {
        true => Labels::new(element.metric.iter().filter(|(name, _)| *name != NAME_LABEL)),
        false => Labels::default(),
    };
    let mut label = |wanted: &Option<String>| {
        let value = element.metric.remove(wanted.as_ref()?)?;
        Some(value.into_boxed_str())
    };
    let (name, namespace) = (label(&query.name), label(&query.namespace));
    let Some((seconds, text)) = element.value else {
        let found = if element.histogram.is_some() { "a native histogram" } else { "an element without a value" };
        return Err(bad(&format!("answered {found} instead of a number"), &found));
    };
    Ok(Sample { namespace, name, labels, value: number(&text)?, at: millis(seconds) })
}

fn number(text: &str) -> Result<f64, SourceError> {
    exposition::value(text).ok_or_else(|| bad("answered something that is not a number", &text))
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Messages for the types of Prometheus' errors.
fn refusal(kind: &str, error: &str) -> SourceError {
    let cause = match kind {
        "bad_data" => "refused the query as malformed",
        "execution" => "could not evaluate the query",
        "timeout" | "canceled" => "gave up the query: it took too long",
        "unavailable" => "is not available",
        _ => "answered an error",
    };
    bad(cause, &format!("{kind}: {error}"))
}

fn bad(cause: &str, detail: &impl ToString) -> SourceError {
    SourceError::Page { cause: cause.to_owned(), detail: printable(detail) }
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SourceError> {
    serde_json::from_slice(bytes)
        .map_err(|error| bad("answered something that is not a response of Prometheus' API", &error))
}

fn take(body: &mut dyn Read, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    match body.take(most).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        // The fetch reports the reason.
        Err(error) => Err(super::page::BodyError::Io(error).into()),
    }
}

#[cfg(test)]
mod tests;
