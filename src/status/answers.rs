//! The metric requests of the last hour with their clients, and values or errors. Bounded in requests, points and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::limits::StatusLimits;
use crate::kube::meta::Time;
use crate::parse::quantity::Milli;
use crate::parse::sort::sort_by;
use crate::telemetry::clock::Now;

/// Answers by request target.
#[derive(Debug)]
pub(crate) struct AnswerLog {
    requests: Mutex<HashMap<String, Logged>>,
    limits: StatusLimits,
    began: Instant,
}

/// The answers to one target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answers {
    /// The client of the last request.
    pub(crate) client: MetricClient,
    /// The time of the last request, Unix milliseconds.
    pub(crate) asked: i64,
    pub(crate) value: Option<AnsweredValue>,
    pub(crate) error: Option<AnsweredError>,
}

/// The last request for a target. A cached answer that is served again is recorded here, without looking the target up.
#[derive(Debug, Default)]
pub(crate) struct LastRequest {
    is_hpa_controller: AtomicBool,
    /// Unix milliseconds.
    at: AtomicI64,
}

/// The answers to one target as they are kept.
#[derive(Debug, Default)]
struct Logged {
    last: Arc<LastRequest>,
    value: Option<AnsweredValue>,
    error: Option<AnsweredError>,
    history: History,
}

/// A client that requests metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricClient {
    /// The HPA controller, by its user name.
    HpaController,
    /// Another user, or any client on loopback.
    Other,
}

/// The last values that were served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnsweredValue {
    /// Unix milliseconds.
    pub(crate) at: i64,
    /// The value; the average of several objects or the sum of several external values, as in the HPA controller.
    pub(crate) value: f64,
    pub(crate) items: usize,
    /// Objects that were left out, by reason.
    pub(crate) left_out: Vec<(&'static str, u32)>,
}

/// The last error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnsweredError {
    /// Unix milliseconds.
    pub(crate) at: i64,
    /// HTTP status code.
    pub(crate) code: u16,
    /// The message that the client received.
    pub(crate) message: String,
}

/// The answer in one step of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Point {
    /// There was no request.
    #[default]
    None,
    /// The last value.
    Value(f32),
    /// The last answer was an error.
    Error,
}

/// The points of the last steps, the newest last.
#[derive(Clone, Debug, Default, PartialEq)]
struct History {
    points: VecDeque<Point>,
    /// The number of the newest step.
    newest: u64,
}

impl AnswerLog {
    pub(crate) fn new(limits: StatusLimits, now: Now) -> Self {
        Self { requests: Mutex::default(), limits, began: now.monotonic }
    }

    /// Records served values. `None` if the target is too long to be kept.
    pub(crate) fn served(
        &self,
        target: &str,
        client: MetricClient,
        value: AnsweredValue,
        now: Now,
    ) -> Option<Arc<LastRequest>> {
        let point = Point::Value(value.value as f32);
        self.note(target, client, point, now, |answers| {
            answers.value = Some(value);
            answers.error = None;
        })
    }

    /// Records a served error.
    pub(crate) fn failed(&self, target: &str, client: MetricClient, error: AnsweredError, now: Now) {
        _ = self.note(target, client, Point::Error, now, |answers| answers.error = Some(error));
    }

    /// All targets of the last hour, sorted, with one point for each step, the newest last.
    pub(crate) fn all(&self, now: Now) -> Vec<(String, Answers, Vec<Point>)> {
        let step = self.step(now);
        let since = now.unix_millis.saturating_sub(self.span().as_millis().try_into().unwrap_or(i64::MAX));
        let requests = self.lock();
        let recent = requests.iter().filter(|(_, logged)| logged.last.at() >= since);
        let mut all: Vec<_> = recent
            .map(|(target, Logged { last, value, error, history })| {
                let (client, asked) = (last.client(), last.at());
                let answers = Answers { client, asked, value: value.clone(), error: error.clone() };
                (target.clone(), answers, history.up_to(step, self.limits.points))
            })
            .collect();
        drop(requests);
        sort_by(&mut all, |(a, ..), (b, ..)| a.cmp(b));
        all
    }

