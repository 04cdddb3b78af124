//! A fetched page, reduced while it streams in to what rules want of it.

mod csv;
mod document;
mod json;
mod number;
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

pub(crate) use self::unmatched::{Hint, Unmatched};
pub(crate) use self::want::Items;
pub use self::want::{Query, Want};
use super::turns::PageMark;
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::csv::CsvPageError;
use crate::parse::exposition::{Kind, Labels, PageError, Sample};
use crate::parse::json::JsonPageError;
use crate::parse::lookalike::Lookalike;
use crate::parse::yaml::page::YamlPageError;

/// The body that a page is read from.
pub struct PageBody<'b> {
    /// Its bytes.
    pub reader: &'b mut dyn Read,
    /// Whether its end is known to be that of the page, rather than of a connection that broke.
    pub delimited: bool,
    /// The most bytes of it, if the source says so.
    pub max_bytes: Option<u64>,
}

/// The numbers of a page, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSummary {
    /// As it was read.
    pub format: Format,
    /// The bytes of its body.
    pub bytes: u64,
    /// Its samples, whether or not a rule wants them.
    pub samples: u64,
    /// How old it was when it came, out of a cache.
    pub age: Duration,
}

/// What is kept of a page.
#[derive(Debug)]
pub struct Page {
    /// When it was made, Unix milliseconds: when it was fetched, less its age.
    pub at: i64,
    /// The same on the monotonic clock; `None` until the fetch sets it.
    pub taken: Option<Instant>,
    /// How old it was when it came, out of a cache.
    pub age: Duration,
    /// The bytes of its body.
    pub bytes: u64,
    /// The samples on it, wanted or not.
    pub samples: u64,
    /// What it is.
    pub format: Format,
    /// For wants of which some selectors match nothing, what may be meant by them.
    unmatched: Vec<(u64, Vec<Unmatched>)>,
    /// `process_start_time_seconds`, in bits, if one process alone gives it.
    process: Option<u64>,
    series: Vec<Series>,
    found: Vec<(u64, Found)>,
}

/// What one [`Want`] found on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Positions among the page's series.
    Series(Vec<u32>),
    /// Values of a JSON page.
    Items(Vec<PageItem>),
    Number(f64),
    /// Nothing that could be trusted.
    Refused(Refusal),
}

/// Why a page, though well-formed, has no answer for a [`Want`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More series than are kept for one rule.
    TooMany(usize),
    /// More bytes of labels than are kept of one page.
    TooLarge(usize),
    /// A line of more bytes than are read, of a metric that the rule may want.
    LineTooLong(usize),
    /// A series with more labels than are kept.
    TooManyLabels(usize),
    /// One series stands on the page twice.
    Duplicate,
    /// The page reports an error itself, with this status, in the place of what is selected.
    ErrorInside(Option<u64>),
    /// The page is not what the rule can read: what it wants, what the page is.
    WrongFormat(&'static str, Format),
    /// A bare number has no name to be served by.
    Nameless,
    /// A regular expression that looks at the page again for each match, and takes too long.
    TooSlow,
    /// A filter compares numbers, and the page is CSV, which has none.
    TextFields,
}

/// A kept series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name, and behind it its labels: there are thousands of these, and each allocation has its price.
    text: Box<str>,
    name: u32,
    value: f64,
    timestamp: Option<i64>,
    kind: Kind,
}

/// One item of a page of JSON, YAML or CSV, one match of a regular expression, or the page itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageItem {
    /// As the item says.
    pub namespace: Option<String>,
    /// As the item says.
    pub name: Option<String>,
    /// Of a value of an external metric.
    pub labels: Vec<(String, String)>,
    /// Numbers, or the names of other types that were found.
    pub values: Vec<Result<f64, &'static str>>,
    /// Whether there is none because a container that exists is empty.
    pub is_empty: bool,
}

/// Why a body is no page.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The transfer broke; the fetch says how.
    Io(io::Error),
    /// Text that is malformed.
    Text(PageError),
    /// Likewise, of a page that may be of another format.
    Misread(PageError, Lookalike),
    /// JSON that is malformed or too deep.
    Json(JsonPageError),
    /// YAML that is malformed, too deep, or of a kind that is not read.
    Yaml(YamlPageError),
    /// CSV that is malformed.
    Csv(CsvPageError),
    /// Lines of which the last may be cut off.
    CutOff,
    /// Not one number.
    Number,
    /// Larger than this many bytes.
    TooLarge(u64),
    /// Larger than any page that is held whole may be.
    LargerThanAny(u64),
}

