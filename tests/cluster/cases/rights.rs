//! The rights that `metriclet rbac` prints for a configuration are sufficient for its rules, and each one is necessary.

use serde_json::json;

use crate::common::upstream::{Upstream, page};
use crate::common::{file, run};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;
use crate::process::eventually;
use crate::workload::Workload;

const NAMESPACE: &str = "rights";
const ACCOUNT: &str = "reader";

/// Creates an account without rights, and returns its kubeconfig.
fn account(plane: &ControlPlane, admin: &Kubectl) -> String {
    admin.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"));
    admin.apply(&format!(
        "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {ACCOUNT}, namespace: {NAMESPACE}}}}}"
    ));
    let token = admin.run(&["create", "token", ACCOUNT, &format!("--namespace={NAMESPACE}")]).unwrap();
    plane.token_config(ACCOUNT, plane.address, token.trim_end()).to_str().unwrap().to_owned()
}

/// The YAML documents without one rule of a Role, for each rule.
fn without_each_rule(manifests: &str) -> Vec<String> {
    let lines: Vec<&str> = manifests.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| line.starts_with("  - apiGroups:"));
    let without = |(start, _): (usize, &&str)| {
        let kept = lines.iter().enumerate().filter(|(at, _)| !(start..start + 3).contains(at));
        let text = kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        text.replace("rules:\n---", "rules: []\n---")
    };
    starts.map(without).collect()
}

pub fn are_the_least(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let kubeconfig = account(plane, &admin);
    let pod = Upstream::at("127.0.0.1:0", |_, stream| {
        let _ = std::io::Write::write_all(stream, &page("text/plain", "jobs 3\n"));
    });
    let metric = json!({"type": "Pods", "pods": {
        "metric": {"name": "jobs"}, "target": {"type": "AverageValue", "averageValue": "10"},
    }});
    // Its second pod has no server and fails, so one pod must be sufficient.
    let workload = Workload::start(&admin, NAMESPACE, "web", &metric);
    workload.run_pods(2);
    admin.apply(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: {NAMESPACE}}}, spec: {{selector: {{app: web}}, \
         ports: [{{port: 80}}]}}}}"
    ));
    let page = Upstream::text(&format!("jobs{{service=\"web\",namespace=\"{NAMESPACE}\"}} 3\n"));
    let port = pod.address.port();
    let sources = format!(
        "sources:
  page: {{url: '{}', namespaces: [{NAMESPACE}]}}
  app: {{pods: {{port: {port}}}, namespaces: [{NAMESPACE}], dangerAllowLoopback: true}}
  everywhere: {{pods: {{port: {port}}}, namespaces: ['*'], dangerAllowLoopback: true}}
  mine: {{pods: {{namespace: {NAMESPACE}, selector: app=web, port: {port}}}, namespaces: [{NAMESPACE}], dangerAllowLoopback: true}}
",
        page.url()
    );
    let joined = "value: sum(jobs), minCoverage: 50%";
    for (rule, path, rights) in [
        ("object: services, source: page".to_owned(), "services/web/jobs", 0),
        ("object: pods, source: app".to_owned(), "pods/*/jobs?labelSelector=app%3Dweb", 1),
        (format!("object: services, source: app, {joined}"), "services/web/jobs", 2),
        (format!("object: deployments.apps, source: app, {joined}"), "deployments.apps/web/jobs", 2),
        (format!("object: deployments.apps, source: everywhere, {joined}"), "deployments.apps/web/jobs", 2),
        (format!("object: namespaces, source: mine, {joined}"), "metrics/jobs", 1),
    ] {
        let config = file("metrics.yaml", &format!("{sources}metrics:\n  - {{name: jobs, {rule}}}\n"));
        let config = config.to_str().unwrap();
        let path = format!("namespaces/{NAMESPACE}/{path}");
        let get = || run(&["get", "--config", config, "--kubeconfig", &kubeconfig, &path]);
        let (code, manifests, why) =
            run(&["rbac", "--config", config, "--service-account", ACCOUNT, "--namespace", NAMESPACE]);
        assert_eq!(code, 0, "{why}");
        let reduced = without_each_rule(&manifests);
        assert_eq!(reduced.len(), rights, "{manifests}");
        if rights == 0 {
            assert!(manifests.starts_with('#'), "{manifests}");
            assert_eq!(get().0, 0, "{:?}", get());
            continue;
        }
        let fails = || {
            eventually("a rule without its right fails", || match get() {
                (69, _, why) if why.contains("RBAC does not grant Metriclet the verb ") => Ok(()),
                other => Err(format!("{rule}: {other:?}")),
            });
        };
        fails();
        for less in reduced {
            admin.apply(&less);
            fails();
        }
        admin.apply(&manifests);
        eventually("a rule with its rights has a value", || match get() {
            (0, ..) => Ok(()),
            other => Err(format!("{rule}: {other:?}")),
        });
        admin.run_with_input(&["delete", "-f", "-"], &manifests).unwrap();
    }
    workload.remove();
}
