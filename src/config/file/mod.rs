//! The configuration file: YAML in, sources, rules and problems out.
//!
//! Each rule fails alone. An invalid source also disables the rules that use it. After a problem outside of all rules, the
//! intended rules are unclear, so a running server keeps its previous configuration.

mod external;
mod fallback;
pub(crate) mod fields;
mod forward;
mod namespaces;
mod oauth2;
mod object_mapping;
mod objects;
mod path_segment;
mod pods;
mod prometheus;
mod request;
mod rule;
mod rule_index;
mod source;
mod suggest;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use self::fields::{Fields, Sink};
use super::limits::Limits;
use super::model::{Bound, Config, Credentials, ImplicitRules, Method, Namespaces, SelectorMode, Source, Target};
use super::problem::{Part, Problem, Severity};
use crate::parse::digest;
use crate::parse::escape::Escaped;
use crate::parse::sort::sort_by;
use crate::parse::url_template::{Placeholder, Template};
use crate::parse::yaml::{self, Key, Node, Span, YamlError, YamlErrorKind, YamlValue};

/// The keys of the file.
const KEYS: &[&str] = &["sources", "metrics", "forward", "shadow"];

/// A configuration as far as it could be read, and the problems of the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Valid sources and rules, and broken rules.
    pub config: Config,
    /// All problems, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Loads a configuration file. Never fails: parts that cannot be read are problems.
pub fn load(file: &[u8], limits: &Limits) -> Loaded {
    let mut loaded = Loaded::default();
    let mut sink = Sink::new(Part::File);
    match document(file, limits) {
        Ok(root) => read(&root, limits, &mut loaded, &mut sink),
        Err(error) => sink.error(error.span, error.message),
    }
    loaded.problems.extend(sink.into_problems());
    sort_by(&mut loaded.problems, |a, b| a.span.cmp(&b.span));
    loaded
}

/// The configuration of `--upstream URL`, with `--describes` if given: each metric under its own name.
///
/// # Errors
/// Why the URL is invalid, as one line.
pub(crate) fn simple(url: &str, describes: Option<Bound>, limits: &Limits) -> Result<Config, String> {
    let url = Template::parse(url, limits.config.url).map_err(|error| error.to_string())?;
    let label_selector =
        if url.uses(Placeholder::LabelSelector) { SelectorMode::Url } else { SelectorMode::Kubernetes };
    let source = Source {
        name: "upstream".to_owned(),
        target: Target::Url(url),
        format: None,
        max_bytes: None,
        compression: None,
        // The user chose this one source, and nothing else is served.
        namespaces: Namespaces::All,
        timeout: limits.fetch.timeout,
        cache: limits.cache.ttl,
        refresh: None,
        label_selector,
        credentials: Credentials::default(),
        danger_allow_loopback: false,
        single: None,
        method: Method::Get,
        body: None,
        proxy: None,
    };
    Ok(Config { sources: vec![source], implicit: Some(ImplicitRules { describes }), ..Config::default() })
}

impl Loaded {
    /// The first error that belongs to no rule and no source, if any. A running server then keeps its configuration, because
    /// the intended rules are unclear.
    pub fn unattributed(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.is_unattributed())
    }
}

/// The state of a source, for the rules that use it.
#[derive(Debug)]
enum Known {
    /// Its index in [`Config::sources`], and the hash of its text.
    Good(usize, u64),
    /// The problem of an invalid source.
    Broken(Problem),
}

/// The sources of a file by name, with their positions.
type Sources<'a> = HashMap<&'a str, (Known, Span)>;

fn document(file: &[u8], limits: &Limits) -> Result<Node, YamlError> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let before = String::from_utf8_lossy(file.get(..error.valid_up_to()).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let span = Span { line, column, width: 0 };
        YamlError { span, kind: YamlErrorKind::Syntax, message: "expected UTF-8, found another encoding".into() }
    })?;
    yaml::parse(text, &limits.document())
}