impl Page {
    /// Reads a page to its end. `format` is what it is, or `None` for text that may be a bare number.
    ///
    /// # Errors
    /// Whatever makes the page untrustworthy as a whole; what concerns one want only is its [`Found::Refused`].
    pub fn read(
        body: &mut PageBody<'_>,
        format: Option<Format>,
        wants: &[Want],
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
                    BodyError::CutOff => Err(error),
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

    /// What the want of this id found; `None` if it was not among those the page was read for.
    pub fn found(&self, id: u64) -> Option<&Found> {
        self.found.iter().find(|(want, _)| *want == id).map(|(_, found)| found)
    }

    /// Selectors of a want that match nothing, as far as the page tells what may be meant.
    pub(crate) fn unmatched(&self, id: u64) -> &[Unmatched] {
        self.unmatched.iter().find(|(want, _)| *want == id).map_or(&[], |(_, unmatched)| unmatched)
    }

    /// The series at these positions.
    pub fn series<'a>(&'a self, positions: &'a [u32]) -> impl Iterator<Item = &'a Series> {
        positions.iter().filter_map(|&at| self.series.get(at as usize))
    }

    /// Its numbers.
    pub fn summary(&self) -> PageSummary {
        PageSummary { format: self.format, bytes: self.bytes, samples: self.samples, age: self.age }
    }

    /// What tells it from the page of another process.
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

    /// Bytes of memory it holds, roughly.
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

impl Found {
    fn hash_values(&self, hasher: &mut impl Hasher) {
        match self {
            Self::Items(items) => {
                for PageItem { namespace, name, labels, values, .. } in items {
                    (namespace, name, labels).hash(hasher);
                    values.iter().for_each(|value| value.map(f64::to_bits).hash(hasher));
                }
            }
            Self::Number(value) => value.to_bits().hash(hasher),
            Self::Series(_) | Self::Refused(_) => {}
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Series(positions) => positions.len() * size_of::<u32>(),
            Self::Items(items) => items.iter().map(PageItem::cost).sum(),
            Self::Number(_) | Self::Refused(_) => 0,
        }
    }
}

impl PageItem {
    fn cost(&self) -> usize {
        let names = [&self.namespace, &self.name].into_iter().flatten().map(String::len).sum::<usize>();
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        size_of::<Self>() + self.values.len() * 24 + names + labels + 64
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

    /// Any number.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The sample's own time, Unix milliseconds.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The type of its family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn new(sample: &Sample<'_>) -> Self {
        let Sample { name, labels, value, timestamp, kind, .. } = *sample;
        let text = [name, labels.raw()].concat().into_boxed_str();
        Self { text, name: u32::try_from(name.len()).unwrap_or(u32::MAX), value, timestamp, kind }
    }

    fn parts(&self) -> (&str, &str) {
        self.text.split_at_checked(self.name as usize).unwrap_or((&self.text, ""))
    }
}

/// How many bytes of a page are held at once, where it is not read as it streams in.
pub(super) fn bytes_held(format: Option<Format>, max_bytes: Option<u64>, limits: &Limits) -> Option<u64> {
    format.is_some_and(Format::is_held).then(|| document::max_bytes(max_bytes, limits))
}

/// The last line at which a page of another format is found to be malformed: a header can be a comment to Prometheus.
const LAST_MISREAD: u64 = 3;

impl BodyError {
    /// The same with what the page looks like from its first bytes.
    fn explained(self, head: &[u8]) -> Self {
        match self {
            Self::Text(error) if error.line <= LAST_MISREAD => match Lookalike::of(head) {
                Some(lookalike) => Self::Misread(error, lookalike),
                None => Self::Text(error),
            },
            error => error,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(max) => write!(f, "more than {max} series or values match; narrow the rule's value"),
            Self::TooLarge(max) => write!(f, "the matching series take more than {max} bytes; add a label matcher"),
            Self::LineTooLong(max) => write!(f, "a series takes a line of more than {max} bytes"),
            Self::TooManyLabels(max) => write!(f, "a series has more than {max} labels"),
            Self::ErrorInside(Some(status)) => write!(f, "the page itself reports an error, status {status}"),
            Self::ErrorInside(None) => f.write_str("the page itself reports an error"),
            Self::Duplicate => f.write_str("the page has one series twice"),
            // The page alone says so: a source with `format: number` has no rules for series.
            Self::WrongFormat("series", Format::Number) => f.write_str(
                "expected series, found a bare number; if it always is one, set format: number on the source",
            ),
            Self::WrongFormat(wanted, found) => write!(f, "expected {wanted}, found {}", name(*found)),
            Self::TooSlow => f.write_str(
                "the regular expression takes too long: it looks at all of the page for each match; write it without (?s:.*) \
                 and the like",
            ),
            Self::TextFields => f.write_str(
                "a filter compares numbers, and all fields of CSV are text: compare with a string such as '5', by == or !=",
            ),
            Self::Nameless => f.write_str("its page is a bare number, which has no name"),
        }
    }
}

/// What a page is, in words.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::Prometheus => "Prometheus text",
        Format::OpenMetrics => "OpenMetrics text",
        Format::Json => "JSON",
        Format::Yaml => "YAML",
        Format::Csv => "CSV",
        Format::Text => "text",
        Format::Number => "a bare number",
    }
}
