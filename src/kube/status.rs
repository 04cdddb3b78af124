//! `meta/v1` Status: the body of every error. `kubectl describe hpa` shows it to users verbatim.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::json;
use super::meta::or_default;
use super::protobuf::{Fields, ListMeta, Message, Object, TypeMeta};

/// The reason for a failed request, in Kubernetes' classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// 400: the request is malformed.
    BadRequest,
    /// 401: the request's credentials are invalid.
    Unauthorized,
    /// 403: the user is not allowed to make the request.
    Forbidden,
    /// 404: no such route, metric or value.
    NotFound,
    /// 405: only GET is served.
    MethodNotAllowed,
    /// 406: the client accepts none of the supported media types.
    NotAcceptable,
    /// 413: the request has a body, or its head is too long.
    RequestEntityTooLarge,
    /// 500: a bug in Metriclet.
    InternalError,
    /// 503: the state of the source, the configuration or the queue does not allow a correct response now.
    ServiceUnavailable,
}

impl Reason {
    /// The HTTP status code.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::RequestEntityTooLarge => 413,
            Self::InternalError => 500,
            Self::ServiceUnavailable => 503,
        }
    }

    /// The value of `reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::InternalError => "InternalError",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }
}

/// A failure. Those of Metriclet never have `retryAfterSeconds`, because client-go would then sleep in one of the HPA
/// controller's five workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    pub(crate) message: String,
    reason: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<Details>>,
    code: u16,
}

/// The details of a failure; empty if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub group: String,
    /// The resource.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub kind: String,
    /// The other fields occur only in Statuses of other servers.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub causes: Vec<Cause>,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub retry_after_seconds: i32,
}

/// One of several causes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cause {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub field: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(seconds: &i32) -> bool {
    *seconds == 0
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Empty {}

impl Object for Status {
    fn type_meta(&self) -> TypeMeta {
        TypeMeta { kind: self.kind, group: "", version: self.api_version }
    }

    fn json(&self, body: &mut Vec<u8>) {
        json::value(self, body);
    }
}

impl Message for Status {
    fn fields(&self, fields: &mut Fields) {
        fields.message(1, &ListMeta);
        fields.string(2, self.status);
        fields.string(3, &self.message);
        fields.string(4, &self.reason);
        if let Some(details) = self.details.as_deref() {
            fields.message(5, details);
        }
        fields.int(6, i64::from(self.code));
    }
}

impl Message for Details {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.name);
        fields.string(2, &self.group);
        fields.string(3, &self.kind);
        for cause in &self.causes {
            fields.message(4, cause);
        }
        fields.int(5, i64::from(self.retry_after_seconds));
        fields.string(6, &self.uid);
    }
}

impl Message for Cause {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.reason);
        fields.string(2, &self.message);
        fields.string(3, &self.field);
    }
}

impl Status {
    /// A failure for `reason`. A message longer than `max` bytes is truncated at a character boundary and ends with
    /// `…`.
    pub(crate) fn failure(reason: Reason, message: &str, max: usize) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message: truncated(message, max),
            reason: reason.as_str().into(),
            details: None,
            code: reason.code(),
        }
    }

    /// A failure that another server reported.
    pub(crate) fn received(code: u16, reason: String, message: String, details: Option<Details>) -> Self {
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message,
            reason: reason.into(),
            details: details.map(Box::new),
            code,
        }
    }

    /// The 404 for a path below our groups that is not a route, with Kubernetes' message.
    pub(crate) fn no_such_route() -> Self {
        let message = "the server could not find the requested resource";
        Self { details: Some(Box::default()), ..Self::failure(Reason::NotFound, message, usize::MAX) }
    }

    /// Adds details.
    #[must_use]
    pub(crate) fn about(self, details: Details) -> Self {
        Self { details: Some(Box::new(details)), ..self }
    }

    /// The HTTP status code.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }
}

fn truncated(message: &str, max: usize) -> String {
    const MARK: &str = "…";
    if message.len() <= max {
        return message.to_owned();
    }
    let mut end = max.saturating_sub(MARK.len());
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message
        .chars()
        .scan(0, |at, c| {
            *at += c.len_utf8();
            (*at <= end).then_some(c)
        })
        .chain(MARK.chars())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_shape_of_kubernetes() {
        let status = Status::failure(Reason::NotFound, "the server could not find the metric m for pods", 512);
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the metric m for pods","reason":"NotFound","code":404}"#
        );
        assert_eq!(
            serde_json::to_string(&Status::no_such_route()).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#
        );
    }

    #[test]
    fn truncates_long_messages_at_a_character() {
        for (message, max, truncated) in
            [("short", 5, "short"), ("longer", 5, "lo…"), ("aéé", 4, "a…"), ("éé", 3, "…"), ("abc", 0, "…")]
        {
            assert_eq!(Status::failure(Reason::NotFound, message, max).message, truncated);
        }
    }
}
