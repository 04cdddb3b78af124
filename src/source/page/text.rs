//! Pages of text: the series that rules use are kept, all others are skipped.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::io;
use std::time::Duration;

use super::age;
use super::unmatched::{NearNames, Unmatched};
use super::wanted::WantedState;
use super::{BodyError, Found, Page, PageBody, Query, Refusal, Series, WantedValues};
use crate::config::limits::Limits;
use crate::config::model::Format;
use metriclet_exposition::{ExpositionLimits, Labels, Parser, Sample, Sink};

/// Reads a page to its end. `head` was already read from the body.
pub(super) fn read(
    body: &mut PageBody<'_>,
    head: &[u8],
    format: Format,
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let syntax = match format {
        Format::OpenMetrics => metriclet_exposition::Format::OpenMetrics,
        _ => metriclet_exposition::Format::Prometheus,
    };
    let mut parser = Parser::new(syntax, ExpositionLimits { line: limits.page.line });
    if let Some(known) = body.known {
        parser = match known.should_record() {
            true => parser.recording_series(limits.page.known),
            false => parser.with_known_series(known.of(format)),
        };
    }
    let mut keep = SeriesCollector::new(wants, limits);
    let most = body.max_bytes.unwrap_or(limits.page.bytes);
    let mut buffer = [0; 16 * 1024];
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
    if let Some(known) = body.known {
        match parser.recorded() {
            Some(series) => known.record(format, series),
            // Records the page even if no series are known yet, because the first page may have been invalid.
            None => known.count(parser.recognized(), summary.samples),
        }
    }
    let process = keep.process();
    let unmatched = keep.unmatched();
    let (series, found) = keep.done(format);
    Ok(Page {
        at,
        taken: None,
        age: Duration::ZERO,
        bytes,
        samples: summary.samples,
        format,
        unmatched,
        process,
        series,
        found,
    })
}

/// The size limit of the suggestions of a page for selectors without series. 64 KiB, two hundred selectors.
const HINTS: usize = 64 * 1024;

/// The metric with the start time of the process, which most client libraries export.
const PROCESS_START: &str = "process_start_time_seconds";

/// Keeps the series that rules use, within each rule's limits.
struct SeriesCollector<'a> {
    wants: Vec<WantedState<'a>>,
    series: Vec<Series>,
    /// The keys are already hashes, with a random key per page.
    seen: HashSet<u64, BuildHasherDefault<IdentityHasher>>,
    key: RandomState,
    bytes: usize,
    /// The start times of the page's processes.
    starts: Vec<f64>,
    /// The names of the page's metrics, while some selector has not matched.
    names: NearNames<'a>,
    /// Whether the metric of some selector has not occurred yet.
    is_absent: bool,
    limits: &'a Limits,
}

impl<'a> SeriesCollector<'a> {
    fn new(wants: &'a [WantedValues], limits: &'a Limits) -> Self {
        let wants: Vec<_> = wants.iter().map(WantedState::new).collect();
        let is_absent = wants.iter().any(|want| want.absent().next().is_some());
        Self {
            wants,
            series: Vec::new(),
            seen: HashSet::default(),
            key: RandomState::new(),
            bytes: 0,
            starts: Vec::new(),
            names: NearNames::new(),
            is_absent,
            limits,
        }
    }

    /// The start time of the page's only process, in bits.
    fn process(&self) -> Option<u64> {
        match self.starts.as_slice() {
            [start] => Some(start.to_bits()),
            _ => None,
        }
    }

    /// Records the name of a metric, for selectors that match nothing.
    #[inline(never)]
    fn note(&mut self, name: &str) {
        if !self.names.note(name) {
            self.compare();
            self.names.note(name);
        }
    }

    fn compare(&mut self) {
        self.names.compare(self.wants.iter().flat_map(WantedState::absent));
    }

    /// The suggestions for selectors that match nothing, by the ids of the wanted values.
    fn unmatched(&mut self) -> Vec<(u64, Vec<Unmatched>)> {
        self.compare();
        let mut left = HINTS;
        let mut all = Vec::new();
        for want in &self.wants {
            let fits = |unmatched: &Unmatched| {
                let fits = unmatched.cost() <= left;
                left = left.saturating_sub(unmatched.cost());
                fits
            };
            let unmatched: Vec<_> = want.unmatched(&self.names).take_while(fits).collect();
            if !unmatched.is_empty() {
                all.push((want.id, unmatched));
            }
        }
        all
    }

