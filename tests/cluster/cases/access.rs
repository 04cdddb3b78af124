//! Authentication and authorization through kube-apiserver and directly.

use serde_json::{Value, json};

use super::fixture::{ROUTES, config, path, source};
use crate::common::Answer;
use crate::common::tls::Authority;
use crate::installed::{Installed, VERSIONS, values};
use crate::plane::{ControlPlane, client};

/// `alice`, the group `on-call` and the service account `reader` may get the metric `busy` of pods in `shop`; `other`
/// has no permissions.
const ROLE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: other, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: busy-reader, namespace: shop}
rules: [{apiGroups: [custom.metrics.k8s.io], resources: [pods/busy], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: busy-reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: busy-reader}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}
- {kind: ServiceAccount, name: reader, namespace: shop}
";

/// Requests that headers must not authorize, through either path.
const FORGED: &str = "X-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n";

/// The header with the token of a service account in `shop`.
pub fn bearer(plane: &ControlPlane, account: &str) -> String {
    let token = plane.admin().run(&["create", "token", account, "--namespace=shop"]).unwrap();
    format!("Authorization: Bearer {}\r\n", token.trim_end())
}

/// Creates the users and their permissions.
pub fn grant(plane: &ControlPlane) {
    plane.admin().apply(ROLE);
}

/// Whether the Role allows it.
fn granted(route: &str) -> bool {
    route.starts_with("namespaces/shop/pods/")
}

