//! Known series do not change the result of a page.

use std::sync::Arc;

use crate::{ExpositionLimits, Format, KnownSeries, Labels, PageError, Parser, Sample, Sink};

const LIMITS: ExpositionLimits = ExpositionLimits { line: 200 };

/// The calls of a sink that wants names starting with `a`.
#[derive(Debug, Default, PartialEq)]
struct Received(Vec<String>);

impl Sink for Received {
    fn wants(&mut self, name: &str) -> bool {
        name.starts_with('a')
    }

    fn too_long(&mut self, name: &str, labels: Labels<'_>) {
        self.0.push(format!("too long: {name} {}", labels.raw()));
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let Sample { name, labels, value, timestamp, kind } = *sample;
        let labels: Vec<_> = labels.iter().collect();
        self.0.push(format!("{name} {labels:?} {value} {timestamp:?} {kind:?}"));
    }
}

fn read(page: &str, parser: Parser) -> (Result<u64, PageError>, Received, Option<KnownSeries>, u64) {
    // Small chunks, which end within lines and tokens.
    read_chunks(page, 7, parser)
}

fn read_chunks(
    page: &str,
    size: usize,
    mut parser: Parser,
) -> (Result<u64, PageError>, Received, Option<KnownSeries>, u64) {
    let mut received = Received::default();
    let fed = page.as_bytes().chunks(size).try_for_each(|chunk| parser.feed(chunk, &mut received));
    let finished = fed.and_then(|()| parser.finish()).map(|summary| summary.samples);
    let recorded = finished.is_ok().then(|| parser.recorded()).flatten();
    (finished, received, recorded, parser.recognized())
}

const PAGES: &[&str] = &[
    "",
    "a 1\nb 2\n",
    "a{x=\"1\"} 1\na{x=\"2\"} 2\nb{x=\"1\"} 3\nb{x=\"2\"} 4\nb{x=\"3\"} 5\n",
    "a{x=\"1\"} 7 99\na{x=\"1.5\"} 1\na{x=\"2\"}8\nb{x=\"1\"} NaN\nb{x=\"3\"} -Inf\nb 1\n",
    "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"2\"} 2\na_sum 3\na_count 2\n",
    "# TYPE a gauge\na_bucket{le=\"1\"} 1\na_bucket{le=\"2\"} 2\na_sum 3\na_count 2\n",
    "a { x = \"1\" , y=\"}\" , } 1\na{x=\"}\"} 2\naa 3\na\t4\na  5\n{\"a\",x=\"1\"} 6\nab{} 7\n",
    "a{x=\"1\"} 1 # {} 1\n",
    "a{x=\"1\"} x\n",
    "a{x=\"1\"}\n",
    "a{x=\"1\"} 1",
    "a{x=\"1\",x=\"1\"} 1\n",
    "a\n",
    "a 1 2 3\n",
    "# TYPE a counter\na_total{x=\"1\"} 1 # {t=\"1\"} 2\na_total{x=\"2\"} 1.5 3\n# EOF\n",
    "a 1\na{x=\"1\"} 2\na{x=\"1\"}  2\n# EOF\n",
    "b 1\nb 1\nb 1\na 1\nb 1\n# EOF\n",
    "b 1\nb 1.5e+06\nb 1 \na  1\nb 1e05\nb 0x1\n# EOF\n",
    "a{x=\"1\"} 1\na{x=\"2\"}  2\na{x=\"1\"} 1\nb{x=\"1\"} 12345678901234567890\nb{x=\"2\"} 4.\nb{x=\"3\"} 1.5.5\n",
];

#[test]
fn known_series_do_not_change_the_result() {
    for format in [Format::Prometheus, Format::OpenMetrics] {
        for known in PAGES {
            let (_, _, recorded, _) = read(known, Parser::new(format, LIMITS).recording_series(10_000));
            let Some(recorded) = recorded.map(Arc::new) else { continue };
            for page in PAGES {
                let (expected, received, ..) = read(page, Parser::new(format, LIMITS));
                for size in [7, 1_000] {
                    let parser = Parser::new(format, LIMITS).with_known_series(Some(recorded.clone()));
                    let (found, found_received, ..) = read_chunks(page, size, parser);
                    assert_eq!(
                        (&found, &found_received),
                        (&expected, &received),
                        "{format:?}: {page:?} after {known:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn finds_series_between_added_and_removed_ones() {
    let page = |numbers: &[usize]| numbers.iter().map(|number| format!("a{{n=\"{number}\"}} 1\n")).collect::<String>();
    let known =
        read(&page(&[1, 2, 3, 4, 5, 6, 7, 8]), Parser::new(Format::Prometheus, LIMITS).recording_series(10_000)).2;
    let known = Arc::new(known.unwrap());
    for (numbers, expected) in [
        (&[1, 2, 3, 4, 5, 6, 7, 8][..], 8),
        (&[1, 2, 9, 3, 4, 10, 11, 5, 6, 7, 8], 8),
        (&[4, 8], 2),
        (&[5, 6, 7, 8], 0),
        (&[9, 10], 0),
        (&[], 0),
    ] {
        let parser = Parser::new(Format::Prometheus, LIMITS).with_known_series(Some(known.clone()));
        assert_eq!(read(&page(numbers), parser).3, expected, "{numbers:?}");
    }
}

#[test]
fn records_no_more_than_the_limit() {
    let page: String = (0..100).map(|number| format!("a{{n=\"{number}\"}} 1\n")).collect();
    let recorded = |most| read(&page, Parser::new(Format::Prometheus, LIMITS).recording_series(most)).2;
    assert!(recorded(1_000).is_none());
    assert!(recorded(100_000).is_some_and(|recorded| recorded.cost() > 2_000));
}
