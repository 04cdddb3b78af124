//! A rule that is served: its upstream, the series that it needs from pages, and its stored state.

use std::sync::Arc;
use std::time::Duration;

use super::history::{SampleBudget, SampleStore, Snapshot};
use super::last::LastValues;
use crate::config::limits::Limits;
use crate::config::model::Rule;
use crate::parse::duration::millis;
use crate::promql::matcher::BadRegex;
use crate::promql::{Bindings, Window};
use crate::source::page::WantedValues;
use crate::source::upstream::Upstream;

/// A rule with the state that serving needs.
#[derive(Debug)]
pub struct ActiveRule {
    /// The rule as configured.
    pub rule: Rule,
    /// The upstream of its pages.
    pub upstream: Arc<Upstream>,
    /// The series or values that it reads from them.
    pub want: WantedValues,
    /// Its last valid values, with `onMissing: last`.
    pub last: Option<Arc<LastValues>>,
    /// Its samples, if its value needs samples over time.
    pub sampling: Option<Sampling>,
    /// Whether its value has placeholders, so that each request has its own copy.
    pub is_open: bool,
    /// The rule that this is a copy of, with its placeholders expanded.
    pub template: Option<Arc<ActiveRule>>,
    /// Whether the rule is not configured but made for a metric of `--upstream`.
    pub implicit: bool,
}

/// The samples of a rule, and the settings of its sampling.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// The samples.
    pub history: Arc<SampleStore>,
    /// The longest time that the value looks back.
    pub range: Duration,
    /// The range and offset of each selector that has any.
    windows: Vec<Window>,
    /// The interval between samples.
    pub interval: Duration,
}

impl ActiveRule {
    /// Whether it is evaluated over the joined pages of several pods.
    pub(super) fn joins_pages(&self) -> bool {
        self.upstream.source().joins_pages_for(&self.rule)
    }

    /// The rule with its placeholders expanded.
    ///
    /// # Errors
    /// If a regular expression becomes too large.
    pub fn bound(self: &Arc<Self>, bindings: &Bindings<'_>, regex_limit: usize) -> Result<Arc<Self>, BadRegex> {
        if !self.is_open {
            return Ok(self.clone());
        }
        let bindings = Bindings { metric: Some(&self.rule.name), ..*bindings };
        Ok(Arc::new(Self {
            rule: Rule { value: self.rule.value.bind(&bindings, regex_limit)?, ..self.rule.clone() },
            upstream: self.upstream.clone(),
            want: self.want.clone(),
            last: self.last.clone(),
            sampling: self.sampling.clone(),
            is_open: true,
            template: Some(self.configured().clone()),
            implicit: self.implicit,
        }))
    }

    /// The configured rule.
    pub fn configured(self: &Arc<Self>) -> &Arc<Self> {
        self.template.as_ref().unwrap_or(self)
    }

    /// Whether it serves requests for a namespace; it always serves those for cluster-scoped objects.
    pub fn answers(&self, namespace: Option<&str>) -> bool {
        namespace.is_none_or(|namespace| self.upstream.source().namespaces_of(&self.rule).allow(namespace))
    }
}

impl Sampling {
    /// The sampling for these wanted values; `None` if no selector has a range or an offset.
    pub(super) fn of(want: &WantedValues, limits: &Limits, budget: &Arc<SampleBudget>) -> Option<Self> {
        let windows: Vec<Window> = want.query.windows().collect();
        let longest = windows.iter().map(|window| window.reach()).max()?;
        let interval = limits.sampling.interval_for(Window::shortest(&windows)?.reach());
        let history = Arc::new(SampleStore::new(longest, interval, limits.sampling.series, budget.clone()));
        Some(Self { history, range: longest, windows, interval })
    }

    /// How long a sample is kept: a little longer than it is needed.
    pub fn retention(&self) -> Duration {
        self.range + 3 * self.interval
    }

    /// Whether the samples of an object span half of each range at the time `now`, and reach back to each offset. A
    /// quarter of an interval is tolerated: the oldest sample leaves the range shortly before the next one arrives, and
    /// the pods of one round do not all respond at the same speed.
    pub(super) fn is_enough(&self, snapshot: &Snapshot, now: i64) -> bool {
        self.windows.iter().all(|Window { range, offset }| {
            let end = now.saturating_sub(millis(*offset));
            if range.is_zero() {
                return snapshot.times.first().is_some_and(|first| *first <= end);
            }
            let wanted = millis(*range / 2) - millis(self.interval / 4);
            snapshot.span(millis(*range), end).is_some_and(|span| span >= wanted.max(1))
        })
    }
}
