//! Comparisons of rules with another adapter, by metric and resource.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::limits::ShadowLimits;
use crate::telemetry::clock::Now;
use crate::telemetry::exposition::Label;

/// The outcome of a request for a shadowed metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowOutcome {
    /// Both have values for the same objects.
    Compared,
    /// Both have values, but not for the same objects.
    ObjectsDiffer,
    /// The rule has no value, and that of the other adapter is served.
    OursFailed,
    /// The other adapter has no value, and that of the rule is served.
    TheirsFailed,
    /// Neither has a value.
    BothFailed,
    /// The other adapter's value is served, and not compared because the queue was full.
    Skipped,
}

impl ShadowOutcome {
    pub(crate) const ALL: [Self; 6] =
        [Self::Compared, Self::ObjectsDiffer, Self::OursFailed, Self::TheirsFailed, Self::BothFailed, Self::Skipped];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compared => "compared",
            Self::ObjectsDiffer => "objects_differ",
            Self::OursFailed => "ours_failed",
            Self::TheirsFailed => "theirs_failed",
            Self::BothFailed => "both_failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The comparisons of one metric of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShadowCounts {
    /// Indexed like [`ShadowOutcome::ALL`].
    pub(crate) outcomes: [u64; ShadowOutcome::ALL.len()],
    /// The largest differences of the last windows: the number of the window, and the difference.
    windows: [Option<(u128, f64)>; 2],
    /// The rule's error in the last comparison, if any.
    pub(crate) error: Option<String>,
}

/// Comparisons by metric and resource, which is empty for external metrics. Bounded: further metrics are not counted.
#[derive(Debug)]
pub(crate) struct ShadowLog {
    limits: ShadowLimits,
    began: Mutex<Option<Instant>>,
    metrics: Mutex<BTreeMap<(String, String), ShadowCounts>>,
}

impl ShadowLog {
    pub(super) fn new(limits: ShadowLimits) -> Self {
        Self { limits, began: Mutex::default(), metrics: Mutex::default() }
    }

    /// Records the outcome of a request, with the largest difference and the rule's error.
    pub(crate) fn note(
        &self,
        (metric, resource): (&str, &str),
        outcome: ShadowOutcome,
        ratio: Option<f64>,
        error: Option<String>,
        now: Now,
    ) {
        let number = self.window(now);
        let mut metrics = self.lock();
        let key = (metric.to_owned(), resource.to_owned());
        if metrics.len() >= self.limits.metrics && !metrics.contains_key(&key) {
            return;
        }
        let counts = metrics.entry(key).or_default();
        let at = ShadowOutcome::ALL.iter().position(|known| *known == outcome).unwrap_or_default();
        counts.outcomes.get_mut(at).into_iter().for_each(|count| *count += 1);
        if outcome != ShadowOutcome::TheirsFailed && outcome != ShadowOutcome::Skipped {
            counts.error = error;
        }
        if let Some(ratio) = ratio {
            counts.differ(number, ratio);
        }
    }

    /// Removes metrics that are no longer shadowed.
    pub(crate) fn retain(&self, keep: impl Fn(&str, &str) -> bool) {
        self.lock().retain(|(metric, resource), _| keep(metric, resource));
    }

    /// All comparisons, each with the largest difference of the last one or two windows.
    pub(crate) fn all(&self, now: Now) -> Vec<(String, String, ShadowCounts, Option<f64>)> {
        let number = self.window(now);
        let metrics = self.lock();
        let all = metrics.iter().map(|((metric, resource), counts)| {
            (metric.clone(), resource.clone(), counts.clone(), counts.difference(number))
        });
        all.collect()
    }

