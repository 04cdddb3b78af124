//! Metrics about failing rules, for alerts.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::answers::AnswerLog;
use crate::parse::path::{self, ApiPath};
use crate::telemetry::exposition::Label;

/// A gauge for each rule whose metric the HPA controller has requested since a time, Unix milliseconds: 1 if the last answer
/// to one of these requests was an error. Bounded like the requests.
pub(super) fn failing_rules(answers: &AnswerLog, max_path: usize, since: i64) -> String {
    let mut rules: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (target, is_failing) in answers.of_hpa_controller(since) {
        let rule = match path::parse(target.split('?').next().unwrap_or_default(), max_path) {
            Ok(ApiPath::Metric(path)) => (path.metric, path.resource),
            Ok(ApiPath::External(path)) => (path.metric, "external".to_owned()),
            _ => continue,
        };
        *rules.entry(rule).or_default() |= is_failing;
    }
    let mut lines =
        "# HELP metriclet_rule_failing Whether the HPA controller's last request for a rule's metric failed.\n\
                     # TYPE metriclet_rule_failing gauge\n"
            .to_owned();
    for ((metric, resource), is_failing) in rules {
        let (metric, resource) = (Label(&metric), Label(&resource));
        let failing = u8::from(is_failing);
        let _ = writeln!(lines, "metriclet_rule_failing{{metric=\"{metric}\",resource=\"{resource}\"}} {failing}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::limits::StatusLimits;
    use crate::status::answers::{AnsweredError, AnsweredValue, MetricClient};
    use crate::telemetry::clock::Now;

    #[test]
    fn a_rule_fails_if_one_of_its_requests_fails() {
        let now = Now { monotonic: Instant::now(), unix_millis: 1_000_000 };
        let log = AnswerLog::new(StatusLimits::default(), now);
        let value = AnsweredValue { at: 0, value: 1.0, items: 1, left_out: Vec::new() };
        let error = AnsweredError { at: 0, code: 503, message: String::new() };
        let of = |path: &str| format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{path}");
        let hpa = MetricClient::HpaController;
        log.served(&of("services/a/depth"), hpa, value.clone(), now);
        log.failed(&of("services/b/depth"), hpa, error.clone(), now);
        log.served(&of("pods/*/jobs?labelSelector=a"), hpa, value.clone(), now);
        log.failed(&of("pods/*/others"), MetricClient::Other, error.clone(), now);
        log.failed("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/%22mails", hpa, error, now);
        let lines = |since| {
            let text = failing_rules(&log, 8192, since);
            text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(1_000_000),
            [
                r#"metriclet_rule_failing{metric="\"mails",resource="external"} 1"#,
                r#"metriclet_rule_failing{metric="depth",resource="services"} 1"#,
                r#"metriclet_rule_failing{metric="jobs",resource="pods"} 0"#,
            ]
        );
        assert!(lines(1_000_001).is_empty());
    }
}