fn read(root: &Node, limits: &Limits, loaded: &mut Loaded, sink: &mut Sink) {
    let Some(mut top) = Fields::open(root, root.span, "the file", KEYS, sink) else {
        return;
    };
    let forwarding = forward::Forwarding::read(&mut top, limits, sink);
    loaded.config.forward.clone_from(&forwarding.forward);
    // With `forward`, the other sections are optional. After an error, such as a misspelt key, they may be there.
    let is_optional = top.has("forward") || sink.first_error().is_some();
    let mut section = |key, sink: &mut Sink| match is_optional {
        true => top.get(key),
        false => top.require(key, sink),
    };
    let (of_sources, of_metrics) = (section("sources", sink), section("metrics", sink));
    let mut sources = Sources::new();
    match of_sources.map(|node| &node.value) {
        Some(YamlValue::Mapping(entries)) if entries.len() <= limits.config.rules => {
            sources = read_sources(entries, limits, loaded);
        }
        Some(YamlValue::Mapping(_)) => top.fail("sources", &format!("more than {} sources", limits.config.rules), sink),
        Some(_) => top.fail("sources", "expected a mapping of names to sources", sink),
        None => {}
    }
    match of_metrics.map(|node| &node.value) {
        Some(YamlValue::Sequence(items)) if items.len() <= limits.config.rules => {
            if items.is_empty() && !top.has("forward") {
                sink.warning(top.span("metrics"), "metrics: no rules, so no metric is served");
            }
            read_rules(items, &sources, &forwarding, limits, loaded);
            if forwarding.shadow && forwarding.problem.is_none() && !loaded.config.rules.iter().any(|rule| rule.shadow)
            {
                sink.warning(top.span("shadow"), "shadow: no rule is shadowed");
            }
        }
        Some(YamlValue::Sequence(_)) => top.fail("metrics", &format!("more than {} rules", limits.config.rules), sink),
        Some(_) => top.fail("metrics", "expected a list of rules", sink),
        None => {}
    }
}

fn read_sources<'a>(entries: &'a [(Key, Node)], limits: &Limits, loaded: &mut Loaded) -> Sources<'a> {
    let mut sources = Sources::new();
    for (key, node) in entries {
        let mut sink = Sink::new(Part::Source(key.text.clone()));
        let source = source::read(key, node, limits, &mut sink);
        if let Some((_, first)) = sources.get(key.text.as_str()) {
            sink.error(key.span, format!("source {}: already on line {}", Escaped::new(&key.text), first.line));
        }
        let known = match (sink.first_error(), source) {
            (None, Some(source)) => {
                loaded.config.sources.push(source);
                Known::Good(loaded.config.sources.len() - 1, digest::number(node))
            }
            (Some(problem), _) => Known::Broken(problem.clone()),
            // A source that cannot be read has reported a problem.
            (None, None) => continue,
        };
        loaded.problems.extend(sink.into_problems());
        sources.insert(&key.text, (known, key.span));
    }
    sources
}

fn read_rules(
    items: &[Node],
    sources: &Sources<'_>,
    forwarding: &forward::Forwarding,
    limits: &Limits,
    loaded: &mut Loaded,
) {
    let mut used = HashSet::new();
    let mut rule_index = rule_index::RuleIndex::default();
    for node in items {
        let context = rule::Context { sources, config: &loaded.config, limits, forwarding };
        let rule::Outcome { rules, broken, source, problems } = rule::read(node, &context, &mut rule_index);
        loaded.config.rules.extend(rules);
        loaded.config.broken.extend(broken);
        loaded.problems.extend(problems);
        used.extend(source);
    }
    for (name, (_, span)) in sources.iter().filter(|(name, _)| !used.contains(*name)) {
        let message = format!("source {}: no rule uses it", Escaped::new(name));
        let part = Part::Source((*name).to_owned());
        loaded.problems.push(Problem { span: *span, severity: Severity::Warning, part, message });
    }
}
