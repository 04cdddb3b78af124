//! Lines that start with `#`: comments, metadata of a family, and the end of an OpenMetrics page.

use std::borrow::Cow;

use super::error::Fault;
use super::family::Kind;
use super::format::Format;
use super::labels::{quoted_name, unescape};
use super::scan;

/// The effect of such a line on the following lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Metadata<'a> {
    /// The type of a family.
    Type { name: Cow<'a, str>, kind: Kind },
    /// `# EOF`
    End,
    /// A comment, a help text or a unit: validated and ignored.
    Nothing,
}

impl<'a> Metadata<'a> {
    /// Parses a complete line, which starts with `#`.
    pub(super) fn read(text: &'a str, format: Format) -> Result<Self, Fault> {
        match format {
            Format::Prometheus => prometheus(text),
            Format::OpenMetrics => openmetrics(text),
        }
    }
}

fn prometheus(text: &str) -> Result<Metadata<'_>, Fault> {
    let rest = match word(text) {
        Some(("TYPE", rest)) => rest,
        Some(("HELP", rest)) => {
            if !scan::begins_metric_name(rest) {
                quoted_name(rest, "a metric name after HELP")?;
            }
            return Ok(Metadata::Nothing);
        }
        _ => return Ok(Metadata::Nothing),
    };
    let (name, rest) = metric_name(rest, "a metric name after TYPE")?;
    let rest = after_blanks(rest).ok_or_else(|| Fault::expected("a space and a type after the metric name", rest))?;
    let kind = match rest.trim_end_matches([' ', '\t']) {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        "untyped" => Kind::Unknown,
        _ => return Err(Fault::expected("counter, gauge, histogram, summary or untyped", rest)),
    };
    Ok(Metadata::Type { name, kind })
}

/// The four bytes that may be HELP or TYPE, and the text after them. As in Prometheus, they count only with a space on
/// both sides; otherwise the line is a comment.
#[inline]
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = after_blanks(scan::after(text, b'#')?)?.split_at_checked(4)?;
    Some((word, after_blanks(rest)?))
}

/// The text after at least one space or tab.
#[inline(always)]
fn after_blanks(text: &str) -> Option<&str> {
    matches!(text.as_bytes().first(), Some(b' ' | b'\t')).then(|| scan::blanks(text))
}

fn openmetrics(text: &str) -> Result<Metadata<'_>, Fault> {
    if text == "# EOF" {
        return Ok(Metadata::End);
    }
    let rest = text.strip_prefix("# ").unwrap_or_default();
    if let Some(rest) = rest.strip_prefix("TYPE ") {
        let (name, rest) = named(rest, "a metric name after TYPE")?;
        return Ok(Metadata::Type { name, kind: openmetrics_kind(rest)? });
    }
    if let Some(rest) = rest.strip_prefix("HELP ") {
        named(rest, "a metric name after HELP")?;
        return Ok(Metadata::Nothing);
    }
    if let Some(rest) = rest.strip_prefix("UNIT ") {
        let (name, unit) = named(rest, "a metric name after UNIT")?;
        let fits = unit.is_empty() || name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
        return if fits {
            Ok(Metadata::Nothing)
        } else {
            Err(Fault::expected("a unit that the metric name ends with", unit))
        };
    }
    Err(Fault::expected("\"# TYPE \", \"# HELP \", \"# UNIT \" or \"# EOF\"", text))
}

/// Parses a metric name, quoted or not.
fn metric_name<'a>(text: &'a str, expected: &'static str) -> Result<(Cow<'a, str>, &'a str), Fault> {
    match scan::metric_name(text) {
        Some((name, rest)) => Ok((Cow::Borrowed(name), rest)),
        None => quoted_name(text, expected).map(|(name, rest)| (unescape(name), rest)),
    }
}

/// Parses a metric name and the space after it.
fn named<'a>(text: &'a str, expected: &'static str) -> Result<(Cow<'a, str>, &'a str), Fault> {
    let (name, rest) = metric_name(text, expected)?;
    let rest = scan::after(rest, b' ').ok_or_else(|| Fault::expected("a space after the metric name", rest))?;
    Ok((name, rest))
}

fn openmetrics_kind(text: &str) -> Result<Kind, Fault> {
    Ok(match text {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "gaugehistogram" => Kind::GaugeHistogram,
        "stateset" => Kind::StateSet,
        "info" => Kind::Info,
        "summary" => Kind::Summary,
        "unknown" => Kind::Unknown,
        _ => {
            let expected = "counter, gauge, histogram, gaugehistogram, stateset, info, summary or unknown";
            return Err(Fault::expected(expected, text));
        }
    })
}
