//! Compares the page parser with Prometheus 3's own parser: on every page that both accept, the samples are the same.
//!
//! `cargo test --test textparse -- --ignored` runs it, with Go, which fetches Prometheus' module.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use metriclet::internals::parse::exposition::{ExpositionLimits, Format, Labels, Parser, Sample, Sink};

/// The number of damaged versions of each page, in addition to the page itself.
const DAMAGED: u32 = 300;

/// Bytes that damage a page: those with a meaning in the formats. Not NUL, which ends the page in Prometheus.
const BYTES: &[u8] = b" \t\n\"\\{},=#_:.1e-+aN\xff";

/// Bounds of buckets: Prometheus parses them like Go's `ParseFloat`, or leaves them unchanged.
const BOUNDS: [&str; 40] = [
    "1",
    "-1",
    "0",
    "1e5",
    "1e6",
    "inf",
    "+Infinity",
    "nan",
    "+nan",
    "1e999",
    "1 ",
    "infin",
    "1_000",
    "1_0.5_0e0_1",
    "_1",
    "1_",
    "1__0",
    "1_e5",
    "1e_5",
    "1._5",
    "0_1",
    "0b1",
    "0b_1",
    "0o7",
    "0x1",
    "0x1.8",
    "0x1p-2",
    "0X1P-2",
    "0x.8p1",
    "-0x1p2",
    "0x_1p0",
    "0x1p1_0",
    "0x1p1024",
    "0x1p-1080",
    "0x1p-1075",
    "0x1.1p-1075",
    "0x1.fffffffffffff8p0",
    "0x1.fffffffffffff8p1023",
    "0xp1",
    "0x1.000000000000080000000001p0",
];

/// The samples of a page, one per line; empty if it is rejected.
#[derive(Default)]
struct Samples(String);

impl Sink for Samples {
    fn wants(&mut self, _: &str) -> bool {
        true
    }

    fn too_long(&mut self, name: &str, _: Labels<'_>) {
        panic!("{name} is too long");
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let quoted = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            format!("{}={}", hex(&name), hex(&value))
        };
        let mut labels: Vec<_> = sample.labels.iter().map(quoted).collect();
        labels.sort();
        let value = if sample.value.is_nan() { "NaN".to_owned() } else { format!("{:x}", sample.value.to_bits()) };
        let timestamp = sample.timestamp.map_or("-".to_owned(), |at| at.to_string());
        writeln!(self.0, "{} {} {value} {timestamp}", hex(sample.name), labels.join(",")).unwrap();
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn read(format: Format, page: &[u8]) -> Option<String> {
    let mut samples = Samples::default();
    let mut parser = Parser::new(format, ExpositionLimits { line: 1 << 20 });
    parser.feed(page, &mut samples).ok()?;
    parser.end_line(&mut samples).ok()?;
    parser.finish().ok()?;
    Some(samples.0)
}

/// The fixtures in this format.
fn pages(format: Format) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pages");
    let mut pages = Vec::new();
    for entry in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        if !entry.is_dir() {
            let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
            let is_openmetrics = name.contains("openmetrics");
            if name.ends_with(".txt") && is_openmetrics == (format == Format::OpenMetrics) {
                pages.push(fs::read(&entry).unwrap());
            }
            continue;
        }
        for head in fs::read_dir(&entry).unwrap().map(|file| file.unwrap().path()) {
            let name = head.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(stem) = name.strip_suffix("head") else { continue };
            let wanted = match format {
                Format::Prometheus => "content-type: text/plain",
                Format::OpenMetrics => "content-type: application/openmetrics-text",
            };
            if fs::read_to_string(&head).unwrap().to_ascii_lowercase().contains(wanted) {
                pages.push(fs::read(entry.join(format!("{stem}page"))).unwrap());
            }
        }
    }
    pages
}

/// The page with one byte replaced at a pseudorandom position.
fn damaged(page: &[u8], seed: u32) -> Vec<u8> {
    let random = seed.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519);
    let mut page = page.to_vec();
    let at = random as usize % page.len();
    page[at] = BYTES[seed as usize % BYTES.len()];
    page
}

/// A page of buckets with these bounds.
fn bounds(format: Format) -> Vec<u8> {
    let buckets = BOUNDS.iter().enumerate().map(|(at, bound)| format!("h_bucket{{at=\"{at}\",le=\"{bound}\"}} 1\n"));
    let end = if format == Format::OpenMetrics { "# EOF\n" } else { "" };
    format!("# TYPE h histogram\n{}{end}", buckets.collect::<String>()).into_bytes()
}

fn reference() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("textparse");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&folder)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/textparse"))
        .status();
    assert!(built.unwrap().success(), "the parser of Prometheus could not be built");
    folder
}

#[test]
#[ignore = "needs Go, and fetches the module of Prometheus"]
fn parses_like_prometheus() {
    let reference = reference();
    let folder = common::file("page", "");
    let folder = folder.parent().unwrap();
    for (format, word) in [(Format::Prometheus, "prometheus"), (Format::OpenMetrics, "openmetrics")] {
        let mut all = vec![bounds(format)];
        assert!(read(format, &all[0]).is_some(), "a page of bounds");
        for page in pages(format) {
            all.extend((0..DAMAGED).map(|seed| damaged(&page, seed)));
            all.push(page);
        }
        let paths: Vec<PathBuf> = all
            .iter()
            .enumerate()
            .map(|(number, page)| {
                let path = folder.join(format!("{word}-{number}"));
                fs::write(&path, page).unwrap();
                path
            })
            .collect();
        let output = Command::new(&reference).arg(word).args(&paths).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<&str> = output.split("page\n").skip(1).collect();
        assert_eq!(theirs.len(), all.len());
        let mut both = 0;
        for (page, theirs) in all.iter().zip(theirs) {
            let Some(ours) = read(format, page).filter(|_| !theirs.contains("refused")) else { continue };
            let difference = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
            assert_eq!(difference, None, "{}", page.escape_ascii());
            assert_eq!(ours.lines().count(), theirs.lines().count(), "{}", page.escape_ascii());
            both += 1;
        }
        println!("{word}: {both} of {} pages are read by both", all.len());
        assert!(both * 4 > all.len(), "{both} of {}", all.len());
    }
}
