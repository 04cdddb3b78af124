//! Converts prometheus-adapter's configuration, for the metrics of given HPAs, to rules on a Prometheus server.

use super::adapter_rules::{self, AdapterRule};
use super::diagnostics::{Diagnostics, Position};
use super::hpas::{self, TargetKind, Wanted};
use super::naming::SeriesFound;
use super::output::{Output, RuleText, line, list};
use super::query::{self, QueryOf, ValueText};
use super::resources::ObjectLabel;
use super::{Converted, Input, Known};
use crate::config::limits::Limits;
use crate::kube::kinds;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{self, Node, Span, YamlValue};
use crate::promql;

const NOTES: &[&str] = &[
    "prometheus-adapter serves NaN as 0 for objects; here it is an error, and onNaN: zero on a rule serves 0",
    "prometheus-adapter truncates values to thousandths; here they are rounded, and no other value becomes 0",
    "prometheus-adapter serves negative values; here they are an error without allowNegative: true",
    "prometheus-adapter lists metrics whose series exist, after the relist interval; here the list depends on the rules only",
    "a series that has ended is served for maxAge (2m) here, and for the server's lookback delta (5m) by prometheus-adapter",
];

/// The maximum number of candidates in a message.
const LISTED: usize = 4;

/// Converts the rules in `config` that the HPAs in `hpas` use.
pub fn convert(config: Input<'_>, hpas: &[Input<'_>], known: &Known<'_>, limits: &Limits) -> Converted {
    let mut diagnostics = Diagnostics::default();
    let rules = adapter_rules::read(config, limits, &mut diagnostics);
    let wanted = hpas::wanted(hpas, 1, known.namespace, limits, &mut diagnostics);
    let series = known.series.and_then(|bytes| names(bytes, 1 + hpas.len(), limits, &mut diagnostics));
    let mut output = Output::default();
    let mut namespaces = Vec::new();
    wanted.iter().flat_map(|wanted| &wanted.namespaces).for_each(|name| hpas::add(&mut namespaces, name));
    let source = output.source(
        "prometheus",
        vec![line("prometheus", known.prometheus.unwrap_or_default()), list("namespaces", &namespaces)],
    );
    let promql = query::limits(limits);
    if let Some(rules) = rules {
        let mut converter = RuleConverter {
            rules: &rules.rules,
            is_whole: rules.is_whole,
            series: series.as_deref(),
            source,
            promql,
            diagnostics: &mut diagnostics,
        };
        for wanted in &wanted {
            if let Some(rule) = converter.rule(wanted) {
                output.rule(rule);
            }
        }
    }
    let config = output.finish("prometheus-adapter's configuration", limits, &mut diagnostics);
    let notes = if config.is_empty() { Vec::new() } else { NOTES.to_vec() };
    Converted { config, hpas: String::new(), diagnostics: diagnostics.into_sorted(), notes }
}

/// The names of series: one per line, or the JSON response of a Prometheus server.
fn names(bytes: &[u8], input: usize, limits: &Limits, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(bytes);
    if !text.trim_start().starts_with('{') {
        let lines = text.lines().map(str::trim).filter(|name| !name.is_empty());
        return Some(lines.map(str::to_owned).collect());
    }
    let position = |span| Position::new(input, 0, span);
    match yaml::parse(&text, &limits.document()) {
        Ok(root) => match root.at(&["data"]).map(|node| &node.value) {
            Some(YamlValue::Sequence(items)) => Some(items.iter().filter_map(Node::text).map(str::to_owned).collect()),
            _ => {
                let message =
                    "expected names of series, one per line, or the response of /api/v1/label/__name__/values";
                diagnostics.error(position(Span::START), message);
                None
            }
        },
        Err(error) => {
            diagnostics.error(position(error.span), error.message);
            None
        }
    }
}

