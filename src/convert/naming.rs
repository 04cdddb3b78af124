//! prometheus-adapter's names of metrics: the series that a rule selects, and the names that `name` derives from
//! theirs.

use regex_lite::{Captures, Regex, RegexBuilder};

use crate::config::limits::Limits;
use crate::promql::{self, Expr, MatchOp, NAME_LABEL, VectorSelector};

/// The naming part of a rule.
#[derive(Debug)]
pub(super) struct Naming {
    /// `seriesQuery`
    pub(super) selector: VectorSelector,
    /// `seriesFilters`: the expression, and whether it must match or must not match.
    pub(super) filters: Vec<(Regex, bool)>,
    /// `name.matches`
    matches: Regex,
    written: String,
    /// `name.as`
    template: String,
}

/// The series behind a metric's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SeriesFound {
    /// Exactly these; none if the rule does not serve the metric.
    Named(Vec<String>),
    /// This series, but series of other names would also become this metric.
    Likely(String),
    /// The series are unknown without a list of the server's series.
    Unknown,
}

impl Naming {
    /// # Errors
    /// The invalid key and the reason.
    pub(super) fn new(
        selector: VectorSelector,
        filters: Vec<(Regex, bool)>,
        matches: &str,
        template: &str,
        limits: &Limits,
    ) -> Result<Self, (&'static str, String)> {
        let written = if matches.is_empty() { ".*" } else { matches };
        let regex = regex(written, limits).map_err(|why| ("matches", why))?;
        let template = match (template, regex.captures_len()) {
            ("", 1) => "$0",
            ("", 2) => "$1",
            ("", groups) => {
                let why =
                    format!("required beside matches with {} groups, such as as: \"${{1}}_per_second\"", groups - 1);
                return Err(("as", why));
            }
            (template, _) => template,
        };
        Ok(Self { selector, filters, matches: regex, written: written.to_owned(), template: template.to_owned() })
    }

    /// The series that become the metric of this name, from `known` if given.
    pub(super) fn series_of(&self, metric: &str, known: Option<&[String]>) -> SeriesFound {
        let becomes = |series: &&str| self.is_for(series) && self.metric_of(series).as_deref() == Some(metric);
        if let Some(name) = self.exact() {
            let named =
                Some(name).filter(becomes).filter(|name| known.is_none_or(|known| known.iter().any(|n| n == name)));
            return SeriesFound::Named(named.map(str::to_owned).into_iter().collect());
        }
        if let Some(known) = known {
            let all = known.iter().map(String::as_str).filter(becomes);
            return SeriesFound::Named(all.map(str::to_owned).collect());
        }
        match self.inverted(metric) {
            Some(None) => SeriesFound::Named(Vec::new()),
            Some(Some((series, is_only))) => match (becomes(&series.as_str()), is_only) {
                (true, true) => SeriesFound::Named(vec![series]),
                (true, false) => SeriesFound::Likely(series),
                (false, true) => SeriesFound::Named(Vec::new()),
                (false, false) => SeriesFound::Unknown,
            },
            None => SeriesFound::Unknown,
        }
    }

    /// The conditions of `seriesQuery` on labels, except on their existence.
    pub(super) fn matchers_of_labels(&self) -> impl Iterator<Item = String> {
        let is_there = |matcher: &&promql::Matcher| matcher.op() == MatchOp::NotEqual && matcher.value().is_empty();
        let of_labels = self.selector.matchers.iter().filter(|matcher| matcher.label() != NAME_LABEL);
        of_labels.filter(move |matcher| !is_there(matcher)).map(ToString::to_string)
    }

    /// The only name that the rule selects.
    fn exact(&self) -> Option<&str> {
        let in_matcher = || {
            let named = |matcher: &&promql::Matcher| matcher.label() == NAME_LABEL && matcher.op() == MatchOp::Equal;
            Some(self.selector.matchers.iter().find(named)?.value())
        };
        self.selector.name.as_deref().or_else(in_matcher)
    }

    /// Whether a series of this name matches `seriesQuery` and the filters.
    fn is_for(&self, series: &str) -> bool {
        let of_name = self.selector.matchers.iter().filter(|matcher| matcher.label() == NAME_LABEL);
        self.selector.name.as_deref().is_none_or(|name| name == series)
            && of_name.into_iter().all(|matcher| matcher.matches(series))
            && self.filters.iter().all(|(regex, wanted)| regex.is_match(series) == *wanted)
    }

