//! External metrics of a server that evaluates PromQL: one query, restricted to the requested namespace.

use super::{ExternalSubject, values};
use crate::config::model::{ObjectMapping, Value};
use crate::kube::external_metrics::ExternalMetricValue;
use crate::metrics::failure::Failure;
use crate::metrics::judgement::Scrape;
use crate::metrics::prometheus::{self, TOO_MUCH};
use crate::metrics::reason::MissingReason;
use crate::metrics::trace::Trace;
use crate::parse::escape::Escaped;
use crate::parse::selector::Operator;
use crate::promql::evaluate::{Element, Times};
use crate::promql::{MatchOp, Matcher, Scope};
use crate::source::prometheus::{InstantQuery, Sample};
use crate::source::waiting::AllowedWaits;

/// The elements of the query's result.
pub(super) fn answer(
    subject: &ExternalSubject<'_>,
    waits: AllowedWaits,
    trace: &mut Trace,
) -> Result<Vec<ExternalMetricValue>, Failure> {
    let about = subject.about();
    let query = query(subject)?;
    let result = prometheus::run_query(subject.served, &about, &query, waits, trace)?;
    let span = subject.served.rule.value.range();
    let element = |sample: &Sample| Element {
        labels: sample.labels.clone(),
        value: sample.value,
        times: Times { span, ..Times::of(sample.at) },
    };
    let elements: Vec<Element> = result.samples.iter().map(element).collect();
    let found = if elements.is_empty() { Err(MissingReason::NoResult) } else { Ok(values(elements)) };
    subject.items(found, Scrape::of_page(result.at), trace)
}

fn query(subject: &ExternalSubject<'_>) -> Result<InstantQuery, Failure> {
    let (about, rule) = (subject.about(), &subject.served.rule);
    let matchers = matchers(subject)?;
    let scope = Scope { matchers, by: None };
    let promql = match &rule.value {
        Value::Series(expr) => expr.inject(&scope).map_err(|dropped| about.page(&dropped))?.to_string(),
        Value::QueryTemplate(template) => {
            if !subject.request.selector.is_everything() && !template.takes_matchers() {
                let message = "labelSelector needs {$matchers} in the rule's query, which has none";
                return Err(about.bad_request(&message));
            }
            template.inject(&scope)
        }
        Value::Json(_) | Value::Text(_) | Value::Number | Value::Named(_) => {
            return Err(about.page(&"its source takes PromQL"));
        }
    };
    let url = InstantQuery::url_for(subject.served.upstream.source(), Some(&subject.request.path.namespace));
    let url = url.map_err(|error| about.bad_request(&error))?;
    Ok(InstantQuery { url, promql, lookback: rule.max_age, namespace: None, name: None, labels: true })
}

/// The matchers that restrict the query to the requested namespace and to `labelSelector`.
fn matchers(subject: &ExternalSubject<'_>) -> Result<Vec<Matcher>, Failure> {
    let about = subject.about();
    let limit = subject.services.shared.limits().expression.regex;
    let mut matchers = Vec::new();
    if let ObjectMapping::External { namespace, .. } = &subject.served.rule.mapping
        && let Some(label) = namespace.first()
    {
        // A series without this label applies to every namespace that may request the metric.
        let this = format!("{}|", regex_lite::escape(&subject.request.path.namespace));
        let matcher = Matcher::new(label, MatchOp::Regex, &this, limit);
        matchers.push(matcher.map_err(|error| about.page(&error))?);
    }
    for requirement in subject.request.selector.requirements() {
        if matches!(requirement.operator(), Operator::GreaterThan | Operator::LessThan) {
            let key = Escaped::new(requirement.key());
            return Err(about.bad_request(&format!("labelSelector: > and < are not supported, found on {key}")));
        }
        prometheus::narrow(requirement, limit, &mut matchers)
            .ok_or_else(|| about.bad_request(&format!("labelSelector {TOO_MUCH}")))?;
    }
    Ok(matchers)
}
