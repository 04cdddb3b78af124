//! Parses the rules in prometheus-adapter's configuration.

use super::Input;
use super::diagnostics::{Diagnostics, Position};
use super::go_template::{self, TemplatePiece};
use super::naming::{self, Naming};
use super::query;
use super::resources::{Override, Resources};
use crate::autoscaling::manifest;
use crate::config::file::fields::{Fields, Sink};
use crate::config::limits::Limits;
use crate::config::problem::Part;
use crate::parse::yaml::{self, Node, Span, YamlValue};

const KEYS: &[&str] = &["rules", "externalRules", "resourceRules"];
const RULE_KEYS: &[&str] = &["seriesQuery", "seriesFilters", "resources", "name", "metricsQuery"];

/// A rule.
#[derive(Debug)]
pub(super) struct AdapterRule {
    pub(super) is_external: bool,
    index: usize,
    line: usize,
    pub(super) naming: Naming,
    pub(super) resources: Resources,
    pub(super) query: Vec<TemplatePiece>,
    /// The position of `seriesQuery`.
    pub(super) series_place: Position,
    /// The position of `metricsQuery`.
    pub(super) query_place: Position,
}

/// The rules that could be parsed.
#[derive(Debug)]
pub(super) struct AdapterRules {
    pub(super) rules: Vec<AdapterRule>,
    /// Whether all rules could be parsed.
    pub(super) is_whole: bool,
}

impl AdapterRule {
    /// `rules[0]`
    pub(super) fn key(&self) -> String {
        let list = if self.is_external { "externalRules" } else { "rules" };
        format!("{list}[{}] on line {}", self.index, self.line)
    }
}

/// The text of a configuration, from a file or from a ConfigMap in it.
struct Text<'a> {
    root: Node,
    file: Lines<'a>,
}

/// Converts positions in a text to positions in its file.
#[derive(Clone, Copy)]
struct Lines<'a> {
    input: usize,
    /// The text of the file.
    text: &'a str,
    before: usize,
    indent: usize,
    /// The position to report for the whole text, if its lines are not verbatim in the file.
    whole: Option<Span>,
}

/// Parses the rules; `None` (and diagnostics) if the text is invalid. A rule that is invalid is omitted.
pub(super) fn read(config: Input<'_>, limits: &Limits, diagnostics: &mut Diagnostics) -> Option<AdapterRules> {
    let text = String::from_utf8_lossy(config.bytes);
    let Text { root, file } = text_of(&text, limits, diagnostics)?;
    let mut sink = Sink::new(Part::File);
    let mut rules = Vec::new();
    let fields = Fields::open(&root, Span::START, "prometheus-adapter's configuration", KEYS, &mut sink);
    if let Some(fields) = fields {
        for (key, is_external) in [("rules", false), ("externalRules", true)] {
            match fields.get(key).map(|node| (node, &node.value)) {
                Some((_, YamlValue::Sequence(items))) => {
                    for (index, node) in items.iter().enumerate() {
                        let rule = RuleReader { node, file, limits, index, is_external }.rule(&mut sink);
                        rules.extend(rule);
                    }
                }
                Some((node, _)) if !node.is_null() => {
                    sink.error(node.span, format!("{key}: expected a list, found {}", node.kind()));
                }
                _ => {}
            }
        }
        if fields.has("resourceRules") {
            let message = "resourceRules are for metrics.k8s.io, the API of CPU and memory, which metrics-server serves; install \
                           it before you remove prometheus-adapter";
            sink.warning(fields.span("resourceRules"), message);
        }
    }
    let is_whole = sink.first_error().is_none();
    for problem in sink.into_problems() {
        let position = file.position(problem.span);
        match problem.is_error() {
            true => diagnostics.error(position, problem.message),
            false => diagnostics.warning(position, problem.message),
        }
    }
    Some(AdapterRules { rules, is_whole })
}

