//! Measures how fast a page of metrics is parsed: `parser PAGE`, a file in the Prometheus text format. Prints MB/s, the median
//! of many rounds. Each round runs every reader, so that other load on the machine affects all of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use metriclet::internals::config::limits::{ExpressionLimits, Limits};
use metriclet::internals::config::model::Format;
use metriclet::internals::parse::exposition::{ExpositionLimits, Format as Syntax, Labels, Parser, Sample, Sink};
use metriclet::internals::promql::{self, Expr};
use metriclet::internals::source::page::{Found, Page, PageBody, Query, WantedValues};

const ROUNDS: usize = 51;
/// Each turn reads the page repeatedly for this time, so that the cost of the clock is negligible.
const TURN: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: parser PAGE")?;
    let text = std::fs::read_to_string(path)?;
    let limits = Limits::default();
    let one = want("node_load1", &limits)?;
    let all = want(r#"{__name__!=""}"#, &limits)?;
    let page = read(&text, &all, &limits);
    println!("{} bytes, {} lines, {} samples", text.len(), text.lines().count(), page.samples);
    assert_eq!((count(&read(&text, &one, &limits), &one), count(&page, &all) as u64), (1, page.samples));

    // `read` does what a fetch does, from the bytes to the series that a rule keeps; prometheus-parse keeps all series.
    let readers: [(&str, &dyn Fn()); 4] = [
        ("one series wanted", &|| drop(black_box(read(black_box(&text), &one, &limits)))),
        ("all series read", &|| _ = black_box(parse(black_box(&text), &limits))),
        ("all series kept", &|| drop(black_box(read(black_box(&text), &all, &limits)))),
        ("prometheus-parse", &|| drop(black_box(other_parser(black_box(&text))))),
    ];
    let mut speeds = readers.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, reader), speeds) in readers.iter().zip(&mut speeds) {
            speeds.push(text.len() as f64 * per_second(reader) / 1e6);
        }
    }
    let [.., other_parser] = &speeds;
    for ((name, _), speeds) in readers.iter().zip(&speeds) {
        let ratios = speeds.iter().zip(other_parser).map(|(ours, other_parser)| ours / other_parser).collect();
        let ([low, middle, high], [_, ratio, _]) = (spread(speeds.clone()), spread(ratios));
        println!("{name:18} {middle:6.0} MB/s ({low:.0}–{high:.0})  {ratio:5.1} × prometheus-parse");
    }
    Ok(())
}

/// How often `work` runs per second.
fn per_second(work: &dyn Fn()) -> f64 {
    let start = Instant::now();
    let mut times = 0;
    while start.elapsed() < TURN {
        work();
        times += 1;
    }
    f64::from(times) / start.elapsed().as_secs_f64()
}

/// The 10th percentile, the median and the 90th percentile.
fn spread(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    [1, 5, 9].map(|tenths| numbers[numbers.len() * tenths / 10])
}

fn want(text: &str, limits: &Limits) -> Result<[WantedValues; 1], Box<dyn std::error::Error>> {
    let ExpressionLimits { bytes, depth, nodes, regex } = limits.expression;
    let expr = Expr::parse(text, &promql::Limits { bytes, depth, nodes, regex })?;
    Ok([WantedValues {
        id: 0,
        query: Query::Series { selectors: expr.selectors().cloned().collect(), or_number: false, age: None },
    }])
}

fn read(text: &str, wants: &[WantedValues], limits: &Limits) -> Page {
    let mut body = PageBody { reader: &mut text.as_bytes(), delimited: true, max_bytes: None, known: None };
    let page = Page::read(&mut body, Some(Format::Prometheus), wants, 0, limits);
    page.unwrap_or_else(|error| panic!("reading the page: {error:?}"))
}

fn count(page: &Page, wants: &[WantedValues; 1]) -> usize {
    match page.found(wants[0].id) {
        Some(Found::Series(series)) => series.len(),
        found => panic!("expected series, found {found:?}"),
    }
}

/// Runs only the parser: it reads every label and value, and keeps nothing.
fn parse(text: &str, limits: &Limits) -> Everything {
    let mut everything = Everything(0);
    let mut parser = Parser::new(Syntax::Prometheus, ExpositionLimits { line: limits.page.line });
    for chunk in text.as_bytes().chunks(16 * 1024) {
        parser.feed(chunk, &mut everything).unwrap_or_else(|error| panic!("reading the page: {error}"));
    }
    parser.finish().unwrap_or_else(|error| panic!("reading the page: {error}"));
    everything
}

struct Everything(usize);

impl Sink for Everything {
    fn wants(&mut self, _: &str) -> bool {
        true
    }
    fn too_long(&mut self, _: &str, _: Labels<'_>) {}
    fn sample(&mut self, sample: &Sample<'_>) {
        self.0 += sample.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        black_box((sample.name, sample.value));
    }
}

fn other_parser(text: &str) -> prometheus_parse::Scrape {
    let scrape = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned())));
    scrape.unwrap_or_else(|error| panic!("reading the page with prometheus-parse: {error}"))
}
