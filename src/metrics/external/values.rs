//! The values on a page: the result of an expression, items with labels, or one number.

use std::collections::BTreeMap;

use super::{ExternalSubject, FoundValues, values};
use crate::config::model::{ObjectMapping, Rule, Value};
use crate::metrics::evaluation;
use crate::metrics::failure::Failure;
use crate::metrics::joined::{JoinedData, JoinedMembers};
use crate::metrics::member::Member;
use crate::metrics::page_data::PageData;
use crate::metrics::page_members::PageMembers;
use crate::metrics::reason::{RefusalReason, not_by_name};
use crate::metrics::select::{self, NAME_GROUP};
use crate::parse::escape::Escaped;
use crate::parse::selector::Requirement;
use crate::promql::evaluate::{Labels, evaluate};
use crate::promql::{Expr, VectorSelector};
use crate::source::page::{PageItem, Series};

/// The values of a page that was fetched at this time.
pub(super) fn of_page(
    subject: &ExternalSubject<'_>,
    members: PageMembers<'_>,
    at: i64,
) -> Result<FoundValues, Failure> {
    match members {
        PageMembers::Series(series) => of_series(subject, &series, at),
        PageMembers::Items(items) => of_items(subject, &items, at),
        PageMembers::Number(item) => of_items(subject, &[&item], at),
    }
}

fn of_series(subject: &ExternalSubject<'_>, series: &[&Series], at: i64) -> Result<FoundValues, Failure> {
    let (selected, reason) = match subject.select(series.iter().copied()) {
        Ok(selected) => (selected, None),
        // An expression may have a value without series.
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let refuse = |reason: RefusalReason| Err(subject.about().refused(&reason));
    let of_a_name;
    let expr = match &subject.served.rule.value {
        Value::Series(expr) => expr,
        _ => match selected.iter().find_map(|series| not_by_name(series.name(), series.kind())) {
            Some(kind) => return refuse(RefusalReason::NotAGauge(kind)),
            None => {
                of_a_name = Expr::Selector(VectorSelector::named(&subject.served.rule.name));
                &of_a_name
            }
        },
    };
    let data = PageData::with_labels(expr, &selected, at, subject.served.template.is_some());
    match evaluate(expr, &data, at) {
        Ok(elements) if elements.is_empty() => Ok(Err(reason.unwrap_or_else(|| evaluation::filtered(expr, &selected)))),
        Ok(elements) => Ok(Ok(values(elements))),
        Err(error) => refuse(RefusalReason::Evaluation(error)),
    }
}

/// The values of joined pages.
pub(super) fn of_joined(
    subject: &ExternalSubject<'_>,
    members: &JoinedMembers<'_>,
    at: i64,
) -> Result<FoundValues, Failure> {
    let series = match members {
        JoinedMembers::Series(series) => series,
        JoinedMembers::Items(items) => {
            let items: Vec<&PageItem> = items.iter().map(|item| -> &PageItem { item }).collect();
            return of_items(subject, &items, at);
        }
    };
    let Value::Series(expr) = &subject.served.rule.value else {
        return Err(subject.about().refused(&RefusalReason::Several));
    };
    let (selected, reason) = match subject.select(series) {
        Ok(selected) => (selected, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let data = JoinedData::new(expr, &selected);
    match evaluate(expr, &data, at) {
        Ok(elements) if elements.is_empty() => Ok(Err(reason.unwrap_or_else(|| data.nothing(expr)))),
        Ok(elements) => Ok(Ok(values(elements))),
        Err(error) => Err(subject.about().refused(&RefusalReason::Evaluation(error))),
    }
}

/// Items with the same labels are one value.
fn of_items(subject: &ExternalSubject<'_>, items: &[&PageItem], at: i64) -> Result<FoundValues, Failure> {
    let selector = subject.selector();
    let unknown = selector.requirements().iter().map(Requirement::key).find(|key| !gives(&subject.served.rule, key));
    if let Some(key) = unknown {
        let key = Escaped::new(key);
        let why = format!("labelSelector: no value has the label {key}; labelsFrom: beside items: gives labels");
        return Err(subject.about().bad_request(&why));
    }
    let selected = match subject.select(items.iter().copied()) {
        Ok(selected) => selected,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut by_labels: BTreeMap<Labels, Vec<&PageItem>> = BTreeMap::new();
    for item in selected {
        by_labels.entry(labels(item)).or_default().push(item);
    }
    let value = |(labels, items): (Labels, Vec<&PageItem>)| {
        let finding = PageItem::evaluate(&items, subject.served, at);
        (labels, finding)
    };
    Ok(Ok(by_labels.into_iter().map(value).collect()))
}

/// Whether values of a rule may have this label, as it is or as Prometheus writes it. Whether a selector is valid must
/// not depend on the labels that the current page has.
fn gives(rule: &Rule, key: &str) -> bool {
    let is_key = |label: &str| label == key || label == select::plain(key);
    match (&rule.mapping, &rule.value) {
        (ObjectMapping::External { items: Some(items), .. }, _) => {
            items.labels_from.iter().any(|(label, _)| is_key(label))
        }
        (_, Value::Text(expr)) => expr.pattern.names_objects() && is_key(NAME_GROUP),
        _ => false,
    }
}

fn labels(item: &PageItem) -> Labels {
    let name = item.name.iter().map(|name| (NAME_GROUP, name.as_str()));
    Labels::new(item.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(name))
}