/// The configuration in a file, either the file itself or the data of a ConfigMap.
fn text_of<'a>(text: &'a str, limits: &Limits, diagnostics: &mut Diagnostics) -> Option<Text<'a>> {
    let yaml_limits = limits.document();
    let whole = Lines { input: 0, text, before: 0, indent: 0, whole: None };
    let parse = |text: &str, file: Lines<'a>, diagnostics: &mut Diagnostics| match yaml::parse(text, &yaml_limits) {
        Ok(root) => Some(root),
        Err(error) => {
            diagnostics.error(file.position(error.span), error.message);
            None
        }
    };
    // A manifest may start with ---.
    let (before, document) = match manifest::documents(text).as_slice() {
        [(before, document)] => (*before, *document),
        _ => (0, text),
    };
    let root = parse(document, Lines { before, ..whole }, diagnostics)?;
    if root.text_at(&["kind"]) != Some("ConfigMap") {
        return Some(Text { root, file: Lines { before, ..whole } });
    }
    let data = match root.at(&["data"]).map(|node| &node.value) {
        Some(YamlValue::Mapping(entries)) => entries.as_slice(),
        _ => &[],
    };
    let is_file = |name: &str| name.ends_with(".yaml") || name.ends_with(".yml");
    let mut files = data.iter().filter(|(key, _)| is_file(&key.text));
    let (Some((key, node)), None) = (files.next(), files.next()) else {
        let position = Position::new(0, before, root.span);
        diagnostics.error(position, "expected a ConfigMap whose data has one file of YAML, such as config.yaml");
        return None;
    };
    let inner = node.text().unwrap_or_default();
    let file = Lines { before, ..whole }.of_block(key.span, inner);
    let root = parse(inner, file, diagnostics)?;
    Some(Text { root, file })
}

impl Lines<'_> {
    /// The lines of a text that is a block scalar below its key, if it is one.
    fn of_block(self, key: Span, inner: &str) -> Self {
        let first = inner.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let skipped = inner.lines().take_while(|line| line.trim().is_empty()).count();
        let line = key.line + self.before + skipped;
        let found = self.text.lines().nth(line).and_then(|found| found.strip_suffix(first));
        match found.filter(|indent| indent.trim().is_empty() && !first.is_empty()) {
            Some(indent) => Self { before: key.line + self.before, indent: indent.chars().count(), ..self },
            None => Self { whole: Some(Span { line: key.line + self.before, ..key }), ..self },
        }
    }

    fn position(self, span: Span) -> Position {
        let moved = Span { line: span.line + self.before, column: span.column + self.indent, width: span.width };
        Position { input: self.input, span: self.whole.unwrap_or(moved) }
    }
}

struct RuleReader<'a> {
    node: &'a Node,
    file: Lines<'a>,
    limits: &'a Limits,
    index: usize,
    is_external: bool,
}

impl<'a> RuleReader<'a> {
    fn rule(&self, sink: &mut Sink) -> Option<AdapterRule> {
        let node = self.node;
        let what = format!("{}[{}]", if self.is_external { "externalRules" } else { "rules" }, self.index);
        let mut fields = Fields::open(node, node.span, &what, RULE_KEYS, sink)?;
        let naming = self.naming(&mut fields, sink);
        let resources = match fields.get("resources") {
            Some(node) => self.resources(node, fields.span("resources"), sink),
            None => Some(Resources { namespaced: true, ..Resources::default() }),
        };
        let query = fields.required_text("metricsQuery", sink)?;
        let query_node = fields.get("metricsQuery")?;
        let query = self.template("metricsQuery", query_node, fields.span("metricsQuery"), query, is_of_queries, sink);
        let series_place = self.file.position(fields.span("seriesQuery"));
        let query_place = self.file.position(fields.span("metricsQuery"));
        let line = self.file.position(node.span).span.line;
        let (naming, resources, query) = (naming?, resources?, query?);
        Some(AdapterRule {
            is_external: self.is_external,
            index: self.index,
            line,
            naming,
            resources,
            query,
            series_place,
            query_place,
        })
    }

    fn naming(&self, fields: &mut Fields<'a>, sink: &mut Sink) -> Option<Naming> {
        let query = fields.required_text("seriesQuery", sink)?;
        let selector = match naming::selector(query, &query::limits(self.limits)) {
            Ok(selector) => Some(selector),
            Err((column, message)) => {
                let within = fields.get("seriesQuery").and_then(|node| node.within(column));
                fields.fail_at("seriesQuery", within.unwrap_or(fields.span("seriesQuery")), &message, sink);
                None
            }
        };
        let mut filters = Some(Vec::new());
        match fields.get("seriesFilters").map(|node| (node, &node.value)) {
            Some((_, YamlValue::Sequence(items))) => {
                for item in items {
                    match (self.filter(item, sink), &mut filters) {
                        (Some(filter), Some(filters)) => filters.push(filter),
                        _ => filters = None,
                    }
                }
            }
            Some((node, _)) if !node.is_null() => {
                fields.fail("seriesFilters", &format!("expected a list, found {}", node.kind()), sink);
                filters = None;
            }
            _ => {}
        }
        let (mut matches, mut template) = ("", "");
        if let Some(node) = fields.get("name") {
            let mut name = Fields::open(node, fields.span("name"), "name", &["matches", "as"], sink)?;
            (matches, template) = (optional(&mut name, "matches", sink), optional(&mut name, "as", sink));
        }
        match Naming::new(selector?, filters?, matches, template, self.limits) {
            Ok(naming) => Some(naming),
            Err((key, why)) => {
                fields.fail("name", &format!("{key}: {why}"), sink);
                None
            }
        }
    }

