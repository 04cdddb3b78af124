//! A rule on a server that evaluates PromQL: one query for all requested objects, restricted to their namespace; a
//! label of the result names the object.

use std::sync::Arc;

use super::active_rule::ActiveRule;
use super::failure::{About, Failure};
use super::judgement::Scrape;
use super::select;
use super::subject::Subject;
use super::trace::{Event, Trace};
use super::url::OUTLIVED;
use super::wildcard;
use crate::config::model::{Namespaces, ObjectMapping, Value};
use crate::kube::custom_metrics::MetricValue;
use crate::parse::path::ObjectName;
use crate::parse::selector::{Operator, Requirement};
use crate::promql::{MatchOp, Matcher, Scope};
use crate::source::error::SourceError;
use crate::source::prometheus::{InstantQuery, QueryResult, Sample};
use crate::source::waiting::{AllowedWaits, Waiting};

/// The values of the objects that the request is for.
pub(super) fn answer(
    subject: &Subject<'_>,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let query = query(subject)?;
    let result = run_query(subject.served, &subject.about(), &query, waits, trace)?;
    let samples: Vec<&Sample> = result.samples.iter().collect();
    let scrape = Scrape::of_page(result.at);
    wildcard::of_members(subject, &samples, scrape, waits, trace)
}

/// The result of a query.
pub(super) fn run_query(
    served: &ActiveRule,
    about: &About<'_>,
    query: &InstantQuery,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Arc<QueryResult>, Failure> {
    trace.record(|| Event::Query { query: query.promql.clone() });
    let waiting = Waiting::Source(served.upstream.index());
    match served.upstream.query(query, waits.wait_for(waiting)) {
        Ok(result) if served.upstream.is_stale(result.at, served.rule.max_age) => Err(about.page(&OUTLIVED)),
        Ok(result) => {
            trace.record(|| Event::QueryResult { summary: result.summary() });
            Ok(result)
        }
        Err(SourceError::WouldWait) => Err(Failure::WouldWait(waiting)),
        Err(error) => {
            trace.record(|| Event::FetchFailed { error: error.clone() });
            Err(about.source(&error))
        }
    }
}

fn query(subject: &Subject<'_>) -> Result<InstantQuery, Failure> {
    let rule = &subject.served.rule;
    let (namespace, name) = match &rule.mapping {
        ObjectMapping::Labels { namespace, name } => (namespace.first(), name.first()),
        ObjectMapping::InQuery { namespace } => (namespace.first(), None),
        _ => (None, None),
    };
    let too_much = || subject.about().bad_request(&format!("metricLabelSelector {TOO_MUCH}"));
    let matchers = matchers(subject, namespace, name).ok_or_else(too_much)?;
    let scope = Scope { matchers, by: name.cloned() };
    let promql = match &rule.value {
        Value::Series(expr) => expr.inject(&scope).map_err(|dropped| subject.about().page(&dropped))?.to_string(),
        Value::QueryTemplate(template) => {
            if !subject.request.metric_selector.is_everything() && !template.takes_matchers() {
                let message = "metricLabelSelector needs {$matchers} in the rule's query, which has none";
                return Err(subject.about().bad_request(&message));
            }
            template.inject(&scope)
        }
        Value::Json(_) | Value::Text(_) | Value::Number | Value::Named(_) => {
            return Err(subject.about().page(&"its source takes PromQL"));
        }
    };
    let path = subject.request.path;
    let asked = match &path.name {
        ObjectName::One(name) if subject.kind.resource == "namespaces" => Some(name.as_str()),
        _ => path.namespace.as_deref(),
    };
    let url = InstantQuery::url_for(subject.served.upstream.source(), asked);
    Ok(InstantQuery {
        url: url.map_err(|error| subject.about().bad_request(&error))?,
        promql,
        lookback: rule.max_age,
        namespace: namespace.cloned(),
        name: name.cloned(),
        labels: false,
    })
}

/// The matchers that restrict the query; `None` if a regular expression would be too large.
fn matchers(subject: &Subject<'_>, namespace: Option<&String>, name: Option<&String>) -> Option<Vec<Matcher>> {
    let limit = subject.services.shared.limits().expression.regex;
    let path = subject.request.path;
    let mut matchers = Vec::new();
    match (namespace, name, path.namespace.as_deref()) {
        (Some(label), _, Some(asked)) => matchers.push(Matcher::new(label, MatchOp::Equal, asked, limit).ok()?),
        // A label names Namespace objects, and the source may describe only some of them.
        (_, Some(label), None) if subject.kind.resource == "namespaces" => {
            match (&path.name, &subject.served.upstream.source().namespaces) {
                (ObjectName::One(asked), _) => matchers.push(Matcher::new(label, MatchOp::Equal, asked, limit).ok()?),
                (ObjectName::All, Namespaces::Only(names)) => matchers.push(one_of(label, true, names, limit)?),
                (ObjectName::All, Namespaces::All) => {}
            }
        }
        _ => {}
    }
    for requirement in subject.request.metric_selector.requirements() {
        narrow(requirement, limit, &mut matchers)?;
    }
    Some(matchers)
}

/// The error for a selector that is too large, to follow its name.
pub(super) const TOO_MUCH: &str = "holds more values than one regular expression can";

/// Converts a requirement of `metricLabelSelector` to matchers of Prometheus, where an empty value means that the label
/// is missing.
pub(super) fn narrow(requirement: &Requirement, limit: usize, matchers: &mut Vec<Matcher>) -> Option<()> {
    let label = select::plain(requirement.key());
    let values: Vec<String> = requirement.values().iter().filter(|value| !value.is_empty()).cloned().collect();
    let absent = |op| Matcher::new(&label, op, "", limit).ok();
    match requirement.operator() {
        Operator::Exists => matchers.push(absent(MatchOp::NotEqual)?),
        Operator::DoesNotExist => matchers.push(absent(MatchOp::Equal)?),
        Operator::Equals | Operator::DoubleEquals | Operator::In if values.is_empty() => {
            // No series satisfies both.
            matchers.extend([absent(MatchOp::Equal)?, absent(MatchOp::NotEqual)?]);
        }
        Operator::Equals | Operator::DoubleEquals | Operator::In => {
            matchers.push(one_of(&label, true, &values, limit)?);
        }
        Operator::NotEquals | Operator::NotIn if values.is_empty() => {}
        Operator::NotEquals | Operator::NotIn => matchers.push(one_of(&label, false, &values, limit)?),
        // Rejected before; see `Subject::metric_selector`.
        Operator::GreaterThan | Operator::LessThan => {}
    }
    Some(())
}

/// A matcher for any of these values, or for none of them.
fn one_of(label: &str, any: bool, values: &[String], limit: usize) -> Option<Matcher> {
    match (values, any) {
        ([value], true) => Matcher::new(label, MatchOp::Equal, value, limit).ok(),
        ([value], false) => Matcher::new(label, MatchOp::NotEqual, value, limit).ok(),
        _ => {
            let op = if any { MatchOp::Regex } else { MatchOp::NotRegex };
            let values: Vec<String> = values.iter().map(|value| regex_lite::escape(value)).collect();
            Matcher::new(label, op, &values.join("|"), limit).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::selector::{Selector, SelectorLimits};

    const LIMIT: usize = 64 * 1024;

    fn narrowed(selector: &str) -> Option<String> {
        let selector = Selector::parse(selector, &SelectorLimits { bytes: 64 * 1024, requirements: 8 }).unwrap();
        let mut matchers = Vec::new();
        for requirement in selector.requirements() {
            narrow(requirement, LIMIT, &mut matchers)?;
        }
        Some(matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn selectors_become_matchers() {
        for (selector, expected) in [
            ("verb=GET", r#"verb="GET""#),
            ("verb==GET", r#"verb="GET""#),
            ("verb!=GET", r#"verb!="GET""#),
            ("verb in (GET, P.T)", r#"verb=~"GET|P\\.T""#),
            ("verb in (GET)", r#"verb="GET""#),
            ("verb notin (a, b-c_d)", r#"verb!~"a|b\\-c_d""#),
            ("verb", r#"verb!="""#),
            ("!verb", r#"verb="""#),
            ("verb=", r#"verb="",verb!="""#),
            ("verb in (,GET)", r#"verb="GET""#),
            ("verb!=", ""),
            ("verb notin (,GET)", r#"verb!="GET""#),
            ("app.kubernetes.io/name=web,tier!=x", r#"app_kubernetes_io_name="web",tier!="x""#),
        ] {
            assert_eq!(narrowed(selector).as_deref(), Some(expected), "{selector}");
        }
        let many = (0..2_000).map(|n| format!("value-{n}-{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(narrowed(&format!("verb in ({many})")), None);
    }
}