    /// The lines for the metrics page; empty without shadowed metrics.
    pub(crate) fn exposition(&self, now: Now) -> String {
        let all = self.all(now);
        let mut lines = String::new();
        if all.is_empty() {
            return lines;
        }
        let labels = |metric: &str, resource: &str| {
            let resource = if resource.is_empty() { "external" } else { resource };
            format!("metric=\"{}\",resource=\"{}\"", Label(metric), Label(resource))
        };
        let name = "metriclet_shadow_difference_ratio";
        let _ = writeln!(
            lines,
            "# HELP {name} Largest relative difference between a rule and the other adapter within the last minutes.\n\
             # TYPE {name} gauge"
        );
        for (metric, resource, _, difference) in &all {
            if let Some(difference) = difference {
                let _ = writeln!(lines, "{name}{{{}}} {difference}", labels(metric, resource));
            }
        }
        let name = "metriclet_shadow_requests_total";
        let _ = writeln!(
            lines,
            "# HELP {name} Requests for metrics of rules with shadow, by outcome.\n# TYPE {name} counter"
        );
        for (metric, resource, counts, _) in &all {
            let labels = labels(metric, resource);
            for (outcome, count) in ShadowOutcome::ALL.iter().zip(counts.outcomes) {
                let _ = writeln!(lines, "{name}{{{labels},outcome=\"{}\"}} {count}", outcome.as_str());
            }
        }
        lines
    }

    /// The number of the window that contains a time.
    fn window(&self, now: Now) -> u128 {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.monotonic.saturating_duration_since(*began.get_or_insert(now.monotonic));
        since.as_millis() / self.limits.window.as_millis().max(1)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), ShadowCounts>> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShadowCounts {
    fn differ(&mut self, number: u128, ratio: f64) {
        let [last, before] = &mut self.windows;
        match last {
            Some((known, largest)) if *known == number => *largest = largest.max(ratio),
            _ => {
                *before = last.take();
                *last = Some((number, ratio));
            }
        }
    }

    /// The largest difference of this window and the previous one.
    fn difference(&self, number: u128) -> Option<f64> {
        let recent = self.windows.iter().flatten().filter(|(known, _)| *known + 1 >= number);
        recent.map(|(_, ratio)| *ratio).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keeps_the_largest_difference_of_two_windows() {
        let start = Instant::now();
        let at = |seconds| Now { monotonic: start + Duration::from_secs(seconds), unix_millis: 0 };
        let log = ShadowLog::new(ShadowLimits { metrics: 1, ..ShadowLimits::default() });
        let difference = |seconds| log.all(at(seconds)).first().and_then(|(_, _, _, difference)| *difference);
        let note = |seconds, ratio| log.note(("m", "pods"), ShadowOutcome::Compared, Some(ratio), None, at(seconds));
        note(0, 0.1);
        note(1, 0.5);
        note(2, 0.2);
        assert_eq!(difference(3), Some(0.5));
        note(61, 0.3);
        assert_eq!(difference(62), Some(0.5), "the difference of the previous window");
        note(121, 0.1);
        assert_eq!(difference(122), Some(0.3));
        assert_eq!(difference(239), Some(0.1));
        assert_eq!(difference(240), None);
        log.note(("other", ""), ShadowOutcome::Compared, None, None, at(240));
        assert_eq!(log.all(at(240)).len(), 1, "bounded");
        log.retain(|metric, _| metric != "m");
        assert_eq!(log.exposition(at(240)), "");
    }

    #[test]
    fn prints_counts_by_metric() {
        let now = Now { monotonic: Instant::now(), unix_millis: 0 };
        let log = ShadowLog::new(ShadowLimits::default());
        log.note(("a\"", ""), ShadowOutcome::ObjectsDiffer, Some(0.25), None, now);
        log.note(("a\"", ""), ShadowOutcome::OursFailed, None, Some("why".into()), now);
        let lines = log.exposition(now);
        for line in [
            r#"metriclet_shadow_difference_ratio{metric="a\"",resource="external"} 0.25"#,
            r#"metriclet_shadow_requests_total{metric="a\"",resource="external",outcome="objects_differ"} 1"#,
            r#"metriclet_shadow_requests_total{metric="a\"",resource="external",outcome="ours_failed"} 1"#,
            r#"metriclet_shadow_requests_total{metric="a\"",resource="external",outcome="skipped"} 0"#,
        ] {
            assert!(lines.lines().any(|found| found == line), "{line} in {lines}");
        }
        assert_eq!(log.all(now)[0].2.error.as_deref(), Some("why"));
    }
}
