//! The series of one object on a page, as data of an expression.

use std::borrow::Cow;

use crate::promql::evaluate::{Data, EachSeries, Element, Labels, Times};
use crate::promql::{Expr, Grouping, NAME_LABEL, VectorSelector};
use crate::source::page::Series as PageSeries;

/// Series that match the selectors of an expression.
pub(super) struct PageData<'a> {
    selectors: Vec<&'a VectorSelector>,
    series: &'a [&'a PageSeries],
    scraped: i64,
    /// Whether the expression uses labels.
    labels: bool,
    /// Whether the page has more series than the selectors pick, because the rule has placeholders.
    may_have_unmatched: bool,
}

impl<'a> PageData<'a> {
    pub(super) fn new(expr: &'a Expr, series: &'a [&'a PageSeries], scraped: i64, may_have_unmatched: bool) -> Self {
        Self { labels: !is_plain(expr), ..Self::with_labels(expr, series, scraped, may_have_unmatched) }
    }

    /// Creates the data of an expression that needs the labels of its series.
    pub(super) fn with_labels(
        expr: &'a Expr,
        series: &'a [&'a PageSeries],
        scraped: i64,
        may_have_unmatched: bool,
    ) -> Self {
        Self { selectors: expr.selectors().collect(), series, scraped, labels: true, may_have_unmatched }
    }
}

impl Data for PageData<'_> {
    fn instant(&self, selector: usize, _: i64) -> Vec<Element> {
        let picked = |series: &&&PageSeries| match self.selectors.as_slice() {
            // The only selector picks all of these series.
            [_] if !self.may_have_unmatched => true,
            selectors => selectors
                .get(selector)
                .is_some_and(|selector| selector.matches(series.name(), |label| series.label(label))),
        };
        let element = |series: &&PageSeries| {
            let labels = if self.labels { labels(series) } else { Labels::default() };
            Element { labels, ..element(series, self.scraped) }
        };
        self.series.iter().filter(picked).map(element).collect()
    }

    /// A page has no earlier samples.
    fn range(&self, _: usize, _: EachSeries<'_>) {}
}

/// Whether the expression aggregates its series to one number, as most do, so that it needs no labels.
pub(super) fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Selector(_) => true,
        Expr::Aggregate(_, grouping, arguments) => {
            *grouping == Grouping::ALL && arguments.iter().all(|of| matches!(of, Expr::Number(_)) || is_plain(of))
        }
        _ => false,
    }
}

fn labels(series: &PageSeries) -> Labels {
    let name = std::iter::once((Cow::Borrowed(NAME_LABEL), Cow::Borrowed(series.name())));
    Labels::new(name.chain(series.labels().iter()))
}

/// The value of one series, without its labels.
pub(super) fn element(series: &PageSeries, scraped: i64) -> Element {
    let times = Times::of(series.timestamp().unwrap_or(scraped));
    Element { labels: Labels::default(), value: series.value(), times }
}
