//! An API server that does not allow watches, or whose namespace cannot be watched.

use super::*;

#[test]
fn without_the_verb_pods_are_listed() {
    let (port, _pods) = numbers(2);
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![pod(0), pod(1)]);
    let mut server = server(&kubernetes, &rules(port));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0, web-1 1");
    let said = server.said("cannot watch pods in namespace shop");
    assert!(
        said.contains(
            "cannot watch pods in namespace shop: RBAC does not grant Metriclet the verb watch on pods; they are listed for \
             each request instead"
        ),
        "{said}"
    );
    kubernetes.set(PODS, vec![pod(0)]);
    becomes(&server, "app%3Dweb", "web-0 0");
    assert_eq!(counted(&server, "metriclet_pod_watch_state{namespace=\"shop\",state=\"denied\"}"), 1.0);
    assert_eq!(kubernetes.watches(PODS).len(), 1, "it is retried after minutes");
    let whole = |path: &str| !path.contains("labelSelector");
    assert!(!kubernetes.lists(PODS).iter().any(|call| whole(&call.path)), "no list is made for an unavailable watch");
}

#[test]
fn without_numbered_versions_pods_are_listed() {
    let (port, _pods) = numbers(1);
    let kubernetes = Kubernetes::start();
    kubernetes.history().grant(true);
    kubernetes.set(PODS, vec![pod(0)]);
    let list = |version: &str| {
        let list =
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": [pod(0)]});
        Reply::Say(200, list.to_string())
    };
    kubernetes.script(move |call| match call.is_watch() || !call.path.starts_with(PODS) {
        true => Reply::Good,
        false => list(if call.path.contains("labelSelector") { "7" } else { "a-version" }),
    });
    let mut server = server(&kubernetes, &rules(port));
    assert_eq!(all(&server, "app%3Dweb"), "web-0 0");
    server.said("cannot watch pods in namespace shop: expected a resourceVersion that is a number");
    assert_eq!(all(&server, "app%20in%20(web)"), "web-0 0");
    assert_eq!(counted(&server, "metriclet_pod_watch_state{namespace=\"shop\",state=\"unversioned\"}"), 1.0);
}

#[test]
fn without_watches_pods_are_listed() {
    for code in [404, 405, 501] {
        let (port, _pods) = numbers(1);
        let kubernetes = Kubernetes::start();
        kubernetes.set(PODS, vec![pod(0)]);
        kubernetes.script(move |call| match call.is_watch() {
            true => Reply::Say(code, "no\nwatches".to_owned()),
            false => Reply::Good,
        });
        let mut server = server(&kubernetes, &rules(port));
        assert_eq!(all(&server, "app%3Dweb"), "web-0 0");
        let said = server.said("cannot watch pods in namespace shop: watch to ");
        let expected = format!("{}: answered {code}; they are listed for each request instead", kubernetes.url());
        assert!(said.contains(&expected), "{said}");
        assert_eq!(counted(&server, "metriclet_pod_watch_state{namespace=\"shop\",state=\"unsupported\"}"), 1.0);
        assert_eq!(all(&server, "app%20in%20(web)"), "web-0 0");
    }
}
