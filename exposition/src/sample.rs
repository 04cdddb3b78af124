//! Parses a line with a sample.

use std::borrow::Cow;

use super::error::Fault;
use super::format::Format;
use super::known::KnownLine;
use super::labels::{Braces, Labels, quoted_name, unescape};
use super::number::Number;
use super::scan;

/// A validated line; its value is converted only if it is wanted.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Labels<'a>,
    pub(super) value: Number<'a>,
    pub(super) timestamp: Option<i64>,
    /// The bytes up to the closing brace, or up to the blank after a name without labels.
    pub(super) series: usize,
}

impl<'a> Line<'a> {
    /// Parses a complete line from its first character, which is neither a space nor a brace.
    #[inline]
    pub(super) fn read(text: &'a str, format: Format) -> Result<Self, Fault> {
        let (name, rest) = scan::metric_name(text).ok_or_else(|| Fault::expected("a metric name", text))?;
        let (labels, series, rest) = match scan::after(format.blanks(rest), b'{') {
            Some(inside) => {
                let Braces { labels, metric, rest } = Labels::read(inside, format)?;
                if metric.is_some() {
                    return Err(Fault::expected("labels only, because the metric name precedes them", inside));
                }
                (labels, text.len() - rest.len(), gap(rest, format, false, "a space before the value")?)
            }
            None => {
                let rest = gap(rest, format, true, "\"{\" or a space after the metric name")?;
                (Labels::default(), name.len() + 1, rest)
            }
        };
        Ok(Self { series, ..Self::end(name, labels, rest, format)? })
    }

    /// Parses the rest of a line that begins with a series which was parsed before.
    #[inline(always)]
    pub(super) fn known(text: &'a str, known: KnownLine, format: Format) -> Result<Self, Fault> {
        let (series, rest) = text.split_at_checked(known.length as usize).unwrap_or((text, ""));
        let name = series.get(..known.name as usize).unwrap_or_default();
        let (labels, rest) = match known.labels {
            Some(start) => {
                let raw = series.get(start as usize..series.len() - 1).unwrap_or_default();
                (Labels::checked(raw), gap(rest, format, false, "a space before the value")?)
            }
            None => (Labels::default(), if format == Format::Prometheus { scan::blanks(rest) } else { rest }),
        };
        Self::end(name, labels, rest, format)
    }

    /// Parses a complete line that starts with a brace: the metric's name is quoted among the labels. It remains
    /// escaped.
    #[cold]
    pub(super) fn read_quoted(text: &'a str, format: Format) -> Result<Self, Fault> {
        let wrong = || Fault::expected("a metric name", text);
        let inside = text.strip_prefix('{').ok_or_else(wrong)?;
        // Text that does not start like a series may be JSON.
        let braces = Labels::read(inside, format);
        let Braces { labels, metric, rest } =
            braces.map_err(|fault| if parse_prefix(text, format).is_some() { fault } else { wrong() })?;
        let name = metric.ok_or_else(wrong)?;
        Self::end(name, labels, gap(rest, format, false, "a space before the value")?, format)
    }

    #[inline(always)]
    fn end(name: &'a str, labels: Labels<'a>, rest: &'a str, format: Format) -> Result<Self, Fault> {
        let (value, rest) = number(rest, format, "a number")?;
        let timestamp = match format {
            Format::Prometheus => prometheus_timestamp(rest)?,
            Format::OpenMetrics => openmetrics_end(rest)?,
        };
        Ok(Self { name, labels, value, timestamp, series: 0 })
    }
}

/// The name of the sample on a line of which only the start is available, and the labels up to there.
#[cold]
pub(super) fn parse_prefix(text: &str, format: Format) -> Option<(Cow<'_, str>, Labels<'_>)> {
    match scan::metric_name(text) {
        Some((_, "")) => None,
        Some((name, rest)) => {
            let inside = scan::after(format.blanks(rest), b'{').unwrap_or_default();
            Some((Cow::Borrowed(name), Labels::checked(inside)))
        }
        None => {
            let inside = format.blanks(scan::after(text, b'{')?);
            let (name, rest) = quoted_name(inside, "").ok()?;
            format.blanks(rest).starts_with([',', '}']).then(|| (unescape(name), Labels::checked(inside)))
        }
    }
}

/// The text after a separator: one space in OpenMetrics, any spaces and tabs in 0.0.4.
#[inline(always)]
fn gap<'a>(text: &'a str, format: Format, required: bool, expected: &'static str) -> Result<&'a str, Fault> {
    let after = match format {
        Format::Prometheus => Some(scan::blanks(text)).filter(|rest| !required || rest.len() < text.len()),
        Format::OpenMetrics => scan::after(text, b' '),
    };
    after.ok_or_else(|| Fault::expected(expected, text))
}

#[inline(always)]
fn number<'a>(text: &'a str, format: Format, expected: &'static str) -> Result<(Number<'a>, &'a str), Fault> {
    Number::read(text).filter(|(_, rest)| format.ends_token(rest)).ok_or_else(|| Fault::expected(expected, text))
}

/// Parses the rest of a line after the value: a timestamp in integer milliseconds, or nothing.
#[inline]
fn prometheus_timestamp(text: &str) -> Result<Option<i64>, Fault> {
    let text = scan::blanks(text);
    if text.is_empty() {
        return Ok(None);
    }
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end).unwrap_or_default();
    let timestamp = token.parse().map_err(|_| Fault::expected("a timestamp in integer milliseconds", text))?;
    let rest = scan::blanks(rest);
    if rest.is_empty() { Ok(Some(timestamp)) } else { Err(Fault::expected("the end of the line", rest)) }
}

/// Parses the rest of a line after the value: a timestamp in seconds, an exemplar, both or neither. The exemplar is
/// only validated.
fn openmetrics_end(text: &str) -> Result<Option<i64>, Fault> {
    let (timestamp, rest) = match scan::after(text, b' ') {
        Some(after) if !after.starts_with('#') => seconds(after).map(|(timestamp, rest)| (Some(timestamp), rest))?,
        _ => (None, text),
    };
    if rest.is_empty() {
        return Ok(timestamp);
    }
    let exemplar =
        rest.strip_prefix(" # {").ok_or_else(|| Fault::expected("an exemplar or the end of the line", rest))?;
    let Braces { metric, rest, .. } = Labels::read(exemplar, Format::OpenMetrics)?;
    if metric.is_some() {
        return Err(Fault::expected("labels of an exemplar, which has no metric name", exemplar));
    }
    let rest = gap(rest, Format::OpenMetrics, true, "a space before the exemplar's value")?;
    let (_, rest) = number(rest, Format::OpenMetrics, "the exemplar's value")?;
    let rest = match scan::after(rest, b' ') {
        Some(after) => seconds(after)?.1,
        None => rest,
    };
    if rest.is_empty() { Ok(timestamp) } else { Err(Fault::expected("the end of the line", rest)) }
}

/// Parses a timestamp in seconds; returns it rounded to milliseconds.
fn seconds(text: &str) -> Result<(i64, &str), Fault> {
    const EXPECTED: &str = "a timestamp in seconds";
    let (seconds, rest) = number(text, Format::OpenMetrics, EXPECTED)?;
    let milliseconds = (seconds.value() * 1000.0).round();
    if !(-MILLISECONDS..MILLISECONDS).contains(&milliseconds) {
        return Err(Fault::expected(EXPECTED, text));
    }
    Ok((milliseconds as i64, rest))
}

/// 2^63: the first float beyond 64-bit integers.
const MILLISECONDS: f64 = 9_223_372_036_854_775_808.0;
