//! The events of one evaluation: `metriclet get -v` prints them.

use std::fmt;
use std::time::Duration;

use super::coverage::PodCount;
use super::history::StoreSummary;
use super::outcome::{Finding, ServedValue, Verdict};
use super::targets::SkippedTarget;
use crate::forward::shadow_log::ShadowOutcome;
use crate::parse::duration;
use crate::source::error::SourceError;
use crate::source::page::{PageSummary, Refusal};
use crate::source::prometheus::QuerySummary;

/// Collects the events of one evaluation; while it is off, it only counts the objects that were left out.
#[derive(Debug, Default)]
pub struct Trace {
    events: Option<Vec<Event>>,
    left_out: Vec<(&'static str, u32)>,
}

/// One event. Its texts may contain unescaped bytes of sources and clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This rule serves the request.
    Rule {
        metric: String,
        /// `None`: it is an external metric.
        resource: Option<String>,
        value: String,
    },
    /// The URL of the page.
    Url { url: String },
    /// The page was read.
    Page { summary: PageSummary },
    /// The page could not be fetched.
    FetchFailed { error: SourceError },
    /// The page was read, but the rule cannot use it.
    PageRefused { refusal: Refusal },
    /// The number of series on the page that match the rule.
    SeriesMatched {
        count: usize,
        /// The types of these series from TYPE lines, each once; empty if none is declared.
        types: Vec<&'static str>,
    },
    /// A series counts requests for metrics, including Metriclet's own.
    OwnScrape { label: String, value: String },
    /// The raw value of a counter is served.
    CounterAsLevel { name: String },
    /// The number of objects that `labelSelector` selects.
    ObjectsSelected { count: usize },
    /// The number of selected pods, and where they come from.
    PodsSelected { count: usize, origin: PodsOrigin },
    /// The object selects the pods that have these labels.
    PodSelector { selector: String },
    /// The number of responding pods whose pages are joined.
    PodsJoined { count: PodCount },
    /// The pod is not scraped.
    PodSkipped { pod: String, reason: SkippedTarget },
    /// The page of a pod was read.
    PodPage { pod: String, url: String, summary: PageSummary },
    /// The page of a pod could not be fetched.
    PodFetchFailed { pod: String, url: String, error: SourceError },
    /// The value needs samples over time.
    Range { range: Duration, interval: Duration },
    /// The samples of the page.
    Samples { summary: StoreSummary },
    /// The samples of a pod's page.
    PodSamples { pod: String, url: String, summary: StoreSummary },
    /// The query that is sent.
    Query { query: String },
    /// The server responded to the query.
    QueryResult { summary: QuerySummary },
    /// The source failed, and this value is served for an object.
    StoodIn { object: String, value: ServedValue, kind: &'static str },
    /// The request is forwarded to another adapter, because no rule serves it or its rule is shadowed.
    Forwarded { to: String, path: String },
    /// The response of the other adapter, or the reason why there was none.
    ForwardAnswer { answer: String },
    /// The comparison of the rule's values with those of the other adapter.
    Shadow { outcome: ShadowOutcome, ratio: Option<f64>, error: Option<String> },
    /// The evaluated value of an object, and the served value.
    Judged { object: String, finding: Finding, verdict: Verdict },
}

/// The origin of the selected pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodsOrigin {
    /// A list of the Kubernetes API.
    List,
    /// The watch of their namespace, with the time since its last event.
    Watch(Duration),
}

impl Trace {
    /// Records nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Records every event.
    pub fn on() -> Self {
        Self { events: Some(Vec::new()), ..Self::default() }
    }

    /// Records an event if the trace is on.
    pub fn record(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            events.push(event());
        }
    }

    /// Whether events are recorded.
    pub fn is_on(&self) -> bool {
        self.events.is_some()
    }

    /// The events so far.
    pub fn events(&self) -> &[Event] {
        self.events.as_deref().unwrap_or_default()
    }

    /// Counts an object that was left out of the response for this reason, one of a closed set.
    pub fn leave_out(&mut self, reason: &'static str) {
        match self.left_out.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.left_out.push((reason, 1)),
        }
    }

    /// How many objects were left out, by reason.
    pub fn left_out(&self) -> &[(&'static str, u32)] {
        &self.left_out
    }
}

