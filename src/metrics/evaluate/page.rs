//! The series of one object on a page, as data of an expression.

use std::borrow::Cow;

use super::{Data, Element, Labels, Series, Times};
use crate::parse::expression::{Expr, NAME_LABEL, VectorSelector};
use crate::source::page::Series as PageSeries;

/// Series that the selectors of an expression pick, together.
pub(super) struct OfPage<'a> {
    selectors: Vec<&'a VectorSelector>,
    series: &'a [&'a PageSeries],
    scraped: i64,
}

impl<'a> OfPage<'a> {
    pub(super) fn new(expr: &'a Expr, series: &'a [&'a PageSeries], scraped: i64) -> Self {
        Self { selectors: expr.selectors().collect(), series, scraped }
    }
}

impl Data for OfPage<'_> {
    fn instant(&self, selector: usize) -> Vec<Element> {
        let picked = |series: &&&PageSeries| match self.selectors.as_slice() {
            // What they pick together is what the only one picks.
            [_] => true,
            selectors => selectors
                .get(selector)
                .is_some_and(|selector| selector.matches(series.name(), |label| series.label(label))),
        };
        self.series.iter().filter(picked).map(|series| element(series, self.scraped)).collect()
    }

    /// A page has no past.
    fn range(&self, _: usize) -> Vec<Series> {
        Vec::new()
    }
}

pub(super) fn element(series: &PageSeries, scraped: i64) -> Element {
    let name = std::iter::once((NAME_LABEL, Cow::Borrowed(series.name())));
    Element {
        labels: Labels::new(name.chain(series.labels().iter())),
        value: series.value(),
        times: Times::of(series.timestamp().unwrap_or(scraped)),
    }
}
