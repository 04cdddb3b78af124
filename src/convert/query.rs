//! Converts prometheus-adapter's `metricsQuery` to the value of a rule.
//!
//! prometheus-adapter inserts the names of the requested objects. In Metriclet the value describes one object, and
//! Metriclet adds the object's label to every selector and aggregation. If that gives a different result, because a
//! selector lacks `<<.LabelMatchers>>`, the value names the object itself with `{name}` and `{namespace}`.

use super::go_template::TemplatePiece;
use super::query_shape::{MARK, has_mark, is_marked, keeps, mixes, stripped};
use crate::config::limits::{ExpressionLimits, Limits};
use crate::promql::{self, Expr, QueryTemplate, Scope};

/// What the conversion of a query needs to know about its rule and the requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryOf<'a> {
    pub(super) pieces: &'a [TemplatePiece],
    pub(super) series: &'a str,
    /// The label of the namespace; `None` if queries are not restricted to a namespace.
    pub(super) namespace_label: Option<&'a str>,
    /// Whether a request may have a `metric.selector`.
    pub(super) selects: bool,
    pub(super) limits: &'a promql::Limits,
}

/// A value, and how it is restricted to its object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueText {
    pub(super) value: String,
    /// Whether the value itself names the requesting namespace and, if there is one, the object.
    pub(super) is_bound: bool,
    /// Whether one object may have several series that no aggregation combines.
    pub(super) is_bare: bool,
}

impl QueryOf<'_> {
    /// The value for objects with this label; `many` if a request may be for several objects.
    ///
    /// # Errors
    /// Why there is no equivalent value.
    pub(super) fn of_objects(&self, label: &str, many: bool) -> Result<ValueText, String> {
        let label = label.to_owned();
        let bound = |value| ValueText { value, is_bound: true, is_bare: false };
        if self.values().next().is_none() {
            let marked = self.expand(&format!("{MARK}=\"\""), &label, |_| None)?;
            match Expr::parse(&marked, self.limits) {
                Ok(expr) => {
                    if let Some(plain) = self.plain(&expr, &label, many)? {
                        return Ok(plain);
                    }
                }
                Err(error) => {
                    let template = self.expand("$matchers", "$by", |_| None)?;
                    let parsed = QueryTemplate::parse(&template, false, self.limits);
                    if parsed.is_ok_and(|parsed| parsed.mixes().is_none()) {
                        return Ok(ValueText { value: template, is_bound: false, is_bare: false });
                    }
                    if many {
                        let why = error.to_string();
                        let why = why.strip_suffix(promql::SUPPORTED_ELSEWHERE).unwrap_or(&why);
                        return Err(format!("cannot determine whether it keeps pods separate: {why}"));
                    }
                }
            }
        } else if many {
            return Err("<<.LabelValuesByName>> contains the names of all requested pods, joined by |; use \
                        <<.LabelMatchers>>"
                .to_owned());
        }
        let Some(namespace_label) = self.namespace_label else {
            return Err("a selector without <<.LabelMatchers>> has no equivalent for Namespaces".to_owned());
        };
        let value_of = |name: &str| match name {
            name if name == label => Some("{name}"),
            name if name == namespace_label => Some("{namespace}"),
            _ => None,
        };
        let own = format!("{namespace_label}=\"{{namespace}}\",{label}=\"{{name}}\"");
        let matchers = if self.selects { format!("$matchers,{own}") } else { own };
        let value = self.expand(&matchers, &label, value_of)?;
        if !["{name}", "{namespace}"].iter().all(|placeholder| value.contains(placeholder)) {
            return Err(
                "no selector contains <<.LabelMatchers>>, so the query is not restricted to the namespace".to_owned()
            );
        }
        Ok(bound(value))
    }

    /// The value for an external metric.
    ///
    /// # Errors
    /// Why there is no equivalent value.
    pub(super) fn of_external(&self) -> Result<ValueText, String> {
        let has_matchers = self.names().any(|name| name == "LabelMatchers");
        let is_bound = self.namespace_label.is_some() && (has_matchers || self.values().next().is_some());
        if self.selects && !has_matchers {
            return Err("an HPA has a metric.selector, which has no effect without <<.LabelMatchers>>".to_owned());
        }
        let own = match self.namespace_label {
            Some(label) if is_bound => format!("{label}=\"{{namespace}}\""),
            _ => String::new(),
        };
        let value_of = |name: &str| Some("{namespace}").filter(|_| Some(name) == self.namespace_label);
        let marked = self.expand(&format!("{MARK}=\"\""), "", value_of)?;
        let all_marked = Expr::parse(&marked, self.limits).is_ok_and(|expr| is_marked(&expr));
        let matchers = match (self.selects && !all_marked, own.is_empty()) {
            (true, true) => "$matchers".to_owned(),
            (true, false) => format!("$matchers,{own}"),
            (false, _) => own,
        };
        let value = self.expand(&matchers, "", value_of)?;
        let value = Expr::parse(&value, self.limits).map_or(value, |expr| expr.to_string());
        Ok(ValueText { value, is_bound, is_bare: false })
    }

    /// The expression for one object, if Metriclet's scoping makes it equivalent to prometheus-adapter's query.
    fn plain(&self, expr: &Expr, label: &String, many: bool) -> Result<Option<ValueText>, String> {
        if !keeps(expr, label) {
            return Err(format!(
                "its result lacks the label {label}, so prometheus-adapter finds no object in it; add by (<<.GroupBy>>)"
            ));
        }
        if many && mixes(expr, label) {
            return Err(format!("an aggregation without {label} combines all requested pods; add by (<<.GroupBy>>)"));
        }
        let plain = stripped(expr, label);
        let scope = Scope { matchers: Vec::new(), by: Some(label.clone()) };
        if !is_marked(expr) || plain.inject(&scope).is_err() {
            if !has_mark(expr) {
                return Err("no selector contains <<.LabelMatchers>>, so the query is not restricted to the namespace"
                    .to_owned());
            }
            return Ok(None);
        }
        let is_bare = !plain.children().iter().chain([&plain]).any(|part| matches!(part, Expr::Aggregate(..)));
        Ok(Some(ValueText { value: plain.to_string(), is_bound: false, is_bare }))
    }

    /// The first name of each field in the template.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            TemplatePiece::Field(names) => names.first().map(String::as_str),
            TemplatePiece::Text(_) => None,
        })
    }

    /// The labels whose values the template inserts.
    fn values(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| *name == "LabelValuesByName")
    }

    /// Expands the template with these matchers, grouping labels, and values of labels.
    fn expand<'v>(&self, matchers: &str, by: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
        let mut text = String::new();
        for piece in self.pieces {
            match piece {
                TemplatePiece::Text(literal) => text.push_str(&without_placeholders(literal)?),
                TemplatePiece::Field(names) => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    match names.as_slice() {
                        ["Series"] => text.push_str(self.series),
                        ["LabelMatchers"] => text.push_str(matchers),
                        ["GroupBy"] => text.push_str(by),
                        ["GroupBySlice", "0"] if !by.is_empty() => text.push_str(by),
                        ["LabelValuesByName", label] => match value(label) {
                            Some(value) => text.push_str(value),
                            None => return Err(format!("the value of label {label} is unknown before a request")),
                        },
                        // Rejected by the parser of the template.
                        _ => return Err(format!("<<.{}>> is not supported here", names.join("."))),
                    }
                }
            }
        }
        Ok(text)
    }
}