    /// The targets that the HPA controller has requested since a time, Unix milliseconds, and whether the last answer was
    /// an error.
    pub(crate) fn of_hpa_controller(&self, since: i64) -> Vec<(String, bool)> {
        let requests = self.lock();
        let asked = |last: &LastRequest| last.client() == MetricClient::HpaController && last.at() >= since;
        let asked = requests.iter().filter(|(_, answers)| asked(&answers.last));
        asked.map(|(target, answers)| (target.clone(), answers.error.is_some())).collect()
    }

    /// The length of the history.
    pub(crate) fn span(&self) -> Duration {
        self.limits.step * u32::try_from(self.limits.points).unwrap_or(u32::MAX)
    }

    fn note(
        &self,
        target: &str,
        client: MetricClient,
        point: Point,
        now: Now,
        change: impl FnOnce(&mut Logged),
    ) -> Option<Arc<LastRequest>> {
        if target.len() > self.limits.target {
            return None;
        }
        let step = self.step(now);
        let mut requests = self.lock();
        if !requests.contains_key(target) {
            self.make_room(&mut requests);
        }
        let answers = requests.entry(target.to_owned()).or_default();
        answers.last.note(client, now);
        answers.history.set(step, point, self.limits.points);
        change(answers);
        Some(answers.last.clone())
    }

    /// Removes the target that was requested longest ago; targets of other clients are removed before those of the HPA
    /// controller.
    fn make_room(&self, requests: &mut HashMap<String, Logged>) {
        if requests.len() < self.limits.requests {
            return;
        }
        let oldest = requests.iter().min_by_key(|(_, answers)| (answers.last.client(), answers.last.at()));
        if let Some(target) = oldest.map(|(target, _)| target.clone()) {
            requests.remove(&target);
        }
    }

