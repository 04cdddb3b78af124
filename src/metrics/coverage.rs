//! How many of the running pods responded, and why others did not: pages are joined only if enough pods responded.

use std::collections::BTreeSet;
use std::fmt;

use super::targets::SkippedTarget;
use crate::kube::pod::{Pod, PodPhase};

/// The number of kinds of failure that a message names.
const NAMED: usize = 3;

/// How many of the running pods responded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCount {
    pub answered: usize,
    pub failed: usize,
    /// Whether some pods are pending.
    pub pending: bool,
}

/// The coverage of the pods whose pages are joined.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) count: PodCount,
    /// The kinds of failure, as text, each once.
    kinds: BTreeSet<String>,
}

impl PodCount {
    /// Whether there is no pod, not even a pending one.
    pub(super) fn has_no_pods(self) -> bool {
        self == Self::default()
    }
}

impl Coverage {
    /// Counts a running pod that responded.
    pub(super) fn answer(&mut self) {
        self.count.answered += 1;
    }

    /// Counts a running pod that did not respond.
    pub(super) fn fail(&mut self, why: &dyn fmt::Display) {
        self.count.failed += 1;
        self.kinds.insert(why.to_string());
    }

    /// Records a pod that is not scraped. No response is expected of pods that are pending or terminating, or that are
    /// annotated not to be scraped.
    pub(super) fn skip(&mut self, pod: &Pod, why: SkippedTarget) {
        match why {
            SkippedTarget::Terminating | SkippedTarget::NotToBeScraped => {}
            SkippedTarget::NotRunning => {
                self.count.pending |= !matches!(pod.phase(), PodPhase::Succeeded | PodPhase::Failed);
            }
            _ => self.fail(&why.as_str()),
        }
    }

    /// Whether at least this percentage of the running pods responded.
    ///
    /// # Errors
    /// The reason, without counts of pods.
    pub(super) fn check(&self, percent: u8) -> Result<(), String> {
        let Self { count: PodCount { answered, failed, pending }, kinds } = self;
        match (answered, failed) {
            (0, 0) if *pending => Err("none of the pods is running yet".to_owned()),
            (_, 0) => Ok(()),
            (1.., _) if answered * 100 >= (answered + failed) * usize::from(percent) => Ok(()),
            _ => {
                let many = if kinds.len() == 1 {
                    "1 kind of failure".to_owned()
                } else {
                    format!("{} kinds of failure", kinds.len())
                };
                let named: Vec<&str> = kinds.iter().take(NAMED).map(String::as_str).collect();
                let more = if kinds.len() > NAMED { "; …" } else { "" };
                let enough = match percent {
                    100 => "not all running pods answered".to_owned(),
                    _ => format!("less than {percent}% of the running pods answered"),
                };
                Err(format!("{enough}, {many}: {}{more}", named.join("; ")))
            }
        }
    }
}

/// `149 of 150 running pods answered`
impl fmt::Display for PodCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} running pods answered", self.answered, self.answered + self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::pod_object::{PodObject, PodStatus};

    fn coverage(answered: usize, failures: &[&str]) -> Coverage {
        let mut coverage = Coverage::default();
        (0..answered).for_each(|_| coverage.answer());
        failures.iter().for_each(|why| coverage.fail(why));
        coverage
    }

    #[test]
    fn requires_complete_or_sufficient_coverage() {
        for (answered, failures, percent, expected) in [
            (3, &[][..], 100, Ok(())),
            (0, &[], 100, Ok(())),
            (3, &["a"], 100, Err("not all running pods answered, 1 kind of failure: a")),
            (3, &["b", "a", "b"], 100, Err("not all running pods answered, 2 kinds of failure: a; b")),
            (3, &["d", "c", "b", "a"], 100, Err("not all running pods answered, 4 kinds of failure: a; b; c; …")),
            (4, &["a"], 80, Ok(())),
            (4, &["a"], 81, Err("less than 81% of the running pods answered, 1 kind of failure: a")),
            (0, &["a"], 1, Err("less than 1% of the running pods answered, 1 kind of failure: a")),
        ] {
            assert_eq!(coverage(answered, failures).check(percent), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn does_not_expect_starting_and_terminating_pods() {
        let in_phase = |phase: &str| {
            let status = PodStatus { phase: phase.to_owned(), ..PodStatus::default() };
            Pod::from(PodObject { status, ..PodObject::default() })
        };
        let after = |skipped: &[(&str, SkippedTarget)]| {
            let mut coverage = Coverage::default();
            skipped.iter().for_each(|(phase, why)| coverage.skip(&in_phase(phase), *why));
            (coverage.count.has_no_pods(), coverage.check(100).is_ok())
        };
        for (skipped, expected) in [
            (&[][..], (true, true)),
            (&[("Running", SkippedTarget::Terminating), ("Running", SkippedTarget::NotToBeScraped)], (true, true)),
            (&[("Succeeded", SkippedTarget::NotRunning), ("Failed", SkippedTarget::NotRunning)], (true, true)),
            (&[("Pending", SkippedTarget::NotRunning)], (false, false)),
            (&[("Running", SkippedTarget::NoPort)], (false, false)),
        ] {
            assert_eq!(after(skipped), expected, "{skipped:?}");
        }
    }
}
