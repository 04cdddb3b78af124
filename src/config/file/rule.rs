//! One rule of the file.

use super::fields::{Fields, Sink};
use super::object_mapping::{self, MappedKinds, NO_LABEL};
use super::rule_index::{RuleIndex, Served};
use super::{Known, Sources, external, fallback, forward, namespaces, objects, path_segment, suggest};
use crate::config::check;
use crate::config::limits::{ExpressionLimits, Limits};
use crate::config::model::{BrokenRule, Config, DescribedObject, Format, OnNan, Rule, Source, Value};
use crate::config::problem::{Part, Problem, Severity};
use crate::parse::digest;
use crate::parse::escape::Escaped;
use crate::parse::json::{self, JsonExpr};
use crate::parse::regex::{self, RegexLimits, TextExpr};
use crate::parse::url_template::Placeholder;
use crate::parse::yaml::{self, Node};
use crate::promql::{self, Expr, QueryTemplate, VectorSelector};

const KEYS: &[&str] = &[
    "name",
    "object",
    "external",
    "kind",
    "namespaced",
    "apiVersion",
    "source",
    "value",
    "describes",
    "items",
    "nameFrom",
    "namespaceFrom",
    "namespaceLabel",
    "nameLabel",
    "namePattern",
    "labelsFrom",
    "namespaces",
    "onMissing",
    "onUnavailable",
    "onNaN",
    "allowNegative",
    "maxAge",
    "ageFrom",
    "minCoverage",
    "shadow",
];

/// How to write a query for several objects that Metriclet cannot rewrite.
const PLACEHOLDERS_HINT: &str = "a query that the server evaluates needs {$matchers} after each metric and by ($by) for each \
                            aggregation; with describes: it needs neither";

/// How to write a query for an external metric that Metriclet cannot rewrite.
const MATCHERS_HINT: &str = "a query that the server evaluates needs {$matchers} after each metric, for the \
                              namespace of the request; with namespaceLabel: none it needs none";

/// The context in which rules are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) config: &'a Config,
    pub(super) limits: &'a Limits,
    pub(super) forwarding: &'a forward::Forwarding,
}

/// The result of reading a rule.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    /// One rule for each group of kinds with the same mapping; none if the rule is broken.
    pub(super) rules: Vec<Rule>,
    /// Set if the rule is broken and has a name.
    pub(super) broken: Option<BrokenRule>,
    /// The name of its source, known or not.
    pub(super) source: Option<&'a str>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn read<'a>(node: &'a Node, context: &Context<'_>, rule_index: &mut RuleIndex) -> Outcome<'a> {
    let name = name(node);
    let mut sink = Sink::new(name.map_or(Part::File, |name| Part::Rule(name.to_owned())));
    let mut draft = Draft::default();
    let what = name.map_or_else(|| "rule".to_owned(), |name| format!("rule {}", Escaped::new(name)));
    if let Some(mut fields) = Fields::open(node, node.span, &what, KEYS, &mut sink) {
        if name.is_none() {
            unreadable_name(&mut fields, &mut sink);
        }
        draft = Draft::read(name.unwrap_or_default(), &mut fields, context, &mut sink);
        if let Some(name) = name {
            let line = node.span.line;
            match draft.is_external {
                true => rule_index.take_external(name, line, &mut fields, &mut sink),
                false => {
                    let (resources, described) = (draft.resources.as_slice(), draft.described.as_slice());
                    rule_index.take(Served { name, line, resources, described }, &mut fields, &mut sink);
                }
            }
        }
    }
    let problem = sink.first_error().or(draft.of_source.as_ref()).map(Problem::to_string);
    if let Some((Known::Good(_, of_source), _)) = draft.source.and_then(|source| context.sources.get(source)) {
        for (at, rule) in draft.rules.iter_mut().enumerate() {
            rule.definition = digest::number(&(node, of_source, at));
        }
    }
    let (rules, broken) = match (problem, name) {
        (None, _) => (draft.rules, None),
        (Some(problem), Some(name)) => {
            let (name, resources, external) = (name.to_owned(), draft.resources, draft.is_external);
            (Vec::new(), Some(BrokenRule { name, resources, describes: draft.described, external, problem }))
        }
        (Some(_), None) => (Vec::new(), None),
    };
    Outcome { rules, broken, source: draft.source, problems: sink.into_problems() }
}