    fn step(&self, now: Now) -> u64 {
        let elapsed = now.monotonic.saturating_duration_since(self.began).as_millis();
        u64::try_from(elapsed / self.limits.step.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Logged>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastRequest {
    /// Records a request whose answer is the last one.
    pub(crate) fn note(&self, client: MetricClient, now: Now) {
        self.is_hpa_controller.store(client == MetricClient::HpaController, Ordering::Relaxed);
        self.at.store(now.unix_millis, Ordering::Relaxed);
    }

    fn client(&self) -> MetricClient {
        match self.is_hpa_controller.load(Ordering::Relaxed) {
            true => MetricClient::HpaController,
            false => MetricClient::Other,
        }
    }

    fn at(&self) -> i64 {
        self.at.load(Ordering::Relaxed)
    }
}

impl AnsweredValue {
    /// The average of objects, which the HPA controller compares with its target.
    pub(crate) fn average(items: impl Iterator<Item = (Milli, Time)>, left_out: &[(&'static str, u32)]) -> Self {
        let sum = Self::sum(items);
        Self { value: sum.value / sum.items.max(1) as f64, left_out: left_out.to_vec(), ..sum }
    }

    /// The sum of an external metric's values, which the HPA controller compares with its target.
    pub(crate) fn sum(items: impl Iterator<Item = (Milli, Time)>) -> Self {
        let none = Self { at: i64::MAX, value: 0.0, items: 0, left_out: Vec::new() };
        items.fold(none, |sum, (value, time)| Self {
            at: sum.at.min(time.millis()),
            value: sum.value + value.0 as f64 / 1000.0,
            items: sum.items + 1,
            ..sum
        })
    }
}

impl MetricClient {
    /// The name on the page.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::HpaController => "HPA controller",
            Self::Other => "another client",
        }
    }
}

/// Other clients come first, because their requests are removed first.
impl Ord for MetricClient {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |client: &Self| matches!(client, Self::HpaController);
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for MetricClient {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl History {
    fn set(&mut self, step: u64, point: Point, most: usize) {
        let gap = usize::try_from(step.saturating_sub(self.newest)).unwrap_or(usize::MAX);
        if self.points.is_empty() || gap >= most {
            self.points.clear();
            self.points.push_back(point);
        } else {
            self.points.extend(std::iter::repeat_n(Point::None, gap));
            self.points.drain(..self.points.len().saturating_sub(most));
            self.points.back_mut().into_iter().for_each(|newest| *newest = point);
        }
        self.newest = self.newest.max(step);
    }

    /// The points of the last `count` steps up to `step`.
    fn up_to(&self, step: u64, count: usize) -> Vec<Point> {
        let since = usize::try_from(step.saturating_sub(self.newest)).unwrap_or(usize::MAX).min(count);
        let kept = self.points.len().min(count - since);
        let mut points = vec![Point::None; count - since - kept];
        points.extend(self.points.iter().skip(self.points.len() - kept));
        points.extend(std::iter::repeat_n(Point::None, since));
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: Now, seconds: u64) -> Now {
        let unix_millis = now.unix_millis + i64::try_from(seconds).unwrap() * 1000;
        Now { monotonic: now.monotonic + Duration::from_secs(seconds), unix_millis }
    }

    fn log(requests: usize, points: usize) -> (AnswerLog, Now) {
        let now = Now { monotonic: Instant::now(), unix_millis: 0 };
        let limits = StatusLimits { requests, points, ..StatusLimits::default() };
        (AnswerLog::new(limits, now), now)
    }

    fn value(value: f64) -> AnsweredValue {
        AnsweredValue { at: 0, value, items: 1, left_out: Vec::new() }
    }

    #[test]
    fn keeps_one_point_for_each_step() {
        let (log, start) = log(8, 4);
        let other = MetricClient::Other;
        let error = AnsweredError { at: 0, code: 503, message: "no".to_owned() };
        log.served("/a", other, value(1.0), at(start, 0));
        log.served("/a", other, value(2.0), at(start, 14));
        log.failed("/a", other, error, at(start, 15));
        log.served("/a", other, value(3.0), at(start, 45));
        let points = |seconds| log.all(at(start, seconds)).pop().map(|(.., points)| points).unwrap_or_default();
        assert_eq!(points(45), [Point::Value(2.0), Point::Error, Point::None, Point::Value(3.0)]);
        assert_eq!(points(75), [Point::None, Point::Value(3.0), Point::None, Point::None]);
        assert_eq!(points(106), [], "it was not requested within the hour");
        log.served("/a", other, value(4.0), at(start, 200));
        assert_eq!(points(200), [Point::None, Point::None, Point::None, Point::Value(4.0)]);
    }

    #[test]
    fn removes_requests_of_other_clients_first() {
        let (log, start) = log(2, 4);
        log.served("/hpa", MetricClient::HpaController, value(1.0), at(start, 0));
        log.served("/other", MetricClient::Other, value(1.0), at(start, 1));
        log.served("/new", MetricClient::Other, value(1.0), at(start, 2));
        let targets = || log.all(at(start, 3)).into_iter().map(|(target, ..)| target).collect::<Vec<_>>();
        assert_eq!(targets(), ["/hpa", "/new"]);
        assert!(log.served(&"/long".repeat(1_000), MetricClient::Other, value(1.0), at(start, 3)).is_none());
        assert_eq!(targets(), ["/hpa", "/new"]);
    }

    #[test]
    fn a_value_ends_an_error() {
        let (log, start) = log(2, 4);
        let error = AnsweredError { at: 5, code: 404, message: "no".to_owned() };
        log.served("/a", MetricClient::Other, value(1.0), at(start, 0));
        log.failed("/a", MetricClient::HpaController, error.clone(), at(start, 1));
        let last = |seconds| log.all(at(start, seconds)).pop().map(|(_, answers, _)| answers).unwrap();
        let failing = last(1);
        assert_eq!(
            (failing.error, failing.value, failing.client),
            (Some(error), Some(value(1.0)), MetricClient::HpaController)
        );
        log.served("/a", MetricClient::Other, value(2.0), at(start, 2));
        assert_eq!(last(2).error, None);
    }
}
