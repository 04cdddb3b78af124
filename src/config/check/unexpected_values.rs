//! Warnings about values that were not measured, or that may not be what the user meant.

use super::{Finding, error, warning};
use crate::config::model::{ObjectMapping, OnMissing, OnNan, Rule, Source, Value};
use crate::parse::duration;
use crate::parse::escape::Escaped;
use crate::parse::quantity::Milli;
use crate::promql::evaluate::has_value_without_series;

/// Warns about effects of a rule that its author may not expect.
pub(super) fn check(rule: &Rule, source: &Source, findings: &mut Vec<Finding>) {
    if let Value::Series(expr) = &rule.value {
        if has_value_without_series(expr) {
            let message = match rule.mapping {
                ObjectMapping::Labels { .. } if !source.is_prometheus() => {
                    "vector() or absent() gives no value to an object without series; use onMissing:"
                }
                _ => {
                    "vector() or absent() has a value even if the program that updates this page has stopped; an error \
                     would keep the replicas"
                }
            };
            findings.push(warning("value", message));
        }
        for name in expr.levels().into_iter().filter_map(|selector| selector.name.as_deref()) {
            // Names of many gauges end in _count or _sum.
            if ["_total", "_bucket"].iter().any(|suffix| name.ends_with(suffix)) {
                let message = format!(
                    "{} is named like a counter, which only grows, and so would the replicas; use its rate(), or ignore \
                     this if its TYPE is gauge",
                    Escaped::new(name)
                );
                findings.push(warning("value", message));
            }
        }
    }
    match rule.on_missing {
        OnMissing::Number(Milli(0)) => {
            let message =
                "zero scales to the minimum if the program that updates this page stops; error keeps the replicas";
            findings.push(warning("onMissing", message));
        }
        OnMissing::Number(value) if value < Milli(0) && !rule.allow_negative => {
            findings.push(error("onMissing", "a negative number requires allowNegative: true"));
        }
        OnMissing::Number(value) => {
            let message =
                format!("{value} is also served if the program that updates this page stops; error keeps the replicas");
            findings.push(warning("onMissing", message));
        }
        OnMissing::Error | OnMissing::Last(_) => {}
    }
    if rule.age_from.is_some() && source.is_prometheus() {
        let message = "applies to series on pages only; for a Prometheus server, compare them with time() in value";
        findings.push(error("ageFrom", message));
    } else if rule.age_from.is_some() && !matches!(rule.value, Value::Series(_)) {
        findings.push(error("ageFrom", "applies to series on pages only, and this value is not one of series"));
    }
    match rule.on_unavailable {
        OnMissing::Number(value) if value < Milli(0) && !rule.allow_negative => {
            findings.push(error("onUnavailable", "a negative number requires allowNegative: true"));
        }
        OnMissing::Number(value) => {
            let message = format!(
                "{value} is served while the source fails, although it was not measured; error keeps the replicas"
            );
            findings.push(warning("onUnavailable", message));
        }
        OnMissing::Last(age) => {
            let age = duration::format(age);
            let message =
                format!("values of up to {age} ago are served while the source fails; error keeps the replicas");
            findings.push(warning("onUnavailable", message));
        }
        OnMissing::Error => {}
    }
    if rule.on_nan == OnNan::Zero {
        let message = "zero scales to the minimum on 0/0, which mostly means no data; error keeps the replicas";
        findings.push(warning("onNaN", message));
    }
    if rule.allow_negative {
        findings.push(warning(
            "allowNegative",
            match rule.is_external() {
                true => {
                    "an HPA scales to the maximum on a negative sum with averageValue, and to the minimum with value"
                }
                false => "an HPA scales to the minimum on a negative value",
            },
        ));
    }
    if let Some(refresh) = source.refresh.filter(|refresh| *refresh + source.timeout > rule.max_age) {
        let [refresh, timeout, max_age] = [refresh, source.timeout, rule.max_age].map(duration::format);
        let message = format!(
            "{max_age} is less than the {refresh} between two refreshes of source {} and its timeout of {timeout}: values \
             will go missing",
            Escaped::new(&source.name)
        );
        findings.push(warning("maxAge", message));
    }
    if source.cache > rule.max_age {
        let (cache, max_age) = (duration::format(source.cache), duration::format(rule.max_age));
        let message = format!(
            "{max_age} is less than the {cache} that source {} is cached: values will go missing",
            Escaped::new(&source.name)
        );
        findings.push(warning("maxAge", message));
    }
}