    /// The name of the metric for a series.
    fn metric_of(&self, series: &str) -> Option<String> {
        Some(expand(&self.template, &self.matches.captures(series)?))
    }

    /// The series behind a metric's name and whether it is the only one, if `as` and `matches` are simple enough to
    /// invert; `Some(None)` if there is none.
    fn inverted(&self, metric: &str) -> Option<Option<(String, bool)>> {
        let (before, group, after) = only_group(&self.template)?;
        let Some(inner) = metric.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else {
            return Some(None);
        };
        let shape = Shape::of(&self.written)?;
        match (group, shape.group.is_some()) {
            ("0", _) => Some(Some((inner.to_owned(), shape.is_whole))),
            ("1", true) => Some(Some((format!("{}{inner}{}", shape.before, shape.after), shape.is_whole))),
            _ => None,
        }
    }
}

/// Compiles a regular expression of Go, which is not anchored.
pub(super) fn regex(text: &str, limits: &Limits) -> Result<Regex, String> {
    let too_long = || format!("expected at most {} bytes, found {}", limits.expression.bytes, text.len());
    if text.len() > limits.expression.bytes {
        return Err(too_long());
    }
    let built = RegexBuilder::new(text).size_limit(limits.expression.regex).build();
    built.map_err(|error| format!("expected a regular expression without Unicode classes: {error}"))
}

/// Expands a template like Go's `Regexp.Expand`: a name is as long as possible, and `$$` is a dollar sign.
fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = after;
        match reference(after) {
            Some(("$", length)) => {
                text.push('$');
                rest = after.get(length..).unwrap_or_default();
            }
            Some((name, length)) => {
                let found = match name.parse::<usize>() {
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(name),
                };
                text.push_str(found.map_or("", |found| found.as_str()));
                rest = after.get(length..).unwrap_or_default();
            }
            // A dollar sign without a name remains.
            None => text.push('$'),
        }
    }
    text + rest
}

/// The name after a dollar sign, and the length including its braces.
fn reference(after: &str) -> Option<(&str, usize)> {
    if after.starts_with('$') {
        return Some(("$", 1));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, length) = match after.strip_prefix('{') {
        Some(inside) => {
            let (name, _) = inside.split_once('}')?;
            (name, name.len() + 2)
        }
        None => {
            let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
            (after.get(..end)?, end)
        }
    };
    (!name.is_empty() && name.chars().all(is_word)).then_some((name, length))
}

/// A template with one reference: the text before it, its name, and the text after it.
fn only_group(template: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = template.split_once('$')?;
    let (name, length) = reference(after)?;
    let rest = after.get(length..)?;
    (!rest.contains('$') && name != "$").then_some((before, name, rest))
}

/// The structure of a regular expression with literal text around at most one group without alternatives.
struct Shape {
    before: String,
    group: Option<()>,
    after: String,
    /// Whether it matches only complete names.
    is_whole: bool,
}

impl Shape {
    fn of(written: &str) -> Option<Self> {
        let (starts, rest) = match written.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let (ends, rest) = match rest.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => (true, rest),
            _ => (false, rest),
        };
        let is_any = |text: &str| matches!(text, ".*" | ".+");
        if is_any(rest) {
            return Some(Self { before: String::new(), group: None, after: String::new(), is_whole: true });
        }
        let (before, group) = match rest.split_once('(') {
            Some((before, group)) => (before, Some(group)),
            None => (rest, None),
        };
        let Some(group) = group else {
            // Without a group, the expression is a literal text.
            literal(before)?;
            return Some(Self { before: String::new(), group: None, after: String::new(), is_whole: starts && ends });
        };
        let (group, after) = group.split_once(')')?;
        let (before, after) = (literal(before)?, literal(after)?);
        if group.contains(['(', '|', '?']) {
            return None;
        }
        // Greedy parts extend to the ends of a name.
        let is_whole = (starts || before.is_empty() && is_any(group)) && (ends || after.is_empty() && is_any(group));
        Some(Self { before, group: Some(()), after, is_whole })
    }
}

