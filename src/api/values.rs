//! Requests for metrics: from the path and the query to the list of values, which is remembered for the status page.

use std::sync::Arc;

use super::kept::{Answered, KeptReply, ReplyKey};
use super::message::{Encoding, Reply, Request};
use super::negotiate::Transforms;
use super::{Api, Asking, Authorized, Rejection, Stop, client, selectors};
use crate::kube::custom_metrics::MetricValueList;
use crate::kube::external_metrics::ExternalMetricValueList;
use crate::kube::status::Status;
use crate::metrics::failure::Failure;
use crate::metrics::trace::Trace;
use crate::metrics::{ExternalRequest, MetricRequest};
use crate::parse::path::{ApiPath, ExternalPath, MetricPath};
use crate::parse::query::Query;
use crate::parse::selector::Selector;
use crate::source::waiting::Patience;
use crate::status::answers::{AnsweredError, AnsweredValue};
use crate::telemetry::clock::Now;

impl Api {
    /// The reply that was printed before, if there is one and the client may have it.
    pub(super) fn kept(&self, request: &Request<'_>, now: Now) -> Option<(Arc<KeptReply>, Authorized)> {
        let key = ReplyKey::of(request)?;
        let kept = self.kept.get(&key, &self.metrics.rules(), now)?;
        let authorized = self.authorize(request, Some(&kept.path), Patience::NONE, now).ok()?;
        Some((kept, authorized))
    }

    /// The reply to a request for metrics, as `answer` prints it now.
    pub(super) fn values(
        &self,
        request: &Request<'_>,
        path: &ApiPath,
        asking: Asking,
        trace: &mut Trace,
        answer: &dyn Fn(Encoding, &mut Trace) -> Result<Answered, Stop>,
    ) -> Result<Reply, Stop> {
        let media_type = self.check(request, Encoding::OFFERED, Transforms::Refused)?;
        let encoding = Encoding::new(media_type, asking.pretty);
        // A reply that is traced is not an answer to anyone.
        if trace.is_on() {
            return answer(encoding, trace).map(|answered| answered.reply);
        }
        let rules = self.metrics.rules();
        let answered = answer(encoding, trace)?;
        let (value, now) = (answered.value.clone(), self.clock.now());
        let last = self.status.answers.served(request.target, asking.client, value, now);
        if let Some(key) = ReplyKey::of(request) {
            self.kept.put(&key, path, &answered, last, &rules, asking.now);
        }
        Ok(answered.reply)
    }

    /// Remembers the error of a request for a metric by a client that may have it.
    pub(super) fn note_error(
        &self,
        target: &str,
        path: Option<&ApiPath>,
        authorized: &Result<Authorized, Rejection>,
        status: &Status,
    ) {
        let (Some(ApiPath::Metric(_) | ApiPath::External(_)), Ok(authorized)) = (path, authorized) else { return };
        let now = self.clock.now();
        let error = AnsweredError { at: now.unix_millis, code: status.code(), message: status.message.clone() };
        self.status.answers.failed(target, client(*authorized), error, now);
    }

    pub(super) fn metric(
        &self,
        path: &MetricPath,
        query: &Query,
        asking: Asking,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, Stop> {
        let label_selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let metric_selector = self.selector("metricLabelSelector", query.metric_label_selector.as_deref())?;
        selectors::check_field_selector(path, query, self.failures())?;
        let ask = MetricRequest {
            path,
            label_selector: &label_selector,
            metric_selector: &metric_selector,
            is_forwarded: asking.is_forwarded,
        };
        let answer = match self.metrics.answer(ask, asking.patience, trace) {
            Ok(answer) => answer,
            Err(Failure::WouldWait(waiting)) => return Err(Stop::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let (selector, items) = (answer.selector.as_ref(), &answer.items);
        let list = MetricValueList { version: path.version, metric: &path.metric, selector, items };
        let reply = Reply::object(200, &list, encoding);
        let value = AnsweredValue::average(items.iter().map(|item| (item.value, item.timestamp)), trace.left_out());
        Ok(Answered { reply, lasting: answer.lasting, value })
    }

    pub(super) fn external_metric(
        &self,
        path: &ExternalPath,
        query: &Query,
        asking: Asking,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, Stop> {
        if query.watch == Some(true) {
            return Err(self.failures().watch().into());
        }
        let selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let ask = ExternalRequest { path, selector: &selector, is_forwarded: asking.is_forwarded };
        let values = match self.metrics.answer_external(ask, asking.patience, trace) {
            Ok(values) => values,
            Err(Failure::WouldWait(waiting)) => return Err(Stop::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let list = ExternalMetricValueList { metric: &values.metric, items: &values.items };
        let reply = Reply::object(200, &list, encoding);
        let value = AnsweredValue::sum(values.items.iter().map(|item| (item.value, item.timestamp)));
        Ok(Answered { reply, lasting: values.lasting, value })
    }

    fn selector(&self, parameter: &str, text: Option<&str>) -> Result<Selector, Status> {
        selectors::selector(parameter, text, &self.limits.request, self.failures())
    }
}
