//! `authentication.k8s.io/v1` TokenReview and `authorization.k8s.io/v1` SubjectAccessReview: the requests, and the
//! parts of the responses that are used.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Serialize};

/// A user in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserInfo {
    /// `system:serviceaccount:kube-system:horizontal-pod-autoscaler`
    pub username: String,
    /// Distinguishes users who have the same name at different times; may be empty.
    pub uid: String,
    /// In the order of the authenticator.
    pub groups: Vec<String>,
    /// Additional attributes from the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The `spec` of a SubjectAccessReview.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectAccessReviewSpec {
    /// Set for requests for metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_attributes: Option<ResourceAttributes>,
    /// Set for all other requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_resource_attributes: Option<NonResourceAttributes>,
    /// The user's name.
    pub user: String,
    /// The user's groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The user's additional attributes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    /// The user's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The resource attributes of a metric, to which RBAC rules apply.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ResourceAttributes {
    /// Empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `get`
    pub verb: String,
    /// The API group.
    pub group: String,
    /// `v1beta2`
    pub version: String,
    /// `pods`
    pub resource: String,
    /// The metric's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// The object's name, or `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// The attributes of a non-resource path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NonResourceAttributes {
    /// `/metrics`
    pub path: String,
    /// `get`
    pub verb: String,
}

/// The `status` of a SubjectAccessReview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubjectAccessReviewStatus {
    /// Whether an authorizer allows it.
    pub allowed: bool,
    /// Whether an authorizer denies it, which overrides other authorizers.
    pub denied: bool,
    /// The authorizer's reason.
    pub reason: String,
}

impl SubjectAccessReviewStatus {
    /// Whether it is allowed and not denied.
    pub fn is_allowed(&self) -> bool {
        self.allowed && !self.denied
    }
}

/// The `status` of a TokenReview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TokenReviewStatus {
    /// Whether the token is valid.
    pub authenticated: bool,
    /// The token's user.
    pub user: UserInfo,
    /// Why the token could not be reviewed.
    pub error: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a, T> {
    api_version: &'static str,
    kind: &'static str,
    spec: &'a T,
}

#[derive(Serialize)]
struct TokenReviewSpec<'a> {
    token: &'a str,
}

#[derive(Deserialize)]
struct Reviewed<T> {
    kind: String,
    status: T,
}

/// The JSON of a TokenReview.
pub(crate) fn token_review(token: &str) -> Vec<u8> {
    body(&Review { api_version: "authentication.k8s.io/v1", kind: "TokenReview", spec: &TokenReviewSpec { token } })
}

/// The JSON of a SubjectAccessReview.
pub(crate) fn access_review(spec: &SubjectAccessReviewSpec) -> Vec<u8> {
    body(&Review { api_version: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec })
}

/// The `status` of a review of this kind.
///
/// # Errors
/// If the body is not a review of this kind; serde's message contains the position.
pub(crate) fn status<T: for<'de> Deserialize<'de>>(body: &[u8], kind: &str) -> Result<T, serde_json::Error> {
    let review: Reviewed<T> = serde_json::from_slice(body)?;
    if review.kind == kind {
        Ok(review.status)
    } else {
        Err(serde_json::Error::custom(format_args!("expected kind {kind}, found {}", review.kind)))
    }
}

/// Serialization of our types cannot fail.
fn body(review: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(review).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_requests() {
        assert_eq!(
            String::from_utf8(token_review("x")).unwrap(),
            r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"x"}}"#
        );
        let spec = SubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: "default".into(),
                verb: "get".into(),
                group: "custom.metrics.k8s.io".into(),
                version: "v1beta1".into(),
                resource: "pods".into(),
                subresource: "http_requests".into(),
                name: "*".into(),
            }),
            non_resource_attributes: None,
            user: "u".into(),
            groups: vec!["g".into()],
            extra: BTreeMap::from([("k".into(), vec!["v".into()])]),
            uid: "7".into(),
        };
        assert_eq!(
            String::from_utf8(access_review(&spec)).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"resourceAttributes":{"namespace":"default","verb":"get","group":"custom.metrics.k8s.io","version":"v1beta1","resource":"pods","subresource":"http_requests","name":"*"},"user":"u","groups":["g"],"extra":{"k":["v"]},"uid":"7"}}"#
        );
        let path = NonResourceAttributes { path: "/metrics".into(), verb: "get".into() };
        let spec = SubjectAccessReviewSpec {
            resource_attributes: None,
            non_resource_attributes: Some(path),
            user: "u".into(),
            groups: Vec::new(),
            extra: BTreeMap::new(),
            uid: String::new(),
        };
        assert_eq!(
            String::from_utf8(access_review(&spec)).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"nonResourceAttributes":{"path":"/metrics","verb":"get"},"user":"u"}}"#
        );
    }

    #[test]
    fn reads_answers() {
        let token = br#"{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"u","groups":["g"],"extra":{"k":["v"]}},"audiences":["a"]}}"#;
        let user = UserInfo {
            username: "u".into(),
            uid: String::new(),
            groups: vec!["g".into()],
            extra: BTreeMap::from([("k".into(), vec!["v".into()])]),
        };
        let answer: TokenReviewStatus = status(&token[..], "TokenReview").unwrap();
        assert_eq!(answer, TokenReviewStatus { authenticated: true, user, error: String::new() });
        let access: SubjectAccessReviewStatus =
            status(&br#"{"kind":"R","status":{"allowed":false,"reason":"no"}}"#[..], "R").unwrap();
        assert_eq!(access, SubjectAccessReviewStatus { allowed: false, denied: false, reason: "no".into() });
        for wrong in [
            r#"{"kind":"R","spec":{}}"#,
            r#"{"kind":"R","status":{"allowed":"yes"}}"#,
            r#"{"status":{"allowed":true}}"#,
            r#"{"kind":"S","status":{"allowed":true}}"#,
        ] {
            assert!(status::<SubjectAccessReviewStatus>(wrong.as_bytes(), "R").is_err(), "{wrong}");
        }
    }
}