struct RuleConverter<'a> {
    rules: &'a [AdapterRule],
    /// Whether all rules could be parsed.
    is_whole: bool,
    series: Option<&'a [String]>,
    source: String,
    promql: promql::Limits,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> RuleConverter<'a> {
    /// The rule for a metric; `None` (and a diagnostic) if there is none.
    fn rule(&mut self, wanted: &Wanted) -> Option<RuleText> {
        let (rule, series, label) = self.found(wanted)?;
        let name = Escaped::new(&wanted.name);
        let fail = |diagnostics: &mut Diagnostics, why: String| {
            let users = wanted.hpas.join(", ");
            diagnostics
                .error(rule.query_place, format!("metricsQuery: metric {name} for {users} cannot be converted: {why}"));
            None
        };
        let namespace_label = match (&wanted.kind, rule.resources.namespaced) {
            (Some(kind), _) if kind.is_namespaces() => None,
            (None, false) => None,
            _ => match rule.resources.namespace_label() {
                Ok(Some(label)) => Some(label),
                Ok(None) => {
                    let why = "resources maps no label to namespaces, and prometheus-adapter needs one".to_owned();
                    return fail(self.diagnostics, why);
                }
                Err(why) => return fail(self.diagnostics, why),
            },
        };
        let query = QueryOf {
            pieces: &rule.query,
            series: &series,
            namespace_label: namespace_label.as_deref(),
            selects: wanted.selects,
            limits: &self.promql,
        };
        let value = match (&wanted.kind, &label) {
            (Some(kind), Some(label)) => query.of_objects(&label.label, kind.is_pods()),
            _ => query.of_external(),
        };
        let value = match value {
            Ok(value) => value,
            Err(why) => return fail(self.diagnostics, why),
        };
        for matcher in rule.naming.matchers_of_labels().filter(|matcher| !value.value.contains(matcher.as_str())) {
            let message = format!(
                "seriesQuery: {matcher} only selects names, as in prometheus-adapter; the values of metric {name} include other \
                 series"
            );
            self.diagnostics.warning(rule.series_place, message);
        }
        if value.is_bare {
            let message = format!(
                "metricsQuery, for metric {name}: if an object has several series, prometheus-adapter uses one of them, \
                 but here that is an error; aggregate them"
            );
            self.diagnostics.warning(rule.query_place, message);
        }
        if value.is_bound && wanted.kind.as_ref().is_some_and(TargetKind::is_pods) {
            let message = format!(
                "metricsQuery, for metric {name}: a selector lacks <<.LabelMatchers>>, so each pod needs its own query"
            );
            self.diagnostics.warning(rule.query_place, message);
        }
        let lines = lines(wanted, &self.source, label.as_ref(), namespace_label.as_deref(), &value);
        let comment = format!("{}: series {series}; for {}", rule.key(), wanted.hpas.join(", "));
        Some(RuleText {
            position: wanted.position,
            source: self.source.clone(),
            name: wanted.name.clone(),
            comment,
            lines,
        })
    }

    /// prometheus-adapter's rule that serves a metric, the series, and the label that identifies objects.
    fn found(&mut self, wanted: &Wanted) -> Option<(&'a AdapterRule, String, Option<ObjectLabel>)> {
        let name = Escaped::new(&wanted.name);
        let mut found: Vec<(&'a AdapterRule, String, bool, Option<ObjectLabel>)> = Vec::new();
        let mut reasons = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.is_external == wanted.kind.is_none()) {
            let label = match wanted.kind.as_ref().map(|kind| rule.resources.label(kind)) {
                None => None,
                Some(Ok(Some(label))) => Some(label),
                Some(Ok(None)) => continue,
                Some(Err(why)) => {
                    // Only if the rule may serve this metric.
                    if rule.naming.series_of(&wanted.name, self.series) != SeriesFound::Named(Vec::new()) {
                        reasons.push(format!("{}: {why}", rule.key()));
                    }
                    continue;
                }
            };
            match rule.naming.series_of(&wanted.name, self.series) {
                SeriesFound::Named(names) => {
                    found.extend(names.into_iter().map(|name| (rule, name, true, label.clone())));
                }
                SeriesFound::Likely(series) => found.push((rule, series, false, label)),
                SeriesFound::Unknown => {
                    reasons.push(format!(
                        "{}: its series cannot be derived from name; list the series with --series FILE",
                        rule.key()
                    ));
                }
            }
        }
        let why = match found.as_slice() {
            [_] if reasons.is_empty() => {
                let (rule, series, is_only, label) = found.pop()?;
                if !is_only {
                    let message = format!(
                        "metric {name}: uses series {}; name.matches also matches others, so list the existing series \
                         with --series FILE",
                        Escaped::new(&series)
                    );
                    self.diagnostics.warning(wanted.position, message);
                }
                return Some((rule, series, label));
            }
            [] if reasons.is_empty() => {
                let which = if self.is_whole { "" } else { " that could be read" };
                format!("no rule{which} serves it{}", of(wanted))
            }
            _ => {
                let named =
                    found.iter().map(|(rule, series, ..)| format!("{} from {}", rule.key(), Escaped::new(series)));
                let all: Vec<String> = named.chain(reasons).collect();
                let more = if all.len() > LISTED { ", and others" } else { "" };
                let hint = match self.series {
                    None if found.len() > 1 => "; list the existing series with --series FILE",
                    _ => "",
                };
                let may = if all.len() > 1 { "several rules or series may serve it: " } else { "" };
                format!("{may}{}{more}{hint}", all.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", "))
            }
        };
        self.diagnostics.error(wanted.position, format!("metric {name}: {why}"));
        None
    }
}

/// Returns ` for objects of kind Service`.
fn of(wanted: &Wanted) -> String {
    match &wanted.kind {
        Some(kind) => format!(" for objects of kind {}", Escaped::new(&kind.kind)),
        None => " as an external metric".to_owned(),
    }
}

/// The keys of a rule.
fn lines(
    wanted: &Wanted,
    source: &str,
    label: Option<&ObjectLabel>,
    namespace_label: Option<&str>,
    value: &ValueText,
) -> Vec<String> {
    let mut lines = Vec::new();
    match (&wanted.kind, label) {
        (Some(kind), Some(ObjectLabel { label, resource })) => {
            lines.push(line("object", resource));
            if kind.built_in.is_none() {
                lines.extend([line("kind", &kind.kind), "namespaced: true".to_owned()]);
                lines.push(line("apiVersion", &kind.api_version));
            }
            lines.extend([line("source", source), line("value", &value.value)]);
            let default = kinds::lookup(resource)
                .map_or_else(|| Some(kind.kind.to_ascii_lowercase()), |built_in| built_in.label().map(str::to_owned));
            if !value.is_bound {
                lines.extend(
                    namespace_label.filter(|label| *label != "namespace").map(|label| line("namespaceLabel", label)),
                );
                if default.as_deref() != Some(label) {
                    lines.push(line("nameLabel", label));
                }
            }
        }
        _ => {
            lines.extend(["external: true".to_owned(), line("source", source), line("value", &value.value)]);
            if !value.is_bound {
                lines.extend(["namespaceLabel: none".to_owned(), list("namespaces", &wanted.namespaces)]);
            }
        }
    }
    lines
}