impl Event {
    /// The topic of the event, as one word.
    pub fn topic(&self) -> &'static str {
        match self {
            Self::Rule { .. } => "rule",
            Self::Url { .. } => "url",
            Self::Page { .. } | Self::PodPage { .. } | Self::PodFetchFailed { .. } => "page",
            Self::FetchFailed { .. } => "failed",
            Self::PageRefused { .. } => "refused",
            Self::SeriesMatched { .. } => "series",
            Self::OwnScrape { .. } | Self::CounterAsLevel { .. } => "warning",
            Self::ObjectsSelected { .. } => "objects",
            Self::PodSelector { .. } | Self::PodsSelected { .. } | Self::PodsJoined { .. } => "pods",
            Self::PodSkipped { .. } => "pod",
            Self::Range { .. } => "range",
            Self::Samples { .. } | Self::PodSamples { .. } => "samples",
            Self::Query { .. } => "query",
            Self::QueryResult { .. } => "answer",
            Self::Forwarded { .. } | Self::ForwardAnswer { .. } => "forward",
            Self::Shadow { .. } => "shadow",
            Self::StoodIn { .. } => "instead",
            Self::Judged { .. } => "object",
        }
    }

    /// The event on one line. Control characters are escaped for terminals.
    pub fn text(&self) -> String {
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        self.detail().chars().map(shown).collect()
    }

    /// The event, unescaped.
    fn detail(&self) -> String {
        match self {
            Self::Rule { metric, resource: Some(resource), value } => format!("{metric} of {resource}, value {value}"),
            Self::Rule { metric, resource: None, value } => format!("external metric {metric}, value {value}"),
            Self::Url { url } => url.clone(),
            Self::Page { summary } => summary.to_string(),
            Self::QueryResult { summary } => summary.to_string(),
            Self::FetchFailed { error } => error.detail(),
            Self::PageRefused { refusal } => refusal.to_string(),
            Self::SeriesMatched { count, types } if types.is_empty() => format!("{count} match"),
            Self::SeriesMatched { count, types } => format!("{count} match, TYPE {}", types.join(", ")),
            Self::OwnScrape { label, value } => {
                format!("series with {label}={value:?} count scrapes too; exclude them with {label}!={value:?}")
            }
            Self::CounterAsLevel { name } => {
                format!("{name} is a counter (TYPE): it only grows, and so would the replicas; use its rate()")
            }
            Self::ObjectsSelected { count } => format!("labelSelector selects {count}"),
            Self::PodsSelected { count, origin: PodsOrigin::List } => format!("{count} are selected"),
            Self::PodsSelected { count, origin: PodsOrigin::Watch(age) } => {
                format!("{count} are selected, by a watch that was last heard of {} ago", duration::format(*age))
            }
            Self::PodSelector { selector } => format!("selected by {selector}"),
            Self::PodsJoined { count } => count.to_string(),
            Self::PodSkipped { pod, reason } => format!("{pod}: not scraped: {}", reason.as_str()),
            Self::PodPage { pod, url, summary } => format!("{pod}: {url}, {summary}"),
            Self::PodFetchFailed { pod, url, error } => format!("{pod}: {url}, {}", error.detail()),
            Self::Range { range, interval } => {
                format!("looks back {}, sampled every {}", duration::format(*range), duration::format(*interval))
            }
            Self::Samples { summary } => summary.to_string(),
            Self::PodSamples { pod, url, summary } => format!("{pod}: {url}, {summary}"),
            Self::Query { query } => query.clone(),
            Self::Forwarded { to, path } => format!("to {to}: {path}"),
            Self::ForwardAnswer { answer } => format!("answer: {answer}"),
            Self::Shadow { outcome, ratio, error } => {
                let ratio = ratio.map(|ratio| format!(", difference {ratio:.4}")).unwrap_or_default();
                let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                format!("{}{ratio}{error}", outcome.as_str().replace('_', " "))
            }
            Self::StoodIn { object, value, kind } => {
                format!("{object}: the source failed, answer {} by onUnavailable ({kind})", value.value)
            }
            Self::Judged { object, finding, verdict } => format!("{object}: found {finding}, answer {verdict}"),
        }
    }
}

/// The event on one line, preceded by its topic.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}", self.topic(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters_only() {
        let event = Event::Url { url: "a\x1b[31m\nb é".to_owned() };
        assert_eq!(event.to_string(), "url      a\\u{1b}[31m\\nb é");
    }

    #[test]
    fn records_while_on() {
        let (mut on, mut off) = (Trace::on(), Trace::off());
        for trace in [&mut on, &mut off] {
            trace.record(|| Event::SeriesMatched { count: 2, types: vec!["gauge"] });
        }
        assert_eq!(
            (on.events(), off.events()),
            ([Event::SeriesMatched { count: 2, types: vec!["gauge"] }].as_slice(), [].as_slice())
        );
    }
}
