//! Requests for metrics: computes the list of values from the path and the query, and records it for the status page.

use std::sync::Arc;

use super::message::{Encoding, Reply, Request};
use super::negotiate::Transforms;
use super::reply_cache::{Answered, CachedReply, ReplyKey};
use super::{Api, Authorized, Rejection, RequestContext, RouteError, client, selectors};
use crate::kube::custom_metrics::MetricValueList;
use crate::kube::external_metrics::ExternalMetricValueList;
use crate::kube::status::Status;
use crate::metrics::failure::Failure;
use crate::metrics::trace::Trace;
use crate::metrics::{ExternalRequest, MetricRequest};
use crate::parse::path::{ApiPath, ExternalPath, MetricPath};
use crate::parse::query::Query;
use crate::parse::selector::Selector;
use crate::source::waiting::AllowedWaits;
use crate::status::answers::{AnsweredError, AnsweredValue};
use crate::telemetry::clock::Now;

impl Api {
    /// The cached reply, if there is one and the client is authorized.
    pub(super) fn cached_reply(&self, request: &Request<'_>, now: Now) -> Option<(Arc<CachedReply>, Authorized)> {
        let key = ReplyKey::of(request)?;
        let cached = self.replies.get(&key, &self.metrics.rules(), now)?;
        let authorized = self.authorize(request, Some(&cached.path), AllowedWaits::NONE, now).ok()?;
        Some((cached, authorized))
    }

    /// The reply to a request for metrics, newly serialized by `answer`.
    pub(super) fn values(
        &self,
        request: &Request<'_>,
        path: &ApiPath,
        context: RequestContext,
        trace: &mut Trace,
        answer: &dyn Fn(Encoding, &mut Trace) -> Result<Answered, RouteError>,
    ) -> Result<Reply, RouteError> {
        let media_type = self.check(request, Encoding::OFFERED, Transforms::Refused)?;
        let encoding = Encoding::new(media_type, context.pretty);
        // A traced reply is for `get` or `explain`, not for a client of the API.
        if trace.is_on() {
            return answer(encoding, trace).map(|answered| answered.reply);
        }
        let rules = self.metrics.rules();
        let answered = answer(encoding, trace)?;
        let (value, now) = (answered.value.clone(), self.clock.now());
        let last = self.status.answers.served(request.target, context.client, value, now);
        if let Some(key) = ReplyKey::of(request) {
            self.replies.put(&key, path, &answered, last, &rules, context.now);
        }
        Ok(answered.reply)
    }

    /// Records the error of an authorized metric request, for the status page.
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
        context: RequestContext,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, RouteError> {
        let label_selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let metric_selector = self.selector("metricLabelSelector", query.metric_label_selector.as_deref())?;
        selectors::check_field_selector(path, query, self.failures())?;
        let metric_request = MetricRequest {
            path,
            label_selector: &label_selector,
            metric_selector: &metric_selector,
            is_forwarded: context.is_forwarded,
        };
        let answer = match self.metrics.answer(metric_request, context.waits, trace) {
            Ok(answer) => answer,
            Err(Failure::WouldWait(waiting)) => return Err(RouteError::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let (selector, items) = (answer.selector.as_ref(), &answer.items);
        let list = MetricValueList { version: path.version, metric: &path.metric, selector, items };
        let reply = Reply::object(200, &list, encoding);
        let value = AnsweredValue::average(items.iter().map(|item| (item.value, item.timestamp)), trace.left_out());
        Ok(Answered { reply, freshness: answer.freshness, value })
    }

    pub(super) fn external_metric(
        &self,
        path: &ExternalPath,
        query: &Query,
        context: RequestContext,
        encoding: Encoding,
        trace: &mut Trace,
    ) -> Result<Answered, RouteError> {
        if query.watch == Some(true) {
            return Err(self.failures().watch().into());
        }
        let selector = self.selector("labelSelector", query.label_selector.as_deref())?;
        let metric_request = ExternalRequest { path, selector: &selector, is_forwarded: context.is_forwarded };
        let values = match self.metrics.answer_external(metric_request, context.waits, trace) {
            Ok(values) => values,
            Err(Failure::WouldWait(waiting)) => return Err(RouteError::WouldWait(waiting)),
            Err(failure) => return Err(self.failures().metric(&failure).into()),
        };
        let list = ExternalMetricValueList { metric: &values.metric, items: &values.items };
        let reply = Reply::object(200, &list, encoding);
        let value = AnsweredValue::sum(values.items.iter().map(|item| (item.value, item.timestamp)));
        Ok(Answered { reply, freshness: values.freshness, value })
    }

    fn selector(&self, parameter: &str, text: Option<&str>) -> Result<Selector, Status> {
        selectors::selector(parameter, text, &self.limits.request, self.failures())
    }
}
