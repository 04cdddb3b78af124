//! How fast a page of metrics is parsed: `parser PAGE`, a file in Prometheus text. Prints MB/s of page, the median of many runs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use metriclet::parse::exposition::{Format, Limits, Parser, Sample, Sink, Summary};

/// What one read from a socket brings.
const CHUNK: usize = 16 * 1024;
const RUNS: usize = 51;
/// Each run parses the page as often as fits in this time, so that the clock's own cost does not show.
const RUN: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: parser PAGE")?;
    let page = std::fs::read_to_string(path)?;
    let mut every = Everything::default();
    let summary = parse(&page, &mut every);
    let one = Named { name: &every.last, sum: 0.0 };
    println!("{} bytes, {} lines, {} samples; one series is {}", page.len(), summary.lines, summary.samples, one.name);

    let one = measure(&page, |page| parse(page, &mut Named { ..one }));
    let all = measure(&page, |page| parse(page, &mut Everything::default()));
    let names = measure(&page, |page| parse(page, &mut Names(0)));
    let rival = measure(&page, |page| prometheus_parse::Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))));
    println!("ours, one series          {one:7.0} MB/s  {:5.1} × prometheus-parse", one / rival);
    println!("ours, names and values    {names:7.0} MB/s  {:5.1} × prometheus-parse", names / rival);
    println!("ours, every label read    {all:7.0} MB/s  {:5.1} × prometheus-parse", all / rival);
    println!("prometheus-parse          {rival:7.0} MB/s");
    Ok(())
}

/// The median speed of `work` on the page, in MB/s.
fn measure<T>(page: &str, mut work: impl FnMut(&str) -> T) -> f64 {
    let mut speeds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let mut pages = 0;
            while start.elapsed() < RUN {
                black_box(work(black_box(page)));
                pages += 1;
            }
            (page.len() * pages) as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[RUNS / 2]
}

fn parse(page: &str, sink: &mut impl Sink) -> Summary {
    let mut parser = Parser::new(Format::Prometheus, Limits { line: 65_536, labels: 64 });
    for chunk in page.as_bytes().chunks(CHUNK) {
        parser.feed(chunk, sink).unwrap_or_else(|error| panic!("parsing the page: {error}"));
    }
    parser.finish().unwrap_or_else(|error| panic!("parsing the page: {error}"))
}

/// Wants one series.
struct Named<'a> {
    name: &'a str,
    sum: f64,
}

impl Sink for Named<'_> {
    fn wants(&mut self, name: &str) -> bool {
        name == self.name
    }
    fn sample(&mut self, sample: &Sample<'_>) {
        self.sum += sample.value;
    }
}

/// Wants all, reads names and values.
struct Names(usize);

impl Sink for Names {
    fn wants(&mut self, _: &str) -> bool {
        true
    }
    fn sample(&mut self, sample: &Sample<'_>) {
        self.0 += sample.name.len();
        black_box(sample.value);
    }
}

/// Wants all, reads every label, remembers the last name.
#[derive(Default)]
struct Everything {
    length: usize,
    last: String,
}

impl Sink for Everything {
    fn wants(&mut self, _: &str) -> bool {
        true
    }
    fn sample(&mut self, sample: &Sample<'_>) {
        for (name, value) in sample.labels.iter() {
            self.length += name.len() + value.len();
        }
        black_box((sample.value, sample.kind));
        self.last.clear();
        self.last.push_str(sample.name);
    }
}