/// The text that a regular expression without operators matches.
fn literal(pattern: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            '.' | '*' | '+' | '?' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | ')' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

/// Parses `seriesQuery`.
///
/// # Errors
/// Why it is not a selector.
pub(super) fn selector(text: &str, limits: &promql::Limits) -> Result<VectorSelector, (usize, String)> {
    match Expr::parse(text, limits) {
        Ok(Expr::Selector(selector)) if selector.window().is_none() => Ok(selector),
        Ok(_) => Err((1, "expected a selector such as http_requests_total{namespace!=\"\"}".to_owned())),
        Err(error) => Err((error.column, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: promql::Limits = promql::Limits { bytes: 512, depth: 8, nodes: 64, regex: 64 * 1024 };

    fn naming(query: &str, is_not: &str, matches: &str, template: &str) -> Naming {
        let limits = Limits::default();
        let filters = Some(is_not).filter(|text| !text.is_empty()).map(|text| (regex(text, &limits).unwrap(), false));
        Naming::new(selector(query, &LIMITS).unwrap(), filters.into_iter().collect(), matches, template, &limits)
            .unwrap()
    }

    #[test]
    fn names_like_go() {
        for (matches, template, series, expected) in [
            ("", "", "a_total", Some("a_total")),
            ("^(.*)_total$", "", "a_total", Some("a")),
            ("^(.*)_total$", "", "a_sum", None),
            ("^(.*)_total$", "${1}_per_second", "a_total", Some("a_per_second")),
            // The name is as long as possible, and no such group exists.
            ("^(.*)_total$", "$1_per_second", "a_total", Some("")),
            ("^(.*)_total$", "$1-per-second", "a_total", Some("a-per-second")),
            ("(?P<what>.*)_total", "x_${what}$$", "a_total", Some("x_a$")),
            ("_total", "$0", "a_total_b", Some("_total")),
            ("(a)(b)?", "$2$1$", "a_total", Some("a$")),
            ("(a)", "${1", "a", Some("${1")),
        ] {
            assert_eq!(
                naming("x", "", matches, template).metric_of(series).as_deref(),
                expected,
                "{matches} {template}"
            );
        }
        let limits = Limits::default();
        let error = Naming::new(VectorSelector::named("x"), Vec::new(), "(a)(b)", "", &limits).unwrap_err();
        assert_eq!(error.0, "as");
    }

    #[test]
    fn finds_the_series_of_a_metric() {
        let named = |names: &[&str]| SeriesFound::Named(names.iter().map(|name| (*name).to_owned()).collect());
        let any = r#"{namespace!=""}"#;
        for (query, is_not, matches, template, metric, expected) in [
            (
                "requests_total{pod!=\"\"}",
                "",
                "^(.*)_total",
                "${1}_per_second",
                "requests_per_second",
                named(&["requests_total"]),
            ),
            ("requests_total", "", "^(.*)_total", "${1}_per_second", "jobs_per_second", named(&[])),
            (r#"{__name__="requests_total"}"#, "", "", "rate", "rate", named(&["requests_total"])),
            (
                r#"{__name__=~"^container_.*"}"#,
                "",
                "^container_(.*)_seconds_total$",
                "",
                "cpu",
                named(&["container_cpu_seconds_total"]),
            ),
            (r#"{__name__=~"^container_.*"}"#, "_total$", "^container_(.*)$", "", "cpu_total", named(&[])),
            (any, ".*_total$", "", "", "queue_depth", named(&["queue_depth"])),
            (any, ".*_total$", "", "", "a_total", named(&[])),
            (any, "", "^(.*)_total$", "", "a", named(&["a_total"])),
            (any, "", "(.*)_total$", "", "a", named(&["a_total"])),
            (any, "", "^(.*)_total", "", "a", SeriesFound::Likely("a_total".to_owned())),
            (any, "", "^my\\.(.*)$", "x_$1", "x_a", named(&["my.a"])),
            (any, "", "^(.*)_(total|count)$", "$1", "a", SeriesFound::Unknown),
            (any, "", "^a_(.*)_total$", "fixed", "fixed", SeriesFound::Unknown),
        ] {
            assert_eq!(naming(query, is_not, matches, template).series_of(metric, None), expected, "{query} {matches}");
        }
        let known = ["a_total", "a_count", "b_total"].map(str::to_owned);
        let several = naming(any, "", "^(.*)_(total|count)$", "$1");
        assert_eq!(several.series_of("a", Some(&known)), named(&["a_total", "a_count"]));
        assert_eq!(several.series_of("b", Some(&known)), named(&["b_total"]));
        assert_eq!(naming("c_total", "", "", "").series_of("c_total", Some(&known)), named(&[]));
    }
}
