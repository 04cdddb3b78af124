//! The state of wanted values while a page of text is read.

use super::unmatched::{Hint, NearNames, Unmatched};
use super::{Query, Refusal, WantedValues};
use crate::promql::{Matcher, VectorSelector};
use metriclet_exposition::{Labels, Sample};

pub(super) struct WantedState<'a> {
    pub(super) id: u64,
    pub(super) query: &'a Query,
    selectors: Vec<SelectorState<'a>>,
    /// Positions among the page's series.
    pub(super) found: Result<Vec<u32>, Refusal>,
}

/// One selector of the wanted values.
struct SelectorState<'a> {
    name: Option<&'a str>,
    matchers: &'a [Matcher],
    /// The selector in the expression; `None` for a name without an expression.
    selector: Option<&'a VectorSelector>,
    /// Whether the metric occurs on the page.
    is_present: bool,
    is_matched: bool,
    /// For each matcher, whether a series of the metric has matched it.
    met: Vec<bool>,
}

impl<'a> WantedState<'a> {
    pub(super) fn new(want: &'a WantedValues) -> Self {
        let selectors = match &want.query {
            Query::Series { selectors, age, .. } => selectors.iter().chain(age).map(SelectorState::new).collect(),
            Query::Named { name, .. } => vec![SelectorState::named(name)],
            Query::Json { .. } | Query::Text(_) | Query::Number => Vec::new(),
        };
        Self { id: want.id, query: &want.query, selectors, found: Ok(Vec::new()) }
    }

    /// The names of metrics that have not occurred on the page yet.
    pub(super) fn absent(&self) -> impl Iterator<Item = &'a str> {
        let selectors = self.selectors.iter().filter(|selector| self.found.is_ok() && !selector.is_present);
        selectors.filter_map(|selector| selector.name)
    }

    /// The suggestions for selectors that match nothing.
    pub(super) fn unmatched(&self, names: &NearNames<'_>) -> impl Iterator<Item = Unmatched> {
        let selectors = self.selectors.iter().filter(|selector| self.found.is_ok() && !selector.is_matched);
        selectors.filter_map(|selector| selector.unmatched(names))
    }

    #[inline(always)]
    pub(super) fn may_want(&self, name: &str) -> bool {
        self.found.is_ok() && self.selectors.iter().any(|selector| selector.name.is_none_or(|wanted| wanted == name))
    }

    /// Whether a series with these known labels, and possibly others, may match.
    pub(super) fn may_want_one(&self, name: &str, labels: Labels<'_>) -> bool {
        self.found.is_ok() && self.selectors.iter().any(|selector| selector.may_match(name, labels))
    }

    /// Records an unwanted series of this metric.
    pub(super) fn is_on_the_page(&mut self, name: &str) {
        for selector in self.selectors.iter_mut().filter(|selector| selector.name == Some(name)) {
            selector.is_present = true;
        }
    }

    pub(super) fn wants(&mut self, sample: &Sample<'_>) -> bool {
        if self.found.is_err() {
            return false;
        }
        let mut is_wanted = false;
        for selector in &mut self.selectors {
            // The other selectors must see the first series of the metric.
            if !(is_wanted && selector.is_matched) {
                is_wanted |= selector.matches(sample);
            }
        }
        is_wanted
    }
}

impl<'a> SelectorState<'a> {
    fn new(selector: &'a VectorSelector) -> Self {
        let VectorSelector { name, matchers, .. } = selector;
        Self {
            name: name.as_deref(),
            matchers,
            selector: Some(selector),
            is_present: false,
            is_matched: false,
            met: vec![false; matchers.len()],
        }
    }

    fn named(name: &'a str) -> Self {
        Self { name: Some(name), matchers: &[], selector: None, is_present: false, is_matched: false, met: Vec::new() }
    }

    /// Whether a series with these known labels may match.
    fn may_match(&self, name: &str, labels: Labels<'_>) -> bool {
        self.name.is_none_or(|wanted| wanted == name)
            && self.selector.is_none_or(|selector| selector.may_match(name, |label| labels.get(label)))
    }

    /// Whether a series matches.
    fn matches(&mut self, sample: &Sample<'_>) -> bool {
        if self.name.is_some_and(|wanted| wanted != sample.name) {
            return false;
        }
        let matches = |matcher: &Matcher| matcher.matches_series(sample.name, |label| sample.labels.get(label));
        if self.is_matched {
            return self.matchers.iter().all(matches);
        }
        self.is_present = true;
        self.is_matched = true;
        for (matcher, met) in self.matchers.iter().zip(&mut self.met) {
            let matches = matches(matcher);
            *met |= matches;
            self.is_matched &= matches;
        }
        self.is_matched
    }

    /// The suggestion for the selector, if it has a name and matches nothing.
    fn unmatched(&self, names: &NearNames<'_>) -> Option<Unmatched> {
        let name = self.name?;
        let hint = if self.is_present {
            let lacking = self.matchers.iter().zip(&self.met).find(|(_, met)| !**met);
            match (name.to_owned(), lacking) {
                (name, Some((matcher, _))) => Hint::Label { name, matcher: matcher.to_string() },
                (name, None) => Hint::Labels { name },
            }
        } else {
            names.hint(name)?
        };
        Some(Unmatched { selector: self.selector.map_or_else(|| name.to_owned(), ToString::to_string), hint })
    }
}
