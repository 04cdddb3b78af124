//! The watch of pods under a real kube-apiserver, which is stopped, restarted and compacted.

use serde_json::json;

use crate::common::pods::{address, bind, serving};
use crate::common::{Server, file, metriclet};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
use crate::process::eventually;

const NAMESPACE: &str = "watched";
const IN_NAMESPACE: &str = "--namespace=watched";

/// A pod that runs at the address of this number. There is neither a scheduler nor a kubelet.
fn run_pod(admin: &Kubectl, number: u8, app: &str) {
    let name = format!("web-{number}");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": app}},
        "spec": {"nodeName": "nowhere", "containers": [{"name": "app", "image": "none"}]},
    });
    admin.apply(&pod.to_string());
    let address = address(number).to_string();
    patch(
        admin,
        &name,
        "status",
        &json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}),
    );
}

fn patch(admin: &Kubectl, pod: &str, subresource: &str, patch: &serde_json::Value) {
    let patch = format!("--patch={patch}");
    let subresource = format!("--subresource={subresource}");
    let mut arguments = vec!["patch", "pod", pod, IN_NAMESPACE, "--type=merge", &patch];
    if subresource.len() > "--subresource=".len() {
        arguments.push(&subresource);
    }
    admin.run(&arguments).unwrap();
}

fn delete_pod(admin: &Kubectl, name: &str) {
    admin.run(&["delete", "pod", name, IN_NAMESPACE, "--force", "--grace-period=0"]).unwrap();
}

fn ask(server: &Server) -> String {
    server.metric(&format!("namespaces/{NAMESPACE}/pods/*/jobs?labelSelector=app%3Dweb")).values()
}

fn becomes(server: &Server, expected: &str) {
    eventually("the answer changes", || match ask(server) {
        found if found == expected => Ok(()),
        found => Err(format!("expected {expected}, found {found}")),
    });
}

fn is_current(server: &Server) {
    let state = format!("metriclet_pod_watch_state{{namespace=\"{NAMESPACE}\",state=\"current\"}}");
    eventually("the watch is current", || match server.get("/metrics").body {
        page if page.contains(&state) => Ok(()),
        page => Err(page),
    });
}

pub fn follows_pods(plane: &mut ControlPlane) {
    let admin = plane.admin();
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    admin.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {NAMESPACE}}}}}"
    ));
    let (port, listeners) = bind(5);
    let _pods: Vec<_> =
        (0..).zip(listeners).map(|(number, listener)| serving(listener, &format!("jobs {number}\n"))).collect();
    let config = format!(
        "sources:\n  app: {{pods: {{port: {port}}}, namespaces: [{NAMESPACE}], cache: 0s, timeout: 4s, dangerAllowLoopback: \
         true}}\nmetrics:\n  - {{name: jobs, object: pods, source: app}}\n"
    );
    let config = file("metrics.yaml", &config);
    let start = |kubeconfig: &std::path::Path| {
        let mut command = metriclet(&["--listen", "127.0.0.1:0"]);
        command.arg("--config").arg(&config).arg("--kubeconfig").arg(kubeconfig);
        Server::spawn(command)
    };
    run_pod(&admin, 0, "web");
    run_pod(&admin, 1, "web");
    run_pod(&admin, 2, "db");
    let server = start(&plane.file("admin.kubeconfig"));
    assert_eq!(ask(&server), "web-0 0, web-1 1");
    is_current(&server);
    let listed = || server.own("metriclet_pod_selections_total{from=\"list\"}");
    let before = listed();
    run_pod(&admin, 3, "web");
    becomes(&server, "web-0 0, web-1 1, web-3 3");
    patch(&admin, "web-2", "", &json!({"metadata": {"labels": {"app": "web"}}}));
    becomes(&server, "web-0 0, web-1 1, web-2 2, web-3 3");
    patch(&admin, "web-0", "status", &json!({"status": {"phase": "Failed"}}));
    becomes(&server, "web-1 1, web-2 2, web-3 3");
    delete_pod(&admin, "web-1");
    becomes(&server, "web-2 2, web-3 3");
    assert_eq!(listed(), before, "the watch answers");

    // Without kube-apiserver, values soon become errors with the reason.
    plane.stop_apiserver();
    assert_eq!(ask(&server), "web-2 2, web-3 3", "for a moment it counts");
    let failure = format!(
        "503 ServiceUnavailable: jobs of all pods in namespace {NAMESPACE}: cannot list pods: list to https://{}: ",
        plane.address
    );
    eventually("answers end", || match ask(&server) {
        found if found.starts_with(&failure) => Ok(()),
        found => Err(found),
    });
    // kube-apiserver no longer has the versions that the watch has seen: its cache is new, and etcd is compacted.
    plane.start_apiserver();
    is_current(&server);
    plane.stop_apiserver();
    plane.start_apiserver();
    let admin = plane.admin();
    delete_pod(&admin, "web-2");
    run_pod(&admin, 4, "web");
    plane.compact_etcd();
    becomes(&server, "web-3 3, web-4 4");
    is_current(&server);
    let (before, lists) = (server.own("metriclet_pod_selections_total{from=\"list\"}"), server.own(LISTS));
    assert!(lists >= 2.0, "the watch had to list again: {lists}");
    delete_pod(&admin, "web-3");
    becomes(&server, "web-4 4");
    assert_eq!(server.own("metriclet_pod_selections_total{from=\"list\"}"), before, "the watch answers again");
    assert_eq!(server.own("metriclet_panics_total"), 0.0);
    server.signal("TERM");

    // An account that may list but not watch.
    admin.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: lister, namespace: {NAMESPACE}}}}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: lister, namespace: {NAMESPACE}}}, \
         rules: [{{apiGroups: [''], resources: [pods], verbs: [list]}}]}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: lister, namespace: {NAMESPACE}}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lister}}, \
         subjects: [{{kind: ServiceAccount, name: lister, namespace: {NAMESPACE}}}]}}\n"
    ));
    let token = admin.run(&["create", "token", "lister", IN_NAMESPACE]).unwrap();
    let mut server = start(&plane.token_config("lister", plane.address, token.trim_end()));
    becomes(&server, "web-4 4");
    server.said("cannot watch pods in namespace watched: RBAC does not grant Metriclet the verb watch on pods");
    run_pod(&admin, 1, "web");
    becomes(&server, "web-1 1, web-4 4");
}

const LISTS: &str = "metriclet_pod_watch_lists_total{namespace=\"watched\"}";
