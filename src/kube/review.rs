//! `authentication.k8s.io/v1` TokenReview and `authorization.k8s.io/v1` SubjectAccessReview: what is asked, and the
//! parts of the answers that matter.

use std::collections::BTreeMap;
use std::io::Read;

use serde::de::Error;
use serde::{Deserialize, Serialize};

/// Who somebody is, as Kubernetes has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserInfo {
    /// `system:serviceaccount:kube-system:horizontal-pod-autoscaler`
    pub username: String,
    /// Tells two users apart that had the same name at different times; may be empty.
    pub uid: String,
    /// In the order in which they were told.
    pub groups: Vec<String>,
    /// Whatever else an authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A question whether somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectAccessReviewSpec {
    /// Set for metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_attributes: Option<ResourceAttributes>,
    /// Set for everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_resource_attributes: Option<NonResourceAttributes>,
    /// Who.
    pub user: String,
    /// Their groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whatever else is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    /// Their uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// A metric, as access to it is granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ResourceAttributes {
    /// Empty for objects in no namespace.
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

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NonResourceAttributes {
    /// `/metrics`
    pub path: String,
    /// `get`
    pub verb: String,
}

/// The answer to an [`SubjectAccessReviewSpec`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubjectAccessReviewStatus {
    /// Whether somebody may.
    pub allowed: bool,
    /// Whether they may not, whatever others say.
    pub denied: bool,
    /// Why, in words.
    pub reason: String,
}

impl SubjectAccessReviewStatus {
    /// Whether it is a yes, and no other authorizer's no.
    pub fn is_yes(&self) -> bool {
        self.allowed && !self.denied
    }
}

/// The answer to the question whose token it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TokenReviewStatus {
    /// Whether it is anybody's.
    pub authenticated: bool,
    /// Whose.
    pub user: UserInfo,
    /// Why nobody can tell.
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

/// The body of a TokenReview.
pub fn token_review(token: &str) -> Vec<u8> {
    body(&Review { api_version: "authentication.k8s.io/v1", kind: "TokenReview", spec: &TokenReviewSpec { token } })
}

/// The body of a SubjectAccessReview.
pub fn access_review(question: &SubjectAccessReviewSpec) -> Vec<u8> {
    body(&Review { api_version: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec: question })
}

/// The `status` of a review of this kind.
///
/// # Errors
/// If the body is none, or not of this shape; where, in serde's words.
pub fn status<T: for<'de> Deserialize<'de>>(body: impl Read, kind: &str) -> Result<T, serde_json::Error> {
    let review: Reviewed<T> = serde_json::from_reader(body)?;
    if review.kind == kind {
        Ok(review.status)
    } else {
        Err(serde_json::Error::custom(format_args!("expected kind {kind}, found {}", review.kind)))
    }
}

/// Values of our own always print.
fn body(review: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(review).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_as_kubernetes_expects() {
        assert_eq!(
            String::from_utf8(token_review("x")).unwrap(),
            r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"x"}}"#
        );
        let question = SubjectAccessReviewSpec {
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
            String::from_utf8(access_review(&question)).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"resourceAttributes":{"namespace":"default","verb":"get","group":"custom.metrics.k8s.io","version":"v1beta1","resource":"pods","subresource":"http_requests","name":"*"},"user":"u","groups":["g"],"extra":{"k":["v"]},"uid":"7"}}"#
        );
        let path = NonResourceAttributes { path: "/metrics".into(), verb: "get".into() };
        let question = SubjectAccessReviewSpec {
            resource_attributes: None,
            non_resource_attributes: Some(path),
            user: "u".into(),
            groups: Vec::new(),
            extra: BTreeMap::new(),
            uid: String::new(),
        };
        assert_eq!(
            String::from_utf8(access_review(&question)).unwrap(),
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