    fn filter(&self, node: &'a Node, sink: &mut Sink) -> Option<(regex_lite::Regex, bool)> {
        let mut fields = Fields::open(node, node.span, "seriesFilters", &["is", "isNot"], sink)?;
        let (key, text, wanted) = match (optional(&mut fields, "is", sink), optional(&mut fields, "isNot", sink)) {
            (text, "") if !text.is_empty() => ("is", text, true),
            ("", text) if !text.is_empty() => ("isNot", text, false),
            _ => {
                sink.error(node.span, "seriesFilters: expected either is or isNot");
                return None;
            }
        };
        match naming::regex(text, self.limits) {
            Ok(regex) => Some((regex, wanted)),
            Err(why) => {
                fields.fail(key, &why, sink);
                None
            }
        }
    }

    fn resources(&self, node: &'a Node, home: Span, sink: &mut Sink) -> Option<Resources> {
        let mut fields = Fields::open(node, home, "resources", &["template", "overrides", "namespaced"], sink)?;
        let mut overrides = Vec::new();
        match fields.get("overrides").map(|node| (node, &node.value)) {
            Some((_, YamlValue::Mapping(entries))) => {
                for (key, node) in entries {
                    let mut over = Fields::open(node, key.span, "overrides", &["group", "resource"], sink)?;
                    let resource = over.required_text("resource", sink)?.to_owned();
                    let group = optional(&mut over, "group", sink).to_owned();
                    overrides.push(Override { label: key.text.clone(), group, resource });
                }
            }
            Some((node, _)) if !node.is_null() => {
                fields.fail("overrides", &format!("expected a mapping, found {}", node.kind()), sink);
                return None;
            }
            _ => {}
        }
        let template = match optional(&mut fields, "template", sink) {
            "" => None,
            text => {
                let node = fields.get("template")?;
                Some(self.template("template", node, fields.span("template"), text, is_of_resources, sink)?)
            }
        };
        let namespaced = fields.boolean("namespaced", sink).unwrap_or(true);
        Some(Resources { overrides, template, namespaced })
    }

    /// Parses a template that may contain only these fields.
    fn template(
        &self,
        key: &str,
        node: &Node,
        home: Span,
        text: &str,
        known: fn(&[&str]) -> Result<(), &'static str>,
        sink: &mut Sink,
    ) -> Option<Vec<TemplatePiece>> {
        let expected = known(&[]).err().unwrap_or_default();
        let fail = |at: usize, found: &str, sink: &mut Sink| {
            let before = text.get(..at).unwrap_or_default();
            let (line, column) =
                (before.lines().count().max(1), before.lines().last().unwrap_or_default().chars().count() + 1);
            let within = node.within(before.chars().count() + 1).filter(|_| line == 1);
            let position =
                if within.is_some() { String::new() } else { format!(" on line {line}, column {column} of the text") };
            sink.error(within.unwrap_or(home), format!("{key}: expected {expected}{position}, found {found}"));
        };
        match go_template::parse(text) {
            Ok(pieces) => {
                for piece in &pieces {
                    if let TemplatePiece::Field(names) = piece {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        if known(&names).is_err() {
                            let written = format!(".{}", names.join("."));
                            fail(text.find(&written).map_or(0, |at| at.saturating_sub(2)), &written, sink);
                            return None;
                        }
                    }
                }
                Some(pieces)
            }
            Err(error) => {
                fail(error.at, &error.found, sink);
                None
            }
        }
    }
}

fn optional<'a>(fields: &mut Fields<'a>, key: &'static str, sink: &mut Sink) -> &'a str {
    match fields.get(key) {
        Some(node) if !node.is_null() => fields.text(key, sink).unwrap_or_default(),
        _ => "",
    }
}

/// Checks the fields in `metricsQuery`.
fn is_of_queries(names: &[&str]) -> Result<(), &'static str> {
    match names {
        ["Series" | "LabelMatchers" | "GroupBy"] | ["GroupBySlice", "0"] | ["LabelValuesByName", _] => Ok(()),
        _ => Err(
            "<<.Series>>, <<.LabelMatchers>>, <<.GroupBy>>, <<index .GroupBySlice 0>> or <<index .LabelValuesByName \
                  \"label\">>",
        ),
    }
}

/// Checks the fields in the template of a label.
fn is_of_resources(names: &[&str]) -> Result<(), &'static str> {
    match names {
        ["Resource" | "Group"] => Ok(()),
        _ => Err("<<.Resource>> or <<.Group>>"),
    }
}
