//! The Kubernetes Status of every failure.

use std::fmt::Display;

use super::auth::Rejection;
use crate::kube::status::{Details, Reason, Status};
use crate::metrics::failure::Failure;
use crate::parse::head::HeadError;
use crate::source::waiting::Waiting;

/// Turns failures into Statuses whose message is at most `max` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failures {
    /// Length of a message, in bytes.
    pub max: usize,
}

impl Failures {
    /// 400: the request is malformed.
    pub(crate) fn bad_request(self, why: &impl Display) -> Status {
        self.status(Reason::BadRequest, why)
    }

    /// 400, or 413 if it is too large: the request's head is rejected.
    pub(crate) fn head(self, error: &HeadError) -> Status {
        self.status(if error.too_large() { Reason::RequestEntityTooLarge } else { Reason::BadRequest }, error)
    }

    /// Why a request is not authenticated or authorized. (One that would wait has no reply yet.)
    pub(crate) fn rejection(self, rejection: &Rejection) -> Status {
        match rejection {
            Rejection::Unauthorized => self.status(Reason::Unauthorized, &"Unauthorized"),
            Rejection::Forbidden(forbidden) => {
                let details = match &forbidden.spec.resource_attributes {
                    Some(of) => {
                        let (name, group, kind) = (of.name.clone(), of.group.clone(), of.resource.clone());
                        Details { name, group, kind, ..Details::default() }
                    }
                    None => Details::default(),
                };
                self.status(Reason::Forbidden, forbidden).about(details)
            }
            Rejection::NotAuthenticated(why) => {
                self.status(Reason::ServiceUnavailable, &format_args!("cannot authenticate the request: {why}"))
            }
            Rejection::NotAuthorized(why) => {
                self.status(Reason::ServiceUnavailable, &format_args!("cannot authorize the request: {why}"))
            }
            Rejection::WouldWait(waiting) => self.overloaded(*waiting),
        }
    }

    /// 405, worded as in Kubernetes.
    pub(crate) fn method(self) -> Status {
        self.status(Reason::MethodNotAllowed, &"the server does not allow this method on the requested resource")
    }

    /// 405: lists of external metrics cannot be watched.
    pub(crate) fn watch(self) -> Status {
        let why = "watch is not supported on resources of kind \"*.external.metrics.k8s.io\"";
        self.status(Reason::MethodNotAllowed, &why)
    }

    /// 406, worded as in Kubernetes.
    pub(crate) fn not_acceptable(self, offered: &[&str]) -> Status {
        let why = format_args!("only the following media types are accepted: {}", offered.join(", "));
        self.status(Reason::NotAcceptable, &why)
    }

    /// 503: the queue for this is full, or the request's deadline passed in it.
    pub(crate) fn overloaded(self, waiting: Waiting) -> Status {
        let why = match waiting {
            Waiting::Source(_) => "too many requests are waiting for slow sources",
            Waiting::KubernetesLists => "too many requests are waiting for lists from the Kubernetes API",
            Waiting::Status => "too many requests are waiting for the status page",
            Waiting::Forwarded(_) => "too many requests are waiting for the adapter that forward: names",
            Waiting::FrontProxyReviews | Waiting::DirectReviews => {
                "too many requests are waiting for TokenReview or SubjectAccessReview"
            }
        };
        self.status(Reason::ServiceUnavailable, &why)
    }

    /// 500: a bug in Metriclet.
    pub(crate) fn bug(self) -> Status {
        self.status(Reason::InternalError, &"Internal error occurred: a bug in metriclet; its log says where")
    }

    /// Why a metric cannot be served.
    pub(crate) fn metric(self, failure: &Failure) -> Status {
        let reason = match failure {
            // Passed on unchanged.
            Failure::Answered(status) => return (**status).clone(),
            Failure::BadRequest(_) => Reason::BadRequest,
            Failure::NotFound(_) => Reason::NotFound,
            Failure::Unavailable(_) | Failure::SourceFailed(_) | Failure::WouldWait(_) => Reason::ServiceUnavailable,
        };
        self.status(reason, failure)
    }

    fn status(self, reason: Reason, why: &impl Display) -> Status {
        Status::failure(reason, &why.to_string(), self.max)
    }
}