/// A rule as far as it could be read.
#[derive(Debug, Default)]
struct Draft<'a> {
    rules: Vec<Rule>,
    resources: Vec<String>,
    /// The objects that it lists.
    described: Vec<DescribedObject>,
    is_external: bool,
    source: Option<&'a str>,
    /// The problem of its source, which is reported at the source.
    of_source: Option<Problem>,
}

impl<'a> Draft<'a> {
    fn read(name: &str, fields: &mut Fields<'a>, context: &Context<'_>, sink: &mut Sink) -> Self {
        let limits = context.limits;
        let is_external = fields.boolean("external", sink).unwrap_or_default();
        let objects = if is_external { objects::Objects::default() } else { objects::read(fields, sink) };
        let source_name = fields.required_text("source", sink);
        let (source, of_source) = source_name.map_or((None, None), |name| find_source(name, fields, context, sink));
        let value = value(name, source.map(|(_, source)| source), fields, limits, sink);
        let external = is_external.then(|| external::ExternalKeys::read(name, fields, limits, sink));
        let mapping = object_mapping::Keys::read(fields, limits, sink);
        let (name_pattern, described) = (mapping.name_pattern().cloned(), mapping.described().to_vec());
        let namespaces = namespaces::read(fields, sink);
        let on_missing = fallback::on_missing(fields, limits, sink).unwrap_or_default();
        let on_unavailable = fallback::on_unavailable(fields, limits, sink).unwrap_or_default();
        let on_nan = [("error", OnNan::Error), ("missing", OnNan::Missing), ("zero", OnNan::Zero)];
        let on_nan = fields.word("onNaN", &on_nan, sink).unwrap_or_default();
        let allow_negative = fields.boolean("allowNegative", sink).unwrap_or_default();
        let max_age =
            fields.duration("maxAge", false, limits.config.duration, sink).unwrap_or(limits.freshness.max_age);
        let age_from = fallback::age_from(fields, limits, sink);
        let min_coverage = min_coverage(fields, sink).unwrap_or(100);
        let shadow = forward::shadow(fields, is_external, context.forwarding, sink);

        let mut rules = Vec::new();
        if let (Some((index, source)), Some(value)) = (source, value) {
            let groups = match (external, objects.kinds) {
                (Some(external), _) => {
                    external.mapping(&value, source, fields, sink).map(|one| vec![(Vec::new(), one)])
                }
                (None, Some(kinds)) => {
                    external::refuse_keys(fields, sink);
                    mapping.groups(&kinds, &value, source, fields, sink)
                }
                (None, None) => None,
            };
            let groups = groups.unwrap_or_default();
            rules.extend(groups.into_iter().map(|(objects, mapping): MappedKinds| Rule {
                name: name.to_owned(),
                objects,
                source: index,
                value: value.clone(),
                mapping,
                name_pattern: name_pattern.clone(),
                namespaces: namespaces.clone(),
                on_missing,
                on_unavailable,
                on_nan,
                allow_negative,
                min_coverage,
                age_from: age_from.clone(),
                max_age,
                shadow,
                line: fields.home().line,
                definition: 0,
            }));
            for rule in &rules {
                fields.report(check::rule(rule, source, limits), sink);
            }
        }
        Self { rules, resources: objects.resources, described, is_external, source: source_name, of_source }
    }
}

