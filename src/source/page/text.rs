//! Pages of text: the series that rules want are kept, the rest streams by.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::time::Duration;

use super::{BodyError, Found, Page, PageBody, Query, Refusal, Series, Want};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::exposition::{self, ExpositionLimits, Parser, Sample, Sink};
use crate::parse::similar::closeness;

/// Reads a page to its end, `head` first, which was taken off the body already.
pub(super) fn read(
    body: &mut PageBody<'_>,
    head: &[u8],
    format: Format,
    wants: &[Want],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let syntax = match format {
        Format::OpenMetrics => exposition::Format::OpenMetrics,
        _ => exposition::Format::Prometheus,
    };
    let mut parser = Parser::new(syntax, ExpositionLimits { line: limits.page.line });
    let mut keep = SeriesCollector::new(wants, limits);
    let most = body.max_bytes.unwrap_or(limits.page.bytes);
    let mut buffer = vec![0; 16 * 1024];
    let mut bytes = head.len() as u64;
    parser.feed(head, &mut keep).map_err(BodyError::Text)?;
    loop {
        let read = match body.reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BodyError::Io(error)),
        };
        bytes += read as u64;
        if bytes > most {
            return Err(BodyError::TooLarge(most));
        }
        parser.feed(buffer.get(..read).unwrap_or_default(), &mut keep).map_err(BodyError::Text)?;
    }
    if body.delimited {
        parser.end_line(&mut keep).map_err(BodyError::Text)?;
    }
    let summary = parser.finish().map_err(BodyError::Text)?;
    let process = keep.process();
    let near = keep.near();
    let (series, found) = keep.done(format);
    Ok(Page {
        at,
        taken: None,
        age: Duration::ZERO,
        bytes,
        samples: summary.samples,
        format,
        near,
        process,
        series,
        found,
    })
}

/// Names of one page that are compared with what rules want and have not found. 10,000, some milliseconds: a page has a few
/// hundred.
const COMPARISONS: usize = 10_000;

/// The bytes of names that are kept for that. 64 KiB: two thousand names.
const NAMES: usize = 64 * 1024;

/// Whether a name can be part of a message.
fn is_shown(name: &str) -> bool {
    name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What most client libraries say of the process that serves the page.
const PROCESS_START: &str = "process_start_time_seconds";

/// Keeps the series that rules want, each want within its own bounds.
struct SeriesCollector<'a> {
    wants: Vec<WantState<'a>>,
    series: Vec<Series>,
    seen: HashSet<u64>,
    bytes: usize,
    /// When processes have started that the page is about.
    starts: Vec<f64>,
    /// The names of the metrics, one behind the other; those of the end are missing on a page of very many.
    names: Vec<u8>,
    /// Where the last one of them begins. Samples of one metric follow each other.
    last_name: usize,
    /// Whether a want that names its metric has found nothing so far.
    is_unmet: bool,
    limits: &'a Limits,
}

struct WantState<'a> {
    id: u64,
    query: &'a Query,
    found: Result<Vec<u32>, Refusal>,
}

impl<'a> SeriesCollector<'a> {
    fn new(wants: &'a [Want], limits: &'a Limits) -> Self {
        let keeping = |want: &'a Want| WantState { id: want.id, query: &want.query, found: Ok(Vec::new()) };
        let wants: Vec<_> = wants.iter().map(keeping).collect();
        let is_unmet = wants.iter().any(|want| want.meant().is_some());
        Self {
            wants,
            series: Vec::new(),
            seen: HashSet::new(),
            bytes: 0,
            starts: Vec::new(),
            names: Vec::with_capacity(if is_unmet { 8 * 1024 } else { 0 }),
            last_name: 0,
            is_unmet,
            limits,
        }
    }

    /// When the one process started that the page is about, in bits.
    fn process(&self) -> Option<u64> {
        match self.starts.as_slice() {
            [start] => Some(start.to_bits()),
            _ => None,
        }
    }

    /// Notes the name of a metric, for those that want one of another name.
    #[inline(never)]
    fn note(&mut self, name: &str) {
        let is_last = self.names.get(self.last_name..) == Some(name.as_bytes());
        if !is_last && self.names.len() + name.len() < NAMES {
            self.names.push(b'\n');
            self.last_name = self.names.len();
            self.names.extend_from_slice(name.as_bytes());
        }
    }

    /// The names on the page that may be meant by wants that have found nothing.
    fn near(&self) -> Vec<(u64, String)> {
        let mut comparisons = COMPARISONS;
        let mut near = Vec::new();
        let all = str::from_utf8(&self.names).unwrap_or_default();
        for want in &self.wants {
            let Some(meant) = want.meant() else { continue };
            let names = all.split('\n').filter(|name| is_shown(name)).take(comparisons);
            comparisons = comparisons.saturating_sub(names.clone().count());
            // With other labels it is there.
            if !names.clone().any(|name| name == meant) {
                let closest = names.filter_map(|name| Some((closeness(meant, name)?, name))).min();
                near.extend(closest.map(|(_, name)| (want.id, name.to_owned())));
            }
        }
        near
    }

