//! Pages of metrics: the result does not depend on chunks or on unwanted samples, and limits hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::exposition::{
    ExpositionLimits, Format, Labels, PageError, Parser, Sample, Sink, Summary,
};

const LIMITS: ExpositionLimits = ExpositionLimits { line: 256 };

#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    only: Option<u8>,
}

impl Sink for Notes {
    fn wants(&mut self, name: &str) -> bool {
        self.only.is_none_or(|first| name.as_bytes().first() == Some(&first))
    }

    fn too_long(&mut self, name: &str, labels: Labels<'_>) {
        if self.wants(name) {
            self.lines.push(format!("{name} {:?} is too long", labels.iter().collect::<Vec<_>>()));
        }
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let Sample { name, labels, value, timestamp, kind } = sample;
        let listed: Vec<_> = labels.iter().collect();
        assert!(name.len() <= LIMITS.line);
        for (key, value) in &listed {
            assert_eq!(labels.get(key).as_ref(), Some(value));
        }
        let again: Vec<_> = Labels::checked(labels.raw()).iter().collect();
        assert_eq!(listed, again);
        self.lines.push(format!("{name} {listed:?} {:x} {timestamp:?} {kind:?}", value.to_bits()));
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, cut, page @ ..] = data else { return };
    let format = if choice & 1 == 0 { Format::Prometheus } else { Format::OpenMetrics };
    let (whole, all) = read(format, [page], None);
    let (pieces, cut_up) = read(format, page.chunks(usize::from(*cut) + 1), None);
    assert_eq!(whole, pieces);
    assert_eq!(all, cut_up);
    let (filtered, some) = read(format, [page], Some(b'a'));
    assert_eq!(whole, filtered);
    let expected: Vec<_> = all.iter().filter(|line| line.starts_with('a')).cloned().collect();
    assert_eq!(some, expected);
});

fn read<'a>(
    format: Format,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    only: Option<u8>,
) -> (Result<Summary, PageError>, Vec<String>) {
    let mut notes = Notes { only, ..Notes::default() };
    let mut parser = Parser::new(format, LIMITS);
    for chunk in chunks {
        if let Err(error) = parser.feed(chunk, &mut notes) {
            return (Err(error), notes.lines);
        }
    }
    (parser.finish(), notes.lines)
}
