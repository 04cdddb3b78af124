//! A fetched page, reduced while it streams in to the series and values that rules use.

mod age;
mod csv;
mod document;
mod found;
mod json;
mod known;
mod number;
mod refusal;
mod regex;
mod text;
mod unmatched;
mod want;
mod wanted;
mod yaml;

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::time::{Duration, Instant};

pub use self::found::Found;
pub(crate) use self::found::{PageItem, PartValue};
pub use self::known::KnownPage;
pub(crate) use self::refusal::{Refusal, name};
pub(crate) use self::unmatched::{Hint, Unmatched};
pub(crate) use self::want::Items;
pub use self::want::{Query, WantedValues};
use super::alternation::PageMark;
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::csv::CsvPageError;
use crate::parse::json::JsonPageError;
use crate::parse::likely_format::LikelyFormat;
use crate::parse::yaml::page::YamlPageError;
use metriclet_exposition::{Kind, Labels, PageError, Sample};

/// The body that a page is read from.
pub struct PageBody<'b> {
    /// The bytes.
    pub reader: &'b mut dyn Read,
    /// Whether the end of the body is known to be that of the page, not that of an interrupted connection.
    pub delimited: bool,
    /// The source's `maxBytes`, if it is set.
    pub max_bytes: Option<u64>,
    /// The known series of the source's pages.
    pub known: Option<&'b KnownPage>,
}

/// The size of a page, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSummary {
    /// The format that it was parsed as.
    pub format: Format,
    /// The size of its body in bytes.
    pub bytes: u64,
    /// The number of samples, whether or not a rule uses them.
    pub samples: u64,
    /// Its age when it was received from a cache.
    pub age: Duration,
}

/// The kept part of a page.
#[derive(Debug)]
pub struct Page {
    /// When it was created, in Unix milliseconds: the time of the fetch minus its age.
    pub at: i64,
    /// When it was created, on the monotonic clock; `None` until the fetch sets it.
    pub taken: Option<Instant>,
    /// Its age when it was received from a cache.
    pub age: Duration,
    /// The size of its body in bytes.
    pub bytes: u64,
    /// The number of samples on it, used or not.
    pub samples: u64,
    /// Its format.
    pub format: Format,
    /// Selectors that match nothing, with suggestions, by the ids of the [`WantedValues`].
    unmatched: Vec<(u64, Vec<Unmatched>)>,
    /// `process_start_time_seconds` as bits, if the page has exactly one.
    process: Option<u64>,
    series: Vec<Series>,
    found: Vec<(u64, Found)>,
}

/// A kept series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name, followed by its labels: one allocation, because there are thousands of series.
    text: Box<str>,
    name: u32,
    value: f64,
    timestamp: Option<i64>,
    kind: Kind,
}

/// Why a body is not a valid page.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The transfer was interrupted; the fetch reports how.
    Io(io::Error),
    /// Malformed text.
    Text(PageError),
    /// Malformed text that probably has another format.
    Misread(PageError, LikelyFormat),
    /// JSON that is malformed or too deep.
    Json(JsonPageError),
    /// YAML that is malformed, too deep, or not supported.
    Yaml(YamlPageError),
    /// CSV that is malformed.
    Csv(CsvPageError),
    /// The last line may be truncated.
    Truncated,
    /// The page is not one number.
    Number,
    /// Larger than this many bytes.
    TooLarge(u64),
    /// Larger than the limit for pages that are held completely.
    ExceedsGlobalLimit(u64),
}

impl Page {
    /// Reads a page to its end. `format` is its format, or `None` for text that may be a bare number.
    ///
    /// # Errors
    /// Problems of the page as a whole; a problem of single wanted values is their [`Found::Refused`].
    pub fn read(
        body: &mut PageBody<'_>,
        format: Option<Format>,
        wants: &[WantedValues],
        at: i64,
        limits: &Limits,
    ) -> Result<Self, BodyError> {
        match format {
            Some(Format::Prometheus) => text::read(body, &[], Format::Prometheus, wants, at, limits),
            Some(Format::OpenMetrics) => text::read(body, &[], Format::OpenMetrics, wants, at, limits),
            Some(Format::Json) => json::read(body, wants, at, limits),
            Some(Format::Yaml) => yaml::read(body, wants, at, limits),
            Some(Format::Csv) => csv::read(body, wants, at, limits),
            Some(Format::Text) => regex::read(body, wants, at, limits),
            Some(Format::Number) => number::read(&number::head(body)?, body.delimited, wants, at),
            None => {
                let head = number::head(body)?;
                let page = number::read(&head, body.delimited, wants, at).or_else(|error| match error {
                    BodyError::Truncated => Err(error),
                    _ => text::read(body, &head, Format::Prometheus, wants, at, limits),
                });
                page.map_err(|error| error.explained(&head))
            }
        }
    }

