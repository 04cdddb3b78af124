//! The metadata that several of KEDA's triggers have in common.

use std::time::Duration;

use super::output::line;
use crate::config::file::fields::{Fields, Sink};
use crate::config::limits::Limits;
use crate::parse::duration;
use crate::parse::escape::Escaped;
use crate::parse::quantity::Milli;

/// A source, a rule, and the metric's target in the HPA.
#[derive(Debug)]
pub(super) struct TriggerRule {
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) source_name: &'static str,
    pub(super) source: Vec<String>,
    /// The rule's keys except name and source; the first one declares the metric's object.
    pub(super) lines: Vec<String>,
    /// The Service that the metric describes; `None` for an external metric.
    pub(super) service: Option<String>,
    pub(super) target: Target,
}

/// The replicas while a trigger fails, from `fallback`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fallback {
    pub(super) replicas: u32,
}

/// The target of a metric in an HPA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) is_average: bool,
    pub(super) value: Milli,
}

/// What the conversion of a trigger depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct TriggerContext<'a> {
    pub(super) namespace: &'a str,
    /// `minReplicaCount`
    pub(super) min: u32,
    pub(super) fallback: Option<Fallback>,
    pub(super) limits: &'a Limits,
}

/// Reads the metadata of one trigger.
pub(super) struct MetadataReader<'a, 'c> {
    pub(super) metadata: Fields<'a>,
    pub(super) context: &'c TriggerContext<'c>,
    pub(super) is_average: bool,
    /// The value above which KEDA starts the first replica, if it is not 0.
    pub(super) activation: Option<f64>,
}

impl<'a> MetadataReader<'a, '_> {
    pub(super) fn optional(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'a str> {
        self.metadata.text(key, sink)
    }

    /// A non-negative number.
    pub(super) fn number(&mut self, key: &'static str, sink: &mut Sink) -> Option<f64> {
        let text = self.metadata.text(key, sink)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            let found = Escaped::new(text);
            self.metadata.fail(key, &format!("expected a number of 0 or more, found {found}"), sink);
        }
        number
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool, sink: &mut Sink) -> bool {
        match self.metadata.text(key, sink) {
            None => default,
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => true,
            Some("false" | "False" | "FALSE" | "f" | "F" | "0") => false,
            Some(other) => {
                let found = Escaped::new(other);
                self.metadata.fail(key, &format!("expected true or false, found {found}"), sink);
                default
            }
        }
    }

    /// The target; `None` (and a problem) if there is none.
    pub(super) fn target(&mut self, key: &'static str, activation: &'static str, sink: &mut Sink) -> Option<Target> {
        self.metadata.require(key, sink)?;
        let number = self.number(key, sink)?;
        // KEDA uses it only at zero replicas; otherwise the HPA decides.
        self.activation = self.number(activation, sink).filter(|number| *number > 0.0 && self.context.min == 0);
        match Milli::from_f64(number) {
            Ok(value) if value > Milli(0) => Some(Target { is_average: self.is_average, value }),
            _ => {
                self.metadata.fail(key, "expected more than 0", sink);
                None
            }
        }
    }

    pub(super) fn rule(
        &self,
        source_name: &'static str,
        source: Vec<String>,
        lines: Vec<String>,
        service: Option<String>,
        target: Target,
    ) -> TriggerRule {
        TriggerRule { name: String::new(), comment: String::new(), source_name, source, lines, service, target }
    }

    /// The settings that both kinds of source have.
    pub(super) fn connection(&mut self, sink: &mut Sink) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(millis) = self.number("timeout", sink) {
            let longest = self.context.limits.fetch.max_timeout;
            let wanted = Duration::from_millis(millis as u64);
            if wanted > longest {
                let message = format!("timeout: the maximum here is {}", duration::format(longest));
                sink.warning(self.metadata.span("timeout"), message);
            }
            if !wanted.is_zero() {
                lines.push(line("timeout", &duration::format(wanted.min(longest))));
            }
        }
        if self.flag("unsafeSsl", false, sink) {
            let message = "unsafeSsl: certificates are always verified; write caFile: with the server's authority or its \
                           certificate on the source";
            sink.warning(self.metadata.span("unsafeSsl"), message);
            lines.push("# caFile: /etc/metriclet/ca.pem".to_owned());
        }
        lines
    }

    /// Adds `onUnavailable`, and `onMissing` if a missing value is a failure in KEDA.
    pub(super) fn fallback(&self, target: Target, missing_fails: bool, lines: &mut Vec<String>) {
        let Some(Fallback { replicas }) = self.context.fallback else { return };
        let Some(value) = target.value.0.checked_mul(i64::from(replicas)).map(Milli) else { return };
        lines.push(line("onUnavailable", &value.to_string()));
        if missing_fails {
            lines.push(line("onMissing", &value.to_string()));
        }
    }

    /// Parses `a=b,c=d`.
    pub(super) fn pairs(&mut self, key: &'static str, sink: &mut Sink) -> Vec<(String, String)> {
        let Some(text) = self.metadata.text(key, sink) else { return Vec::new() };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
        if pairs.is_none() {
            self.metadata.fail(key, "expected NAME=VALUE,NAME=VALUE", sink);
        }
        pairs.unwrap_or_default()
    }
}
