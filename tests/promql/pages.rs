//! Half an hour of scrapes of several pods: counter resets, gaps, new and deleted pods, NaN and infinity.

use metriclet::internals::promql::NAME_LABEL;
use metriclet::internals::promql::evaluate::{Labels, Sample, Series};

/// The start of the scrapes in Unix milliseconds.
const START: i64 = 1_790_000_000_000;

/// The times of evaluation. Samples are at eighths of a second, which floats of seconds represent exactly, so that none is
/// exactly as old as a range is long, where versions of Prometheus differ.
pub(crate) const TIMES: [i64; 4] = [START + 301_050, START + 887_350, START + 1_205_650, START + 1_770_850];

const INTERVAL: i64 = 15_000;
const SCRAPES: i64 = 120;

/// Pseudorandom numbers with a fixed seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// All series.
pub(crate) fn series() -> Vec<Series> {
    let mut random = Random::new(1);
    let mut all = Vec::new();
    for (number, pod) in ["web-a", "web-b", "web-c", "web-d", "web-e", "db-0"].into_iter().enumerate() {
        // Some series start late, some end early.
        let life = match number {
            3 => 0..70,
            4 => 64..SCRAPES,
            5 => 15..110,
            _ => 0..SCRAPES,
        };
        let scrapes = scrapes(&mut random, life.clone());
        for code in ["200", "404", "503"] {
            let labels = [("pod", pod), ("code", code), ("zone", if number % 2 == 0 { "east" } else { "west" })];
            all.push(made("http_requests_total", &labels, counter(&mut random, &scrapes, life.start > 0)));
        }
        all.push(made("queue_depth", &[("pod", pod)], gauge(&mut random, &scrapes, Odd::Nothing)));
        all.push(made("queue_limit", &[("pod", pod)], gauge(&mut random, &scrapes, Odd::Nothing)));
        all.push(made("temperature", &[("pod", pod), ("core", "0")], gauge(&mut random, &scrapes, Odd::Nan)));
        all.push(made("temperature", &[("pod", pod), ("core", "1")], gauge(&mut random, &scrapes, Odd::Infinite)));
        all.extend(histogram(
            &mut random,
            "latency_seconds_bucket",
            pod,
            &["0.1", "0.5", "1", "2.5", "+Inf"],
            life.clone(),
        ));
        // A histogram without an +Inf bucket, and one with negative bounds; one bound is written in two ways.
        all.extend(histogram(&mut random, "no_inf_bucket", pod, &["0.1", "0.5", "1"], life.clone()));
        all.extend(histogram(
            &mut random,
            "drift_bucket",
            pod,
            &["-2", "-0.5", "0", "1", "1.0", "8", "Inf", "none"],
            life,
        ));
    }
    all.push(made(
        "only_inf_bucket",
        &[("le", "+Inf")],
        gauge(&mut random, &scrapes(&mut Random::new(2), 0..SCRAPES), Odd::Nothing),
    ));
    // Invalid histograms: counts that are not monotonic, or not numbers.
    for le in ["1", "2", "4", "8", "+Inf"] {
        let scrapes = scrapes(&mut random, 0..SCRAPES);
        all.push(made("odd_bucket", &[("le", le)], gauge(&mut random, &scrapes, Odd::Nothing)));
    }
    all
}

fn made(name: &str, labels: &[(&str, &str)], samples: Vec<Sample>) -> Series {
    let name = std::iter::once((NAME_LABEL, name));
    Series { labels: Labels::new(name.chain(labels.iter().copied())), samples }
}

/// The times of successful scrapes, and whether a gap precedes each.
fn scrapes(random: &mut Random, life: std::ops::Range<i64>) -> Vec<(i64, bool)> {
    let mut times = Vec::new();
    let (mut missing, mut gap) = (0, false);
    for scrape in life {
        if missing == 0 && random.one_in(25) {
            // Gaps of up to seven minutes: longer than the lookback.
            let longest = if random.one_in(3) { 28 } else { 5 };
            missing = 1 + random.below(longest);
        }
        if missing > 0 {
            missing -= 1;
            gap = true;
            continue;
        }
        times.push((START + scrape * INTERVAL + 125 + 250 * random.below(16) as i64, gap));
        gap = false;
    }
    times
}

/// Quarters add up exactly in any order. New counters are near zero and old ones far from it, because versions of Prometheus
/// differ for a counter that was zero between half a gap and a whole gap before its first sample.
fn counter(random: &mut Random, scrapes: &[(i64, bool)], young: bool) -> Vec<Sample> {
    let mut value = if young { 0.25 } else { 5_000.0 + random.below(5_000) as f64 };
    let busy = 1 + random.below(200);
    let sample = |&(at, gap): &(i64, bool)| {
        if gap {
            value = if random.one_in(2) { 0.0 } else { value + 5_000.0 };
        } else if random.one_in(15) {
            value = random.below(8) as f64 / 4.0;
        } else if !random.one_in(6) {
            value += random.below(busy * 4) as f64 / 4.0;
        }
        Sample { at, value }
    };
    scrapes.iter().map(sample).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Odd {
    Nothing,
    Nan,
    Infinite,
}

fn gauge(random: &mut Random, scrapes: &[(i64, bool)], odd: Odd) -> Vec<Sample> {
    let sample = |&(at, _): &(i64, bool)| {
        let value = match odd {
            Odd::Nan if random.one_in(8) => f64::NAN,
            Odd::Infinite if random.one_in(30) => f64::INFINITY,
            Odd::Infinite if random.one_in(30) => f64::NEG_INFINITY,
            _ if random.one_in(10) => 0.0,
            Odd::Nothing => random.below(400) as f64 / 4.0,
            _ => random.below(800) as f64 / 4.0 - 100.0,
        };
        Sample { at, value }
    };
    scrapes.iter().map(sample).collect()
}

/// Buckets with the same scrape times, without gaps, and with the same resets.
fn histogram(random: &mut Random, name: &str, pod: &str, bounds: &[&str], life: std::ops::Range<i64>) -> Vec<Series> {
    let mut counts = vec![0.0; bounds.len()];
    let mut samples = vec![Vec::new(); bounds.len()];
    for scrape in life {
        let at = START + scrape * INTERVAL + 125 + 250 * random.below(8) as i64;
        if random.one_in(30) {
            counts.fill(0.0);
        }
        let mut more = 0.0;
        for (count, samples) in counts.iter_mut().zip(&mut samples) {
            more += if random.one_in(3) { 0.0 } else { random.below(40) as f64 };
            *count += more;
            samples.push(Sample { at, value: *count });
        }
    }
    bounds.iter().zip(samples).map(|(le, samples)| made(name, &[("pod", pod), ("le", le)], samples)).collect()
}
