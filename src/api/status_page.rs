//! `/status` and `/status.json`. A report is made by a blocking worker, one at a time, so that it delays no metric.

use super::message::{JSON, Reply, Request};
use super::negotiate::Transforms;
use super::{Api, RequestContext, RouteError};
use crate::parse::path::StatusFormat;
use crate::source::waiting::Waiting;

const HTML: &str = "text/html; charset=utf-8";

impl Api {
    pub(super) fn status_page(
        &self,
        format: StatusFormat,
        request: &Request<'_>,
        context: RequestContext,
    ) -> Result<Reply, RouteError> {
        let media_type = match format {
            StatusFormat::Html => "text/html",
            StatusFormat::Json => JSON,
        };
        self.check(request, &[media_type], Transforms::Ignored)?;
        if !context.waits.includes(Waiting::Status) {
            return Err(RouteError::WouldWait(Waiting::Status));
        }
        let report = {
            let shadows = &self.metrics.adapters().shadows;
            self.status.report(&self.metrics.rules(), shadows, &self.counters, &self.clock)
        };
        Ok(match format {
            StatusFormat::Json => Reply::json(200, &*report, context.pretty),
            StatusFormat::Html => {
                let query = request.target.split_once('?').map(|(_, query)| query);
                Reply::new(200, HTML, self.status.html(&report, query))
                    .with_header("Content-Security-Policy", self.status.policy())
                    .with_header("X-Frame-Options", "DENY")
                    .with_header("Referrer-Policy", "no-referrer")
            }
        })
    }
}