    fn done(mut self, format: Format) -> (Vec<Series>, Vec<(u64, Found)>) {
        let found = self.wants.into_iter().map(|want| {
            let found = match (want.query, want.found) {
                (Query::Json { .. }, _) => Found::Refused(Refusal::WrongFormat("JSON", format)),
                (Query::Text(_), _) => Found::Refused(Refusal::WrongFormat("text", format)),
                (Query::Number, _) => Found::Refused(Refusal::WrongFormat("one number", format)),
                (_, Ok(positions)) => Found::Series(positions),
                (_, Err(refusal)) => Found::Refused(refusal),
            };
            (want.id, found)
        });
        let found = found.collect();
        self.series.shrink_to_fit();
        (self.series, found)
    }
}

impl<'a> WantState<'a> {
    /// The one name that is wanted, while nothing is found.
    fn meant(&self) -> Option<&'a str> {
        if !self.found.as_ref().is_ok_and(Vec::is_empty) {
            return None;
        }
        match self.query {
            Query::Series { selectors, .. } => selectors.first()?.name.as_deref(),
            Query::Named { name, .. } => Some(name),
            Query::Json { .. } | Query::Text(_) | Query::Number => None,
        }
    }

    #[inline(always)]
    fn may_want(&self, name: &str) -> bool {
        self.found.is_ok()
            && match self.query {
                Query::Series { selectors, .. } => {
                    selectors.iter().any(|selector| selector.name.as_deref().is_none_or(|wanted| wanted == name))
                }
                Query::Named { name: wanted, .. } => wanted == name,
                Query::Json { .. } | Query::Text(_) | Query::Number => false,
            }
    }

    fn wants(&self, sample: &Sample<'_>) -> bool {
        self.may_want(sample.name)
            && match self.query {
                Query::Series { selectors, .. } => {
                    selectors.iter().any(|selector| selector.matches(sample.name, |label| sample.labels.get(label)))
                }
                _ => true,
            }
    }
}

impl Sink for SeriesCollector<'_> {
    #[inline(always)]
    fn wants(&mut self, name: &str) -> bool {
        if self.is_unmet {
            self.note(name);
        }
        name == PROCESS_START || self.wants.iter().any(|want| want.may_want(name))
    }

    fn too_long(&mut self, name: &str) {
        for want in self.wants.iter_mut().filter(|want| want.may_want(name)) {
            want.found = Err(Refusal::LineTooLong(self.limits.page.line));
        }
    }

    // Few are wanted of most pages: the loop over the lines is faster without it inside.
    #[inline(never)]
    fn sample(&mut self, sample: &Sample<'_>) {
        // Two tell that the page is about several processes.
        if sample.name == PROCESS_START && self.starts.len() < 2 {
            self.starts.push(sample.value);
        }
        let position = self.series.len() as u32;
        let text = sample.name.len() + sample.labels.raw().len();
        let refusal = if self.bytes + text > self.limits.page.kept_bytes {
            Some(Refusal::TooLarge(self.limits.page.kept_bytes))
        } else {
            None
        };
        let (mut wanted, mut looked_at) = (false, None);
        for want in self.wants.iter_mut().filter(|want| want.wants(sample)) {
            let (new, labels) = *looked_at.get_or_insert_with(|| {
                let (identity, labels) = identity(sample);
                (self.seen.insert(identity), labels)
            });
            match &mut want.found {
                _ if !new => want.found = Err(Refusal::Duplicate),
                _ if labels > self.limits.page.labels => {
                    want.found = Err(Refusal::TooManyLabels(self.limits.page.labels));
                }
                _ if refusal.is_some() => want.found = refusal.clone().map_or(Ok(Vec::new()), Err),
                Ok(positions) if positions.len() >= self.limits.page.kept_series => {
                    want.found = Err(Refusal::TooMany(self.limits.page.kept_series));
                }
                Ok(positions) => {
                    positions.push(position);
                    wanted = true;
                }
                Err(_) => {}
            }
        }
        if wanted {
            self.bytes += text;
            self.series.push(Series::new(sample));
        }
        if self.is_unmet {
            self.is_unmet = self.wants.iter().any(|want| want.meant().is_some());
        }
    }
}

/// Name and labels in any order, as one number, and how many labels there are: two series that agree in 64 bits are taken
/// for one, and the rule errs rather than sums twice.
fn identity(sample: &Sample<'_>) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    sample.name.hash(&mut hasher);
    let mut count = 0;
    let labels = sample.labels.iter().map(|label| {
        count += 1;
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        hasher.finish()
    });
    labels.fold(0, u64::wrapping_add).hash(&mut hasher);
    (hasher.finish(), count)
}