pub fn through_the_api_server(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let admin = plane.admin();
    let controller = admin.impersonating("system:serviceaccount:kube-system:horizontal-pod-autoscaler", &[]);
    let [alice, bob] = ["alice", "bob"].map(|name| admin.impersonating(name, &[]));
    for version in VERSIONS {
        for (route, expected) in ROUTES {
            let path = path(version, route);
            assert_eq!(values(&admin.raw(&path).unwrap()), expected, "{path}");
            assert_eq!(values(&controller.raw(&path).unwrap()), expected, "{path}");
            let fetched = source.requests();
            let refused = bob.raw(&path).unwrap_err();
            assert!(refused.contains(r#" is forbidden: User "bob" cannot get resource ""#), "{refused}");
            if granted(route) {
                assert_eq!(values(&alice.raw(&path).unwrap()), expected, "{path}");
            } else {
                let refused = alice.raw(&path).unwrap_err();
                assert!(refused.contains(r#" is forbidden: User "alice" cannot get resource ""#), "{refused}");
                assert_eq!(source.requests(), fetched, "{path}");
            }
        }
        let elsewhere = path(version, "namespaces/mail/pods/*/busy");
        assert_eq!(
            alice.raw(&elsewhere).unwrap_err(),
            r#"Error from server (Forbidden): pods.custom.metrics.k8s.io "*" is forbidden: User "alice" cannot get resource "pods/busy" in API group "custom.metrics.k8s.io" in the namespace "mail""#
        );
        // Every user may use discovery.
        assert!(bob.raw(&format!("/apis/custom.metrics.k8s.io/{version}")).unwrap().contains("pods/busy"));
    }
    // `kubectl auth can-i` does not support resources whose names contain a slash.
    let may = |user: &str, subresource: &str| {
        let attributes = json!({
            "group": "custom.metrics.k8s.io", "namespace": "shop", "verb": "get",
            "resource": "pods", "subresource": subresource, "name": "*",
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let create = ["create", "--validate=false", "-f", "-", "-o", "jsonpath={.status.allowed}"];
        admin.impersonating(user, &[]).run_with_input(&create, &review.to_string()).unwrap() == "true"
    };
    assert!(may("alice", "busy") && !may("alice", "queue_depth") && !may("bob", "busy"));
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// A rule for each kind of request, as docs/access.md lists them: the user of a line may send its request, and none of
/// those in other lines.
pub fn as_documented(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let documents = include_str!("../../../docs/access.md");
    let lines: Vec<Vec<&str>> = documents
        .lines()
        .filter(|line| line.ends_with("| `get` |"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let routes: Vec<_> = lines.iter().map(|line| line[1].split('`').next().unwrap()).collect();
    assert!(routes.len() >= 4, "{routes:?}");
    for (number, line) in lines.iter().enumerate() {
        let [groups, resources, names, verbs] = [2, 3, 4, 5].map(|cell: usize| line[cell]);
        let kind = if line[1].ends_with("(ClusterRole)") { "ClusterRole" } else { "Role" };
        let name = format!("documented-{number}");
        let names: Vec<_> = Some(names).filter(|names| !names.is_empty()).into_iter().collect();
        let api = "rbac.authorization.k8s.io";
        let both = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": format!("{api}/v1"), "kind": kind, "metadata": {"name": name},
                "rules": [{"apiGroups": [groups], "resources": [resources], "resourceNames": names, "verbs": [verbs]}],
            },
            {
                "apiVersion": format!("{api}/v1"), "kind": format!("{kind}Binding"), "metadata": {"name": name},
                "roleRef": {"apiGroup": api, "kind": kind, "name": name},
                "subjects": [{"apiGroup": api, "kind": "User", "name": name}],
            },
        ]});
        plane.admin().run_with_input(&["apply", "--namespace=shop", "-f", "-"], &both.to_string()).unwrap();
    }
    for version in VERSIONS {
        for user in 0..lines.len() {
            let headers = format!("Impersonate-User: documented-{user}\r\n");
            for (number, route) in routes.iter().enumerate() {
                // Most of these metrics do not exist, which only authorized users learn.
                let answer = plane.ask(Some(&plane.admin_identity), &path(version, route), &headers);
                assert_eq!(answer.code == 403, user != number, "{route} {headers} {answer:?}");
                assert!(matches!(answer.code, 200 | 403 | 404), "{answer:?}");
            }
        }
    }
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// Both reject the request, with the same Status.
fn refused_alike(plane: &ControlPlane, installed: &Installed, target: &str, headers: &str) {
    let [theirs, ours] = [plane.ask(None, target, headers), installed.ask_directly(None, target, headers)];
    let status = |answer: &Answer| -> Value { serde_json::from_str(&answer.body).unwrap() };
    assert!(theirs.code == 403 || theirs.code == 401, "{theirs:?}");
    assert_eq!((ours.code, status(&ours)), (theirs.code, status(&theirs)), "{target}");
}

pub fn directly_at_the_listener(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let [reader, other] = ["reader", "other"].map(|account| bearer(plane, account));
    let wrong = "Authorization: Bearer not-a-token\r\n";
    for version in VERSIONS {
        for (route, expected) in ROUTES {
            let path = path(version, route);
            if granted(route) {
                let answer = installed.ask_directly(None, &path, &reader);
                assert_eq!((answer.code, values(&answer.body).as_str()), (200, expected), "{path}");
            } else {
                refused_alike(plane, &installed, &path, &reader);
            }
            let fetched = source.requests();
            for headers in [&other, "", wrong] {
                refused_alike(plane, &installed, &path, headers);
            }
            // A client certificate authenticates as a token does.
            let answer = installed.ask_directly(Some(&plane.admin_identity), &path, "");
            assert_eq!((answer.code, values(&answer.body).as_str()), (200, expected), "{path}");
            assert_eq!(source.requests(), fetched + 1, "{path}");
        }
        let discovery = format!("/apis/custom.metrics.k8s.io/{version}");
        assert_eq!(installed.ask_directly(None, &discovery, &other).code, 200);
        refused_alike(plane, &installed, &discovery, "");
        refused_alike(plane, &installed, &discovery, wrong);
    }
    for headers in [&other, "", wrong] {
        refused_alike(plane, &installed, "/metrics", headers);
    }
    for probe in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(installed.ask_directly(None, probe, "").code, 200, "a kubelet has no credentials");
    }
}

pub fn forged_headers(plane: &mut ControlPlane) {
    grant(plane);
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let other = bearer(plane, "other");
    let target = path("v1beta2", ROUTES[0].0);
    let forbidden = |user: &str| {
        format!(
            r#"services.custom.metrics.k8s.io "web" is forbidden: User "{user}" cannot get resource "services/queue_depth" in API group "custom.metrics.k8s.io" in the namespace "shop""#
        )
    };
    let untrusted = Authority::new("front-proxy");
    for (identity, headers, expected) in [
        (None, String::new(), forbidden("system:anonymous")),
        (None, other, forbidden("system:serviceaccount:shop:other")),
        // Certificates of the cluster's client authority name their own user only, whatever their common name.
        (Some(client(&plane.authority, "eve", None)), String::new(), forbidden("eve")),
        (Some(client(&plane.authority, "front-proxy-client", None)), String::new(), forbidden("front-proxy-client")),
        // Not every certificate of the front-proxy authority belongs to a front proxy.
        (Some(client(&plane.front_proxies, "someone-else", None)), String::new(), "Unauthorized".to_owned()),
        (Some(client(&untrusted, "front-proxy-client", None)), String::new(), "Unauthorized".to_owned()),
    ] {
        let answer = installed.ask_directly(identity.as_ref(), &target, &format!("{FORGED}{headers}"));
        let status: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(status["message"], expected, "{answer:?}");
        assert_eq!(answer.code, if expected == "Unauthorized" { 401 } else { 403 });
        // Metriclet's own metrics are not open to them, either.
        assert!(matches!(installed.ask_directly(identity.as_ref(), "/metrics", FORGED).code, 401 | 403));
    }
    assert_eq!(source.requests(), 0);
    // The same request from an authorized user succeeds, so it was valid.
    let proxy = client(&plane.front_proxies, "front-proxy-client", None);
    assert_eq!(values(&installed.ask_directly(Some(&proxy), &target, FORGED).body), ROUTES[0].1);
    let answer = installed.ask_directly(Some(&proxy), &target, "X-Remote-User: bob\r\n");
    assert_eq!(answer.code, 403, "{answer:?}");
}