    fn done(mut self, format: Format) -> (Vec<Series>, Vec<(u64, Found)>) {
        let found = self.wants.into_iter().map(|want| {
            let found = match (want.query, want.found) {
                (Query::Json { .. }, _) => Found::Refused(Refusal::WrongFormat("JSON", format)),
                (Query::Text(_), _) => Found::Refused(Refusal::WrongFormat("text", format)),
                (Query::Number, _) => Found::Refused(Refusal::WrongFormat("one number", format)),
                (Query::Series { selectors, age: Some(age), .. }, Ok(positions)) => {
                    let kept = self.series.len();
                    let positions = age::apply(&mut self.series, &positions, age, selectors);
                    let added: usize = self.series.iter().skip(kept).map(|series| series.text.len()).sum();
                    self.bytes += added;
                    match self.bytes > self.limits.page.kept_bytes {
                        true => {
                            self.series.truncate(kept);
                            self.bytes -= added;
                            Found::Refused(Refusal::TooLarge(self.limits.page.kept_bytes))
                        }
                        false => Found::Series(positions),
                    }
                }
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

impl Sink for SeriesCollector<'_> {
    #[inline(always)]
    fn wants(&mut self, name: &str) -> bool {
        if self.is_absent {
            self.note(name);
        }
        name == PROCESS_START || self.wants.iter().any(|want| want.may_want(name))
    }

    fn too_long(&mut self, name: &str, labels: Labels<'_>) {
        for want in &mut self.wants {
            if want.may_want_one(name, labels) {
                want.found = Err(Refusal::LineTooLong(self.limits.page.line));
            } else {
                want.is_on_the_page(name);
            }
        }
    }

    // Rules use few series of most pages: the loop over the lines is faster without this code inside.
    #[inline(never)]
    fn sample(&mut self, sample: &Sample<'_>) {
        // Two start times show that the page describes several processes.
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
        for want in &mut self.wants {
            if !want.wants(sample) {
                continue;
            }
            let (new, labels) = *looked_at.get_or_insert_with(|| {
                let (identity, labels) = identity(sample, &self.key);
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
        if self.is_absent {
            self.is_absent = self.wants.iter().any(|want| want.absent().next().is_some());
        }
    }
}

/// A hash of the name and of the labels in any order, and the number of labels. Two series with the same hash are
/// treated as one, so that the rule fails rather than adding a series twice.
fn identity(sample: &Sample<'_>, key: &RandomState) -> (u64, usize) {
    let (mut labels, mut count) = (0u64, 0);
    for (name, value) in sample.labels.iter() {
        let mut hasher = key.build_hasher();
        hasher.write(name.as_bytes());
        // This byte does not occur in UTF-8, so it ends the name.
        hasher.write_u8(0xff);
        hasher.write(value.as_bytes());
        labels = labels.wrapping_add(hasher.finish());
        count += 1;
    }
    let mut hasher = key.build_hasher();
    hasher.write_u64(labels);
    hasher.write(sample.name.as_bytes());
    (hasher.finish(), count)
}

/// A hasher for keys that are already hashes.
#[derive(Default)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::unmatched::Hint;
    use super::*;
    use crate::promql::{self, Expr};

    /// The values of a rule on a page, and whether it has suggestions for other names.
    fn find(page: &str, value: &str) -> (Result<Vec<f64>, Refusal>, bool) {
        let mut limits = Limits::default();
        limits.page.line = 60;
        let expr = Expr::parse(value, &promql::Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 }).unwrap();
        let query = Query::Series { selectors: expr.selectors().cloned().collect(), or_number: false, age: None };
        let mut body = PageBody { reader: &mut page.as_bytes(), delimited: true, max_bytes: None, known: None };
        let page = read(&mut body, &[], Format::Prometheus, &[WantedValues { id: 0, query }], 0, &limits).unwrap();
        let found = match page.found(0).unwrap() {
            Found::Series(positions) => Ok(page.series(positions).map(Series::value).collect()),
            Found::Refused(refusal) => Err(refusal.clone()),
            found => panic!("expected series, found {found:?}"),
        };
        (found, page.unmatched(0).iter().any(|unmatched| matches!(unmatched.hint, Hint::Names(_))))
    }

    #[test]
    fn a_long_line_fails_the_rules_that_may_use_it() {
        let long = "x".repeat(60);
        let page = [
            "a{b=\"1\"} 1\n",
            &format!("a{{b=\"2\",c=\"{long}\",d=\"3\"}} 1\n"),
            "# TYPE h histogram\n",
            &format!("h_bucket{{le=\"1\",c=\"{long}\"}} 1\n"),
            "h_bucket{le=\"2\"} 2\n",
            &format!("{{\"q.r\",b=\"1\",c=\"{long}\"}} 1\n"),
            "qr 1\n",
        ];
        for (value, expected) in [
            ("a", None),
            (r#"a{b="1"}"#, Some(vec![1.0])),
            (r#"a{b="1",d="3"}"#, Some(vec![])),
            (r#"a{b="2"}"#, None),
            (r#"a{b!="2"}"#, Some(vec![1.0])),
            (r#"a{b=~"2.*"}"#, None),
            (r#"a{b=~"1|3"}"#, Some(vec![1.0])),
            (r#"a{b=""}"#, Some(vec![])),
            // Labels beyond the limit may be present or not.
            (r#"a{d="4"}"#, None),
            (r#"a{d=""}"#, None),
            (r#"sum(a{b="1"}) + sum(a{b="2"})"#, None),
            (r#"h_bucket{le="1.0"}"#, None),
            (r#"h_bucket{le="2.0"}"#, Some(vec![2.0])),
            (r#"{"q.r",b="1"}"#, None),
            // The metric exists, so no other name is suggested.
            (r#"{"q.r",b="2"}"#, Some(vec![])),
        ] {
            let expected = expected.ok_or(Refusal::LineTooLong(60));
            assert_eq!(find(&page.concat(), value), (expected, false), "{value}");
        }
    }
}