    /// A page without series.
    fn of_values(format: Format, bytes: usize, found: Vec<(u64, Found)>, at: i64) -> Self {
        let (bytes, series) = (bytes as u64, Vec::new());
        Self {
            at,
            taken: None,
            age: Duration::ZERO,
            bytes,
            samples: 1,
            format,
            unmatched: Vec::new(),
            process: None,
            series,
            found,
        }
    }

    /// The result for the [`WantedValues`] with this id; `None` if the page was not read for them.
    pub fn found(&self, id: u64) -> Option<&Found> {
        self.found.iter().find(|(want, _)| *want == id).map(|(_, found)| found)
    }

    /// The selectors of these wanted values that match nothing, with suggestions.
    pub(crate) fn unmatched(&self, id: u64) -> &[Unmatched] {
        self.unmatched.iter().find(|(want, _)| *want == id).map_or(&[], |(_, unmatched)| unmatched)
    }

    /// The series at these positions.
    pub fn series<'a>(&'a self, positions: &'a [u32]) -> impl Iterator<Item = &'a Series> {
        positions.iter().filter_map(|&at| self.series.get(at as usize))
    }

    /// Its size, for messages.
    pub fn summary(&self) -> PageSummary {
        PageSummary { format: self.format, bytes: self.bytes, samples: self.samples, age: self.age }
    }

    /// The mark that distinguishes it from the page of another process.
    pub(crate) fn mark(&self) -> PageMark {
        let mut hasher = DefaultHasher::new();
        for series in &self.series {
            (&series.text, series.value.to_bits()).hash(&mut hasher);
        }
        for (_, found) in &self.found {
            found.hash_values(&mut hasher);
        }
        PageMark { process: self.process, content: hasher.finish() }
    }

    /// Its approximate size in memory, in bytes.
    pub fn cost(&self) -> usize {
        let series: usize = self.series.iter().map(|series| size_of::<Series>() + series.text.len()).sum();
        let found: usize = self.found.iter().map(|(_, found)| size_of::<(u64, Found)>() + found.cost()).sum();
        let unmatched: usize = self.unmatched.iter().flat_map(|(_, unmatched)| unmatched).map(Unmatched::cost).sum();
        size_of::<Self>() + series + found + unmatched
    }
}

impl fmt::Display for PageSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, bytes, samples, age } = self;
        write!(f, "{}, {bytes} bytes", name(*format))?;
        if matches!(format, Format::Prometheus | Format::OpenMetrics) {
            write!(f, ", {samples} samples")?;
        }
        match age.as_secs() {
            0 => Ok(()),
            seconds => write!(f, ", {seconds} s old by its Age or Date header"),
        }
    }
}

impl Series {
    /// The metric's name.
    pub fn name(&self) -> &str {
        self.parts().0
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        self.labels().get(key)
    }

    pub fn labels(&self) -> Labels<'_> {
        Labels::checked(self.parts().1)
    }

    /// The sample's value, which may be NaN or infinite.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The sample's own timestamp in Unix milliseconds.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The type of its family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn new(sample: &Sample<'_>) -> Self {
        let Sample { name, labels, value, timestamp, kind, .. } = *sample;
        let mut text = String::with_capacity(name.len() + labels.raw().len());
        text.push_str(name);
        text.push_str(labels.raw());
        let (text, name) = (text.into_boxed_str(), u32::try_from(name.len()).unwrap_or(u32::MAX));
        Self { text, name, value, timestamp, kind }
    }

    /// The name and the labels as on the page, without a line end.
    pub(crate) fn written(&self) -> (&str, &str) {
        self.parts()
    }

    fn parts(&self) -> (&str, &str) {
        self.text.split_at_checked(self.name as usize).unwrap_or((&self.text, ""))
    }
}

/// The maximum size of a page that is held completely.
pub(super) fn bytes_held(format: Option<Format>, max_bytes: Option<u64>, limits: &Limits) -> Option<u64> {
    format.is_some_and(Format::is_held).then(|| document::max_bytes(max_bytes, limits))
}

/// The last line at which a page of another format fails to parse: its first lines may be comments in Prometheus text.
const LAST_MISREAD: u64 = 3;

impl BodyError {
    /// Adds the likely format, judged by the page's first bytes.
    fn explained(self, head: &[u8]) -> Self {
        match self {
            Self::Text(error) if error.line <= LAST_MISREAD => match LikelyFormat::of(head) {
                Some(likely_format) => Self::Misread(error, likely_format),
                None => Self::Text(error),
            },
            error => error,
        }
    }
}
