//! Whole pages: what each format accepts and rejects, however the page is split.

mod openmetrics;
mod prometheus;

use std::fmt::Write;

use super::parser::Summary;
use super::*;

const LIMITS: ExpositionLimits = ExpositionLimits { line: 200, labels: 3 };
const PAGES: [(Format, &str); 2] = [
    (Format::Prometheus, include_str!("../../../tests/fixtures/pages/small.txt")),
    (Format::OpenMetrics, include_str!("../../../tests/fixtures/pages/small.openmetrics.txt")),
];
const NODE: &str = include_str!("../../../tests/fixtures/pages/node_exporter.txt");

/// Records samples, one line each.
struct Notes {
    wants: fn(&str) -> bool,
    text: String,
}

impl Sink for Notes {
    fn wants(&mut self, name: &str) -> bool {
        (self.wants)(name)
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let Sample { name, labels, value, timestamp, kind } = sample;
        write!(self.text, "{kind:?} {name}").unwrap();
        for (name, value) in labels.iter() {
            assert_eq!(labels.get(name), Some(value.clone()));
            write!(self.text, " {name}={value:?}").unwrap();
        }
        write!(self.text, " {value}").unwrap();
        if let Some(timestamp) = timestamp {
            write!(self.text, " at {timestamp}").unwrap();
        }
        self.text.push('\n');
    }
}

fn read_chunks<'a>(
    format: Format,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    wants: fn(&str) -> bool,
) -> Result<(Summary, String), String> {
    let mut notes = Notes { wants, text: String::new() };
    let mut parser = Parser::new(format, LIMITS);
    for chunk in chunks {
        parser.feed(chunk, &mut notes).map_err(|error| error.to_string())?;
    }
    parser.finish().map(|summary| (summary, notes.text)).map_err(|error| error.to_string())
}

/// Reads a page in one chunk; checks that one byte at a time, or wanting nothing, comes to the same.
fn read(format: Format, page: &[u8]) -> Result<String, String> {
    let whole = read_chunks(format, [page], |_| true);
    assert_eq!(read_chunks(format, page.chunks(1), |_| true), whole, "{}", page.escape_ascii());
    let unwanted = read_chunks(format, [page], |_| false);
    assert_eq!(
        unwanted.map(|(summary, _)| summary),
        whole.clone().map(|(summary, _)| summary),
        "{}",
        page.escape_ascii()
    );
    whole.map(|(_, notes)| notes)
}

/// Each page is read as the one sample given.
fn assert_reads(format: Format, table: &[(&str, &str)]) {
    let end = if format == Format::OpenMetrics { "# EOF\n" } else { "" };
    for (page, sample) in table {
        let expected = if sample.is_empty() { String::new() } else { format!("{sample}\n") };
        assert_eq!(read(format, format!("{page}\n{end}").as_bytes()), Ok(expected), "{page}");
    }
}

/// Each page is refused with this message.
fn assert_refuses(format: Format, table: &[(&[u8], &str)]) {
    for (page, message) in table {
        assert_eq!(read(format, page), Err((*message).to_owned()), "{}", page.escape_ascii());
    }
}

/// The message for a carriage return at the end of the first line.
fn carriage_return(column: usize) -> String {
    format!(
        "line 1, column {column}: expected a line feed alone at the end of the line, found a carriage return before it"
    )
}

#[test]
fn any_two_cuts_make_no_difference() {
    for (format, page) in PAGES {
        let page = page.as_bytes();
        let whole = read_chunks(format, [page], |_| true);
        assert!(whole.is_ok(), "{whole:?}");
        for first in 0..=page.len() {
            for second in (first..=page.len()).step_by(7) {
                let chunks = [&page[..first], &page[first..second], &page[second..]];
                assert_eq!(read_chunks(format, chunks, |_| true), whole, "cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn no_page_that_was_cut_off_is_read() {
    for (format, page) in PAGES {
        for end in 0..page.len() - 1 {
            let whole_lines = format == Format::Prometheus && (end == 0 || page.as_bytes()[end - 1] == b'\n');
            assert_eq!(read_chunks(format, [&page.as_bytes()[..end]], |_| true).is_ok(), whole_lines, "cut at {end}");
        }
    }
}

#[test]
fn damaged_pages_read_the_same_in_any_chunks() {
    for (format, page) in PAGES {
        for at in 0..page.len() {
            for byte in [b' ', b'\n', b'"', b'\\', b'}', b'#', b'9', b'e', 0, 0xff] {
                let mut page = page.as_bytes().to_vec();
                page[at] = byte;
                let _ = read(format, &page);
            }
        }
    }
}

#[test]
fn hands_over_only_what_is_wanted() {
    let (summary, notes) =
        read_chunks(Format::Prometheus, [PAGES[0].1.as_bytes()], |name| name.starts_with("queue")).unwrap();
    assert_eq!(notes, "Gauge queue_depth queue=\"a\" -1500\nGauge queue_depth inf at -1\n");
    assert_eq!(summary, Summary { bytes: 492, lines: 14, samples: 8 });
}

#[test]
fn reads_a_real_page() {
    struct Count(u64, f64);
    impl Sink for Count {
        fn wants(&mut self, name: &str) -> bool {
            name != "go_info"
        }
        fn sample(&mut self, sample: &Sample<'_>) {
            assert_ne!(sample.kind, Kind::StateSet);
            self.0 += 1;
            if sample.labels.get("collector").as_deref() == Some("uname") {
                self.1 += sample.value;
            }
        }
    }
    let mut count = Count(0, 0.0);
    let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: 65_536, labels: 64 });
    for chunk in NODE.as_bytes().chunks(1_000) {
        parser.feed(chunk, &mut count).unwrap();
    }
    assert_eq!(parser.finish(), Ok(Summary { bytes: NODE.len() as u64, lines: 1_073, samples: 507 }));
    assert_eq!((count.0, count.1), (506, 1.000_010_555));
}

#[test]
fn a_line_has_its_limit() {
    let label = "x".repeat(LIMITS.line - r#"a{b=""} 1"#.len());
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let fits = format!("a{{b=\"{label}\"}} 1\n# EOF\n");
        assert!(read(format, fits.as_bytes()).is_ok());
        let too_long = Err("line 1, column 201: expected a line of at most 200 bytes, found a longer one".to_owned());
        assert_eq!(read(format, format!("a{{b=\"{label}x\"}} 1\n# EOF\n").as_bytes()), too_long);
        assert_eq!(read(format, "x".repeat(LIMITS.line + 1).as_bytes()), too_long);
        assert_eq!(read(format, &[0xff; 1_000]), too_long);
    }
}

#[test]
fn a_page_once_refused_stays_refused() {
    let mut notes = Notes { wants: |_| true, text: String::new() };
    let mut parser = Parser::new(Format::Prometheus, LIMITS);
    let error = parser.feed(b"a 1\n1\nb 2\n", &mut notes).unwrap_err();
    assert_eq!(parser.feed(b"c 3\n", &mut notes), Err(error.clone()));
    assert_eq!(parser.finish(), Err(error));
    assert_eq!(notes.text, "Unknown a 1\n");
}