/// The name of a rule, if it has exactly one.
fn name(node: &Node) -> Option<&str> {
    let yaml::YamlValue::Mapping(entries) = &node.value else {
        return None;
    };
    let mut names = entries.iter().filter(|(key, _)| key.text == "name");
    match (names.next(), names.next()) {
        (Some((_, name)), None) => name.text().filter(|text| path_segment::check(text).is_ok()),
        _ => None,
    }
}

fn unreadable_name(fields: &mut Fields<'_>, sink: &mut Sink) {
    if let Some(Err(message)) = fields.required_text("name", sink).map(path_segment::check) {
        fields.fail("name", &message, sink);
    }
}

/// The source with this name; without it, the rule has a problem.
fn find_source<'a>(
    name: &str,
    fields: &mut Fields<'_>,
    context: &Context<'a>,
    sink: &mut Sink,
) -> (Option<(usize, &'a Source)>, Option<Problem>) {
    match context.sources.get(name) {
        Some((Known::Good(index, _), _)) => (context.config.sources.get(*index).map(|source| (*index, source)), None),
        Some((Known::Broken(problem), _)) => {
            let message = format!("source {} is broken: {problem}", Escaped::new(name));
            let span = fields.span("source");
            (None, Some(Problem { span, severity: Severity::Error, part: problem.part.clone(), message }))
        }
        None => {
            let hint = suggest::hint(name, context.sources.keys().copied());
            fields.fail("source", &format!("unknown source {}{hint}", Escaped::new(name)), sink);
            (None, None)
        }
    }
}

/// A format whose pages have no series, and an example of a value.
fn example(format: Format) -> Option<(&'static str, &'static str)> {
    match format {
        Format::Prometheus | Format::OpenMetrics | Format::Number => None,
        Format::Json => Some(("json", "$.queue.depth")),
        Format::Yaml => Some(("yaml", "$.queue.depth")),
        Format::Csv => Some(("csv", "$[?@.queue == 'mail'].depth")),
        Format::Text => Some(("text", r"'/^BusyWorkers: (\d+)/'")),
    }
}

fn value(
    name: &str,
    source: Option<&Source>,
    fields: &mut Fields<'_>,
    limits: &Limits,
    sink: &mut Sink,
) -> Option<Value> {
    let format = source.and_then(|source| source.format);
    if let (false, Some((word, example))) = (fields.has("value"), format.and_then(example)) {
        fields.fail("value", &format!("required where the format is {word}, such as {example}"), sink);
        return None;
    }
    match (fields.has("value"), format) {
        (true, Some(Format::Number)) => {
            fields.fail("value", "must be absent with format: number, because the page is the value", sink);
            return None;
        }
        (false, Some(Format::Number)) => return Some(Value::Number),
        (false, _) if fields.has("items") => {
            fields.fail("value", "required beside items:, such as $.depth; $ is the item", sink);
            return None;
        }
        (false, _) => return Some(Value::Series(Expr::Selector(VectorSelector::named(name)))),
        (true, _) => {}
    }
    let text = fields.text("value", sink)?;
    let asked = source.filter(|source| source.is_prometheus());
    // The server evaluates a query about one object as written.
    let is_ignored = fields.get("namespaceLabel").and_then(Node::text) == Some(NO_LABEL);
    let is_one = asked.is_some() && (fields.has("describes") || fields.has("external") && is_ignored);
    // The same applies to a query with placeholders for the object, or for the namespace of the request.
    let identifying = if fields.has("external") {
        &[Placeholder::Namespace][..]
    } else {
        &[Placeholder::Name, Placeholder::Namespace]
    };
    let for_one =
        is_one || asked.is_some() && identifying.iter().all(|placeholder| text.contains(placeholder.as_str()));
    let is_json = json::looks_like_json(text) && !QueryTemplate::is_template(text);
    let is_regex = regex::looks_like_regex(text);
    if let Some(source) = asked.filter(|_| is_json || is_regex) {
        let found = if is_json { "a JSONPath" } else { "a regular expression" };
        let message = format!("source {} requires PromQL, and this is {found}", Escaped::new(&source.name));
        fields.fail("value", &message, sink);
        return None;
    }
    if let Some(source) = source.filter(|_| format == Some(Format::Text) && !is_regex) {
        let message = format!(
            "expected a regular expression between slashes, such as '/^BusyWorkers: (\\d+)/', or sum(), avg(), min(), max() or \
             count() of one, as the format of source {} is text",
            Escaped::new(&source.name)
        );
        fields.fail("value", &message, sink);
        return None;
    }
    let placeholders = [Placeholder::Name, Placeholder::Namespace, Placeholder::Metric].map(Placeholder::as_str);
    let found = placeholders.iter().find(|placeholder| (is_json || is_regex) && text.contains(**placeholder));
    if let Some(found) = found {
        let (instead, literal) = match is_json {
            true => ("use items: and nameFrom:", found.replace('{', "\\u007b")),
            false => ("a group (?<name>…) names objects", found.replace('{', "\\{")),
        };
        let message = format!(
            "{found} is a placeholder only in the values of labels; {instead}; a literal one is written {literal}"
        );
        fields.fail("value", &message, sink);
        return None;
    }
    let (parsed, column) = if is_regex {
        let limits = RegexLimits { bytes: limits.expression.bytes, compiled: limits.page.pattern };
        match TextExpr::parse(text, &limits) {
            Ok(expr) => return Some(Value::Text(expr)),
            Err(error) => (error.to_string(), error.column),
        }
    } else if is_json {
        match JsonExpr::parse(text, &json::JsonLimits { bytes: limits.expression.bytes }) {
            Ok(expr) => return Some(Value::Json(expr)),
            Err(error) => (error.to_string(), error.column),
        }
    } else {
        let ExpressionLimits { bytes, depth, nodes, regex } = limits.expression;
        let limits = promql::Limits { bytes, depth, nodes, regex };
        match Expr::parse(text, &limits) {
            Ok(expr) => return Some(Value::Series(expr)),
            Err(_) if for_one || QueryTemplate::is_template(text) => match QueryTemplate::parse(text, for_one, &limits)
            {
                Ok(written)
                    if is_one || !for_one || identifying.iter().all(|placeholder| written.uses(*placeholder)) =>
                {
                    return Some(Value::QueryTemplate(written));
                }
                Ok(_) => {
                    let message =
                        "{name} and {namespace} identify the object only as the values of matchers".to_owned();
                    (message, 1)
                }
                Err(error) => (error.to_string(), error.column),
            },
            Err(error) if asked.is_some() => {
                let message = error.to_string();
                let message = message.strip_suffix(promql::SUPPORTED_ELSEWHERE).unwrap_or(&message);
                let places = if fields.has("external") { MATCHERS_HINT } else { PLACEHOLDERS_HINT };
                (format!("{message}; {places}"), error.column)
            }
            Err(error) => match text.contains(['.', '[']).then(|| json::segments::from_dots(text)).flatten() {
                Some(path) => (format!("{error}; as a JSONPath it is {path}"), error.column),
                None => match format.and_then(example) {
                    Some((word, path)) => (
                        format!("{error}; the format is {word}, and its values are JSONPaths such as {path}"),
                        error.column,
                    ),
                    None => (error.to_string(), error.column),
                },
            },
        }
    };
    let span = fields.get("value").and_then(|node| node.within(column)).unwrap_or(fields.span("value"));
    fields.fail_at("value", span, &parsed, sink);
    None
}

/// `80%`
fn min_coverage(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<u8> {
    let text = fields.text("minCoverage", sink)?;
    let percent = text.strip_suffix('%').and_then(|number| number.parse().ok()).filter(|it| (1..=100).contains(it));
    if percent.is_none() {
        let message = format!("expected 1% to 100%, found {}", Escaped::new(text));
        fields.fail("minCoverage", &message, sink);
    }
    percent
}
