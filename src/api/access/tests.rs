//! Access without a review, and the message of a denial.

use super::*;
use crate::kube::review::UserInfo;
use crate::parse::path;
use crate::telemetry::clock::Clock;

const VERSION: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

fn user(method: AuthenticationMethod, groups: &[&str]) -> User {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    User { info: UserInfo { username: "u".to_owned(), groups, ..UserInfo::default() }.into(), method }
}

/// `yes`, `no: text`, or `review` where a review is needed.
fn check(user: &User, method: &str, target: &str) -> String {
    let access = Access::new(None, Vec::new(), &Limits::default());
    let path = path::parse(target, 8 * 1024).ok();
    match access.authorize(user, method, target, path.as_ref(), Wait::No, Clock::system().now()) {
        Ok(()) => "yes".to_owned(),
        Err(AuthorizationError::Forbidden(forbidden)) => format!("no: {forbidden}"),
        Err(AuthorizationError::Unavailable(why)) if why == "SubjectAccessReview needs the Kubernetes API" => {
            "review".to_owned()
        }
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn reviews_everything_except_discovery() {
    let authenticated = user(AuthenticationMethod::Direct, &["system:authenticated"]);
    let others = [
        user(AuthenticationMethod::FrontProxy, &["system:unauthenticated"]),
        user(AuthenticationMethod::Direct, &[]),
        user(AuthenticationMethod::Anonymous, &["system:unauthenticated"]),
    ];
    let master = user(AuthenticationMethod::FrontProxy, &["g", "system:masters"]);
    for (target, asked) in [
        (format!("{VERSION}/namespaces/shop/pods/*/m"), true),
        (format!("{VERSION}/namespaces/shop/metrics/m"), true),
        (format!("{VERSION}/nodes/n/m"), true),
        (format!("{EXTERNAL}/namespaces/shop/m"), true),
        (EXTERNAL.to_owned(), false),
        (format!("{EXTERNAL}/namespaces/shop/status"), false),
        ("/metrics".to_owned(), true),
        ("/".to_owned(), true),
        ("/readyz".to_owned(), true),
        ("/readyz/trust".to_owned(), true),
        ("/version".to_owned(), false),
        ("/apis".to_owned(), false),
        (VERSION.to_owned(), false),
        ("/openapi/v2".to_owned(), false),
        (format!("{VERSION}/blah"), false),
        (format!("{VERSION}/namespaces/shop/m"), false),
        ("/..".to_owned(), false),
    ] {
        assert_eq!(check(&authenticated, "GET", &target), if asked { "review" } else { "yes" }, "{target}");
        assert_eq!(check(&master, "DELETE", &target), "yes", "{target}");
        let [proxied, direct, anonymous] = others.each_ref().map(|user| check(user, "GET", &target));
        let expected = |found: &str| if asked { found == "review" } else { found.starts_with("no: ") };
        assert!(expected(&proxied) && expected(&direct), "{target}: {proxied} {direct}");
        assert!(anonymous.starts_with("no: "), "{target}: {anonymous}");
    }
}

#[test]
fn matches_always_allowed_paths() {
    let access =
        |open: &[&str]| Access::new(None, open.iter().map(|&path| path.to_owned()).collect(), &Limits::default());
    let usual = access(&["/healthz", "/livez", "/readyz", "/public/*"]);
    for (path, open) in [
        ("/readyz", true),
        ("/readyz/", false),
        ("/readyz/trust", false),
        ("//readyz", false),
        ("/%72eadyz", false),
        ("/public/x/y", true),
        ("/public", false),
        ("/metrics", false),
        ("", false),
    ] {
        assert_eq!(usual.is_always_allowed(path), open, "{path}");
    }
    assert!(access(&["/*"]).is_always_allowed("/metrics"));
    assert!(!access(&[]).is_always_allowed("/readyz"));
}

#[test]
fn words_denials_as_kubernetes_does() {
    let anonymous = user(AuthenticationMethod::Anonymous, &["system:unauthenticated"]);
    let v2 = |path: &str| format!("{VERSION}/{path}");
    for (method, target, text) in [
        (
            "GET",
            v2("namespaces/default/pods/*/http_requests"),
            "pods.custom.metrics.k8s.io \"*\" is forbidden: User \"u\" cannot get resource \"pods/http_requests\" in API \
             group \"custom.metrics.k8s.io\" in the namespace \"default\"",
        ),
        (
            "DELETE",
            v2("nodes/n1/m"),
            "nodes.custom.metrics.k8s.io \"n1\" is forbidden: User \"u\" cannot delete resource \"nodes/m\" in API group \
             \"custom.metrics.k8s.io\" at the cluster scope",
        ),
        (
            "POST",
            v2("namespaces/a/metrics/m"),
            "metrics.custom.metrics.k8s.io \"m\" is forbidden: User \"u\" cannot create resource \"metrics\" in API group \
             \"custom.metrics.k8s.io\" in the namespace \"a\"",
        ),
        (
            "GET",
            v2("nodes/%3Cb%3E&/m"),
            "nodes.custom.metrics.k8s.io \"&lt;b&gt;&amp;\" is forbidden: User \"u\" cannot get resource \"nodes/m\" in API \
             group \"custom.metrics.k8s.io\" at the cluster scope",
        ),
        ("PATCH", "/metrics".to_owned(), "forbidden: User \"u\" cannot patch path \"/metrics\""),
    ] {
        assert_eq!(check(&anonymous, method, &target), format!("no: {text}"));
    }
    let question = SubjectAccessReviewSpec {
        resource_attributes: None,
        non_resource_attributes: Some(NonResourceAttributes { path: "/x".into(), verb: "get".into() }),
        user: "a\u{1b}[2J".into(),
        groups: Vec::new(),
        extra: Default::default(),
        uid: String::new(),
    };
    let text = Forbidden { spec: question, reason: "no <role>".into() }.to_string();
    assert_eq!(text, "forbidden: User \"a\\u{1b}[2J\" cannot get path \"/x\": no &lt;role&gt;");
}

#[test]
fn maps_methods_to_kubernetes_verbs() {
    let verbs = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", ""];
    let named = verbs.map(|method| verb(method, true));
    assert_eq!(named, ["get", "get", "create", "update", "patch", "delete", "", "", ""]);
    let lists = verbs.map(|method| verb(method, false));
    assert_eq!(lists, ["list", "list", "create", "update", "patch", "deletecollection", "", "", ""]);
}
