//! Complete pages: what each format accepts and rejects, for every division into chunks.

mod known;
mod openmetrics;
mod prometheus;

use std::fmt::Write;

use super::parser::Summary;
use super::*;

const LIMITS: ExpositionLimits = ExpositionLimits { line: 200 };
const PAGES: [(Format, &str); 2] = [
    (Format::Prometheus, include_str!("../../tests/fixtures/pages/small.txt")),
    (Format::OpenMetrics, include_str!("../../tests/fixtures/pages/small.openmetrics.txt")),
];
const NODE: &str = include_str!("../../tests/fixtures/pages/node_exporter.txt");

/// Records samples, one per line.
struct Notes {
    wants: fn(&str) -> bool,
    text: String,
}

impl Sink for Notes {
    fn wants(&mut self, name: &str) -> bool {
        (self.wants)(name)
    }

    fn too_long(&mut self, name: &str, labels: Labels<'_>) {
        write!(self.text, "{name}").unwrap();
        for (name, value) in labels.iter() {
            write!(self.text, " {name}={value:?}").unwrap();
        }
        writeln!(self.text, " is too long").unwrap();
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let Sample { name, labels, value, timestamp, kind } = sample;
        write!(self.text, "{kind:?} {name}").unwrap();
        for (name, value) in labels.iter() {
            assert_eq!(labels.get(&name), Some(value.clone()));
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

/// Parses a page in one chunk; checks that the result is the same byte by byte, and without wanted samples.
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

/// Asserts that each page contains this one sample.
fn assert_parses(format: Format, table: &[(&str, &str)]) {
    let end = if format == Format::OpenMetrics { "# EOF\n" } else { "" };
    for (page, sample) in table {
        let expected = if sample.is_empty() { String::new() } else { format!("{sample}\n") };
        assert_eq!(read(format, format!("{page}\n{end}").as_bytes()), Ok(expected), "{page}");
    }
}

/// Asserts that each page is rejected with this message.
fn assert_rejects(format: Format, table: &[(&[u8], &str)]) {
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
fn parses_the_same_in_any_three_chunks() {
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
fn rejects_truncated_pages() {
    for (format, page) in PAGES {
        for end in 0..page.len() - 1 {
            let whole_lines = format == Format::Prometheus && (end == 0 || page.as_bytes()[end - 1] == b'\n');
            assert_eq!(read_chunks(format, [&page.as_bytes()[..end]], |_| true).is_ok(), whole_lines, "cut at {end}");
        }
    }
}

#[test]
fn parses_damaged_pages_the_same_in_any_chunks() {
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
fn passes_on_only_wanted_samples() {
    let (summary, notes) =
        read_chunks(Format::Prometheus, [PAGES[0].1.as_bytes()], |name| name.starts_with("queue")).unwrap();
    assert_eq!(notes, "Gauge queue_depth queue=\"a\" -1500\nGauge queue_depth inf at -1\n");
    assert_eq!(summary, Summary { bytes: 492, lines: 14, samples: 8 });
}

#[test]
fn parses_a_page_of_node_exporter() {
    struct Count(u64, f64);
    impl Sink for Count {
        fn wants(&mut self, name: &str) -> bool {
            name != "go_info"
        }
        fn too_long(&mut self, name: &str, _: Labels<'_>) {
            panic!("{name} is too long");
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
    let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: 65_536 });
    for chunk in NODE.as_bytes().chunks(1_000) {
        parser.feed(chunk, &mut count).unwrap();
    }
    assert_eq!(parser.finish(), Ok(Summary { bytes: NODE.len() as u64, lines: 1_073, samples: 507 }));
    assert_eq!((count.0, count.1), (506, 1.000_010_555));
}

#[test]
fn limits_the_length_of_a_line() {
    let label = "x".repeat(LIMITS.line - r#"a{b=""} 1"#.len());
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let read = |line: &[u8]| read(format, &[b"a 1\n", line, b"\nc 2\n# EOF\n"].concat());
        let about = |what: &str| Ok(format!("Unknown a 1\n{what}Unknown c 2\n"));
        assert_eq!(read(format!("b{{b=\"{label}\"}} 1").as_bytes()), about(&format!("Unknown b b={label:?} 1\n")));
        let longer = "x".repeat(1_000);
        for (line, expected) in [
            (format!("b{{b=\"{label}xxxxx\"}} 1"), "b is too long\n"),
            (format!("b{{b=\"{longer}"), "b is too long\n"),
            (format!("{{\"b.c\",b=\"{longer}\"}} 1"), "b.c is too long\n"),
            (format!("b{{c=\"\\\\\",\"d.e\"=\"f\",b=\"{longer}\"}} 1"), "b c=\"\\\\\" d.e=\"f\" is too long\n"),
            (format!("{{\"b.c\",\"d.e\"=\"f\",b=\"{longer}\"}} 1"), "b.c d.e=\"f\" is too long\n"),
            (format!("b{{c=\"d\"}} 1 # {{e=\"{longer}\"}} 1"), "b c=\"d\" is too long\n"),
            (format!("b 1 # {{c=\"d\",e=\"{longer}\"}} 1"), "b is too long\n"),
            (format!("b{{c=\"d\",{longer}=\"e\"}} 1"), "b c=\"d\" is too long\n"),
            (format!("b{{c=\"d\",\"{longer}\"=\"e\"}} 1"), "b c=\"d\" is too long\n"),
            (format!("# HELP b {longer}"), ""),
        ] {
            assert_eq!(read(line.as_bytes()), about(expected), "{line}");
        }
        let invalid = [b"b{b=\"".as_slice(), &[0xff; 300], b"\"} 1"].concat();
        assert_eq!(read(&invalid), about("b is too long\n"));
        let nameless = "line 2, column 1: expected a metric name, found a line of more than 200 bytes without one";
        for line in [longer.as_bytes(), &[0xff; 1_000], format!("{{b=\"{longer}\",\"c\"}} 1").as_bytes()] {
            assert_eq!(read(line), Err(nameless.to_owned()));
        }
    }
}

/// Wherever the limit cuts the line, the labels are the first ones of the complete line.
#[test]
fn keeps_complete_labels_of_a_long_line() {
    let line = r#"b{a="x\\",le="1","c.d"="\"}",e="",f="\\\"", g = "é",} 1"#;
    let read = |limit| {
        let mut notes = Notes { wants: |_| true, text: String::new() };
        let mut parser = Parser::new(Format::Prometheus, ExpositionLimits { line: limit });
        parser.feed(format!("{line}\n").as_bytes(), &mut notes).unwrap();
        notes.text
    };
    let whole = r#" a="x\\" le="1" c.d="\"}" f="\\\"" g="é""#;
    assert_eq!(read(line.len()), format!("Unknown b{whole} 1\n"));
    let mut seen = Vec::new();
    for limit in "b{".len()..line.len() {
        let notes = read(limit);
        let labels = notes.strip_prefix('b').and_then(|notes| notes.strip_suffix(" is too long\n")).unwrap();
        assert!(whole.starts_with(labels), "{labels}");
        seen.push(labels.to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 6, "{seen:?}");
}

/// The time must be linear in the number of labels: quadratic time would be minutes for the second half.
#[test]
fn parses_thousands_of_labels() {
    let labels: Vec<String> = (0..40_000).map(|at| format!("l{at:05}=\"{at}\"")).collect();
    let line = ExpositionLimits { line: 1 << 20 };
    let read = |labels: &[String]| {
        let mut notes = Notes { wants: |_| false, text: String::new() };
        let mut parser = Parser::new(Format::Prometheus, line);
        parser.feed(format!("a{{{}}} 1\n", labels.join(",")).as_bytes(), &mut notes).map_err(|error| error.to_string())
    };
    assert_eq!(read(&labels), Ok(()));
    for (at, again) in [(70, 3), (39_999, 39_998), (39_999, 0)] {
        let mut labels = labels.clone();
        labels[at] = labels[again].clone();
        let error = read(&labels).unwrap_err();
        assert!(error.contains("expected each label name only once"), "{error}");
    }
}

#[test]
fn keeps_rejecting_a_rejected_page() {
    let mut notes = Notes { wants: |_| true, text: String::new() };
    let mut parser = Parser::new(Format::Prometheus, LIMITS);
    let error = parser.feed(b"a 1\n1\nb 2\n", &mut notes).unwrap_err();
    assert_eq!(parser.feed(b"c 3\n", &mut notes), Err(error.clone()));
    assert_eq!(parser.finish(), Err(error));
    assert_eq!(notes.text, "Unknown a 1\n");
}