/// The limits on a query.
pub(super) fn limits(limits: &Limits) -> promql::Limits {
    let ExpressionLimits { bytes, depth, nodes, regex } = limits.expression;
    promql::Limits { bytes, depth, nodes, regex }
}

/// A query that the other adapter sends unchanged.
///
/// # Errors
/// If a placeholder cannot be avoided.
pub(super) fn verbatim(query: &str, limits: &Limits) -> Result<String, String> {
    let query = without_placeholders(query.trim())?;
    Ok(Expr::parse(&query, &self::limits(limits)).map_or(query, |expr| expr.to_string()))
}

/// A string literal in which Metriclet recognizes no placeholder.
///
/// # Errors
/// If a placeholder cannot be avoided.
fn without_placeholders(literal: &str) -> Result<String, String> {
    let mut text = literal.to_owned();
    for word in ["name", "namespace", "metric"] {
        let placeholder = format!("{{{word}}}");
        if text.contains(&placeholder) && text.contains('`') {
            return Err(format!("{placeholder} within backquotes would be a placeholder here; use double quotes"));
        }
        text = text.replace(&placeholder, &format!("\\x7b{word}}}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::go_template;
    use super::*;

    const LIMITS: promql::Limits = promql::Limits { bytes: 4096, depth: 16, nodes: 64, regex: 64 * 1024 };

    fn query<'a>(pieces: &'a [TemplatePiece], selects: bool) -> QueryOf<'a> {
        QueryOf { pieces, series: "x_total", namespace_label: Some("ns"), selects, limits: &LIMITS }
    }

    #[test]
    fn is_written_for_one_object() {
        let none = |why: &str| format!("error: {why}");
        for (text, many, expected) in [
            (
                "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)",
                true,
                "sum(rate(x_total[2m]))".to_owned(),
            ),
            (
                "sum by (pod) (rate(x_total{<<.LabelMatchers>>,a!=\"\"}[2m]))",
                true,
                "sum(rate(x_total{a!=\"\"}[2m]))".to_owned(),
            ),
            ("sum(<<.Series>>{<<.LabelMatchers>>}) by (<<index .GroupBySlice 0>>)", true, "sum(x_total)".to_owned()),
            (
                "histogram_quantile(0.9, sum by (le, <<.GroupBy>>) (rate(b{<<.LabelMatchers>>}[5m])))",
                true,
                "histogram_quantile(0.9, sum by (le) (rate(b[5m])))".to_owned(),
            ),
            (
                "sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) / on(<<.GroupBy>>) sum(b{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
                true,
                "sum(a) / on () sum(b)".to_owned(),
            ),
            ("<<.Series>>{<<.LabelMatchers>>}", true, "bare: x_total".to_owned()),
            ("sum(a{<<.LabelMatchers>>,r=\"/{name}\"}) by (pod)", true, "sum(a{r=\"/\\x7bname}\"})".to_owned()),
            // Queries that prometheus-adapter itself cannot serve, or not for several objects.
            ("sum(<<.Series>>{<<.LabelMatchers>>})", false, none("its result lacks the label pod")),
            ("count(cheddar)", false, none("its result lacks the label pod")),
            ("sum(x) by (<<.GroupBy>>)", true, none("no selector contains <<.LabelMatchers>>")),
            (
                "sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) / scalar(sum(b{<<.LabelMatchers>>}))",
                true,
                none("an aggregation without pod combines all requested pods"),
            ),
            // For one object the result is the same.
            (
                "sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) / scalar(sum(b))",
                false,
                "bound: sum(a{ns=\"{namespace}\",pod=\"{name}\"}) by (pod) / scalar(sum(b))".to_owned(),
            ),
            (
                "sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) / scalar(sum(b))",
                true,
                "bound: sum(a{ns=\"{namespace}\",pod=\"{name}\"}) by (pod) / scalar(sum(b))".to_owned(),
            ),
            (
                "sum(a{ns=\"<<index .LabelValuesByName \"ns\">>\",pod=~\"<<.LabelValuesByName.pod>>\"}) by (pod)",
                false,
                "bound: sum(a{ns=\"{namespace}\",pod=~\"{name}\"}) by (pod)".to_owned(),
            ),
            (
                "sum(a{pod=~\"<<.LabelValuesByName.pod>>\"}) by (pod)",
                true,
                none("<<.LabelValuesByName>> contains the names"),
            ),
            ("sum(a{q=\"<<.LabelValuesByName.q>>\"}) by (pod)", false, none("the value of label q is unknown")),
            // Beyond the subset of PromQL.
            (
                "max_over_time(sum by (<<.GroupBy>>) (a{<<.LabelMatchers>>})[10m:1m])",
                true,
                "max_over_time(sum by ($by) (a{$matchers})[10m:1m])".to_owned(),
            ),
            (
                "max_over_time(sum(a{<<.LabelMatchers>>})[10m:1m])",
                true,
                none("cannot determine whether it keeps pods separate"),
            ),
        ] {
            let pieces = go_template::parse(text).unwrap();
            let found = match query(&pieces, false).of_objects("pod", many) {
                Ok(ValueText { value, is_bound: true, .. }) => format!("bound: {value}"),
                Ok(ValueText { value, is_bare: true, .. }) => format!("bare: {value}"),
                Ok(ValueText { value, .. }) => value,
                Err(why) => none(&why),
            };
            match expected.strip_prefix("error: ") {
                Some(_) => assert!(found.starts_with(&expected), "{text}: {found}"),
                None => assert_eq!(found, expected, "{text}"),
            }
        }
    }

    #[test]
    fn is_written_for_external_metrics() {
        for (text, namespaced, selects, expected) in [
            (
                "sum(<<.Series>>{<<.LabelMatchers>>}) by (name)",
                true,
                false,
                "sum by (name) (x_total{ns=\"{namespace}\"})",
            ),
            ("sum(<<.Series>>{<<.LabelMatchers>>}) by (name)", false, true, "sum by (name) (x_total)"),
            ("sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)", false, false, "sum(x_total)"),
            ("sum(a{<<.LabelMatchers>>}) / sum(b)", true, true, "sum(a{$matchers,ns=\"{namespace}\"}) / sum(b)"),
            ("sum(a{<<.LabelMatchers>>}) / sum(b)", false, true, "sum(a{$matchers}) / sum(b)"),
            ("sum(a{<<.LabelMatchers>>}) / sum(b)", true, false, "sum(a{ns=\"{namespace}\"}) / sum(b)"),
            ("scalar(sum(b))", true, false, "scalar(sum(b))"),
            ("sum(b)", true, true, "error: an HPA has a metric.selector"),
            ("sum(b) by (<<index .GroupBySlice 0>>)", true, false, "error: <<.GroupBySlice.0>> is not supported here"),
        ] {
            let pieces = go_template::parse(text).unwrap();
            let of = query(&pieces, selects);
            let of = QueryOf { namespace_label: of.namespace_label.filter(|_| namespaced), ..of };
            let found = of.of_external().map_or_else(|why| format!("error: {why}"), |found| found.value);
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}
