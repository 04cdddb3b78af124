//! The manifests as they are released, installed as in docs/install.md and removed by scripts/remove.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use super::access::grant;
use super::fixture::{ROUTES, config, path, source};
use crate::common::run;
use crate::installed::{VERSIONS, services, values};
use crate::kubectl::Kubectl;
use crate::node::run_pod;
use crate::plane::ControlPlane;
use crate::process::eventually;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAMESPACE: &str = "--namespace=custom-metrics";
const SECRET: &str = "custom-metrics-apiserver-tls";
const ACCOUNT: &str = "system:serviceaccount:custom-metrics:custom-metrics-apiserver";
const PROMETHEUS: &str = "system:serviceaccount:monitoring:prometheus-k8s";

/// Objects of other owners: a workload with an HPA on our metrics, roles such as ours, the adapter that takes over one
/// version, and the Prometheus operator's kind of object.
const NEIGHBOURS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: neighbours}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: neighbours}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 2
  metrics:
  - type: Pods
    pods: {metric: {name: busy}, target: {type: AverageValue, averageValue: '10'}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: neighbours-custom-metrics}
rules: [{apiGroups: [''], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: neighbours-custom-metrics}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: neighbours-custom-metrics}
subjects: [{kind: ServiceAccount, name: adapter, namespace: neighbours}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: neighbours-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: adapter, namespace: neighbours}]
---
apiVersion: v1
kind: Service
metadata: {name: adapter, namespace: neighbours}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// Users with view access to `shop`, and the user in the example of docs/rbac.md.
const USERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: vera, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: vera}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: jane, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: queue-depth-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}]
";

pub fn comes_serves_and_goes(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let services = services();
    admin.run(&["delete", "--ignore-not-found", &services[0], &services[1], "namespace/custom-metrics"]).unwrap();
    grant(plane);
    let documents = fs::read_to_string(format!("{ROOT}/docs/rbac.md")).unwrap();
    admin.apply(documents.split("```").find_map(|block| block.strip_prefix("yaml\n")).unwrap());
    admin.apply(USERS);
    admin.apply(NEIGHBOURS);
    eventually("the new kind is served", || {
        admin.run(&["get", "servicemonitors", "--all-namespaces"])?;
        admin.run(&["wait", "--for=condition=Available", "--timeout=60s", "apiservice/v1.monitoring.coreos.com"])
    });
    let (before, resources) = (everything(&admin), admin.run(&["api-resources"]).unwrap());
    assert_eq!(rights(&admin, ACCOUNT, "kube-system"), BTreeSet::new());

    let bundle = install(plane);
    let source = source();
    let mine = overlay(plane, &config(&source));
    let again = || {
        admin.run(&["apply", "-k", &mine]).unwrap();
        for service in &services {
            let spec = admin.get(&[service])["spec"].take();
            assert_eq!(spec["caBundle"], bundle.as_str(), "manifests leave it out, so that it stays as it was");
            assert_eq!(spec["service"]["name"], "custom-metrics-apiserver");
        }
    };
    again();
    let server = run_pod(plane, NAMESPACE, "deployment/custom-metrics-apiserver");
    // There is no pod network, either: the name resolves to this machine, with a free port.
    let outside = json!({"spec": {"type": "ExternalName", "externalName": "localhost"}}).to_string();
    admin.run(&["patch", "service", "custom-metrics-apiserver", NAMESPACE, "--patch", &outside]).unwrap();
    let port = json!({"spec": {"service": {"port": server.address.port()}}}).to_string();
    let lead_here = || {
        for service in &services {
            admin.run(&["patch", service, "--type=merge", "--patch", &port]).unwrap();
        }
    };
    let serves = || {
        lead_here();
        for service in &services {
            admin.run(&["wait", "--for=condition=Available", "--timeout=60s", service]).unwrap();
        }
        for version in VERSIONS {
            for (route, expected) in ROUTES {
                let found = eventually("it responds", || admin.raw(&path(version, route)));
                assert_eq!(values(&found), expected, "{route}");
            }
        }
    };
    serves();
    as_the_documents_say(&admin);
    // The script upgrades the installation; applying the manifests with kubectl afterwards removes nothing.
    thread::scope(|scope| {
        let deploy = scope.spawn(|| admin.script("deploy", &[&mine]));
        while !deploy.is_finished() {
            lead_here();
        }
        let told = deploy.join().unwrap().unwrap();
        assert!(told.contains("==> installed"), "{told}");
    });
    again();
    serves();

    // Another adapter takes over one version.
    admin.run(&["delete", &services[0]]).unwrap();
    admin.apply(&theirs(server.address.port()).to_string());
    admin.run(&["wait", "--for=condition=Available", "--timeout=60s", &services[0]]).unwrap();
    let installed = everything(&admin);
    let would = admin.script("remove", &["--dry-run"]).unwrap();
    assert!(would.contains("would run: kubectl delete namespace custom-metrics"), "{would}");
    assert_eq!(everything(&admin), installed, "a dry run changes nothing");
    let told = admin.script("remove", &[]).unwrap();
    let stays = "v1beta1.custom.metrics.k8s.io stays: it refers to the Service neighbours/adapter";
    assert!(told.contains(stays), "{told}");
    let left: Vec<_> = everything(&admin).difference(&before).cloned().collect();
    assert!(left.len() == 1 && left[0].starts_with("APIService /v1beta1.custom.metrics.k8s.io "), "{left:#?}");
    assert_eq!(admin.get(&[&services[0]])["status"]["conditions"][0]["status"], "True");
    admin.run(&["delete", &services[0]]).unwrap();
    assert_eq!(everything(&admin), before);
    assert_eq!(admin.run(&["api-resources"]).unwrap(), resources);
    // From here on everything works without a server, including the deletion of namespaces.
    drop(server);
    admin.run_with_input(&["delete", "--timeout=90s", "-f", "-"], NEIGHBOURS).unwrap();
}

/// Installs with kubectl only, as documented; returns the bundle of the new authority.
fn install(plane: &ControlPlane) -> String {
    let admin = plane.admin();
    admin.run(&["apply", "-f", &format!("{ROOT}/manifests/base/namespace.yaml")]).unwrap();
    let (code, secret, stderr) = run(&["certs", "--secret", SECRET]);
    assert_eq!(code, 0, "{stderr}");
    admin.run_with_input(&["apply", "--server-side", "-f", "-"], &secret).unwrap();
    admin.run(&["apply", "-k", &format!("{ROOT}/manifests/overlays/production")]).unwrap();
    let (_, bundle) = stderr.trim_end().rsplit_once(": ").unwrap();
    let patch = json!({"spec": {"caBundle": bundle}}).to_string();
    for service in services() {
        admin.run(&["patch", &service, "--type=merge", "--patch", &patch]).unwrap();
    }
    bundle.to_owned()
}

/// Writes an overlay of ours with these rules and the components that grant permissions; returns its path.
fn overlay(plane: &ControlPlane, rules: &str) -> String {
    let folder = plane.file("overlay");
    fs::create_dir(&folder).unwrap();
    // kustomize accepts folders by relative path only.
    let up = "../".repeat(folder.components().count() - 1);
    let manifests = format!("{}{}/manifests", up.trim_end_matches('/'), Path::new(ROOT).display());
    let components =
        ["aggregated-readers", "service-monitor", "hpa-reader"].map(|name| format!("{manifests}/components/{name}"));
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [format!("{manifests}/overlays/production")],
        "components": components,
        "configMapGenerator": [{
            "name": "custom-metrics-config", "namespace": "custom-metrics", "behavior": "replace",
            "files": ["metrics.yaml"], "options": {"disableNameSuffixHash": true},
        }],
    });
    fs::write(folder.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    fs::write(folder.join("metrics.yaml"), rules).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// The APIService of another adapter.
fn theirs(port: u16) -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
        "spec": {
            "group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": "adapter", "namespace": "neighbours", "port": port}, "insecureSkipTLSVerify": true,
        },
    })
}

/// Kind, namespace, name and UID of all objects that the scripts could touch.
fn everything(admin: &Kubectl) -> BTreeSet<String> {
    every("servicemonitors", admin)
}

/// Those objects in a cluster that also has these kinds.
pub fn every(more: &str, admin: &Kubectl) -> BTreeSet<String> {
    let kinds = "apiservices,namespaces,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,configmaps,\
                 secrets,services,deployments,replicasets,pods,horizontalpodautoscalers,poddisruptionbudgets,\
                 networkpolicies";
    let kinds = [kinds, more].join(if more.is_empty() { "" } else { "," });
    let each = "{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    let list = admin.run(&["get", &kinds, "--all-namespaces", "-o", &format!("jsonpath={each}")]).unwrap();
    list.lines().map(str::to_owned).collect()
}

/// The permissions of a service account in a namespace, without those that every account has.
fn rights(admin: &Kubectl, account: &str, namespace: &str) -> BTreeSet<String> {
    let namespace = format!("--namespace={namespace}");
    let [theirs, default] = [account, "system:serviceaccount:custom-metrics:unbound"].map(|account| {
        let list = ["auth", "can-i", "--list", "--no-headers", &namespace];
        let list = admin.impersonating(account, &[]).run(&list).unwrap();
        list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<BTreeSet<_>>()
    });
    theirs.difference(&default).cloned().collect()
}

/// The permissions in docs/rbac.md are those that Kubernetes reports.
fn as_the_documents_say(admin: &Kubectl) {
    let everywhere = [
        "pods [] [] [list watch]",
        "services [] [] [get]",
        "deployments.apps/scale [] [] [get]",
        "replicasets.apps/scale [] [] [get]",
        "statefulsets.apps/scale [] [] [get]",
        "horizontalpodautoscalers.autoscaling [] [] [list]",
        "subjectaccessreviews.authorization.k8s.io [] [] [create]",
        "tokenreviews.authentication.k8s.io [] [] [create]",
        "[/peers/samples] [] [get]",
    ];
    let peers = "endpointslices.discovery.k8s.io [] [] [list]";
    let trust = "configmaps [] [extension-apiserver-authentication] [get list watch]";
    let expected = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<BTreeSet<_>>();
    for namespace in ["shop", "default"] {
        assert_eq!(rights(admin, ACCOUNT, namespace), expected(&everywhere), "{namespace}");
    }
    assert_eq!(rights(admin, ACCOUNT, "custom-metrics"), expected(&[&everywhere[..], &[peers]].concat()));
    assert_eq!(rights(admin, ACCOUNT, "kube-system"), expected(&[&everywhere[..], &[trust]].concat()));
    assert_eq!(rights(admin, PROMETHEUS, "default"), expected(&["[/metrics] [] [get]"]));

    let may = |user: &str, question: &[&str]| {
        admin.impersonating(user, &[]).run(&[&["auth", "can-i"], question].concat()).is_ok_and(|said| said == "yes\n")
    };
    let trust = ["get", "configmaps/extension-apiserver-authentication", "--namespace=kube-system"];
    let [list, watch] = ["list", "watch"].map(|verb| may(ACCOUNT, &[verb, "pods", "--all-namespaces"]));
    assert!(list && watch && may(ACCOUNT, &trust));
    for question in [
        &["get", "secrets", "--all-namespaces"][..],
        &["get", "secrets", NAMESPACE],
        &["create", "pods", NAMESPACE],
        &["update", "configmaps", NAMESPACE],
        &["watch", "services", "--all-namespaces"],
        &["list", "services", "--all-namespaces"],
        &["get", "deployments.apps", "--all-namespaces"],
        &["update", "apiservices"],
        &["list", "endpointslices.discovery.k8s.io", "--all-namespaces"],
        &["get", "/metrics"],
    ] {
        assert!(!may(ACCOUNT, question), "{question:?}");
    }

    let queue = path("v1beta2", ROUTES[0].0);
    let [busy, load] = [1, 4].map(|route: usize| path("v1beta2", ROUTES[route].0));
    let served = |user: &str, path: &str| admin.impersonating(user, &[]).raw(path).is_ok();
    // The metric in the example, which `kubectl auth can-i` does not know.
    assert!(served("jane", &queue) && !served("jane", &busy));
    let metric = ["get", "services.custom.metrics.k8s.io", "--subresource=queue_depth", "--namespace=shop"];
    assert!(!may("jane", &metric));
    // The component's rule is aggregated to users with view access.
    eventually("it is part of the role", || if served("vera", &busy) { Ok(()) } else { Err(String::new()) });
    assert!(served("vera", &queue) && !served("vera", &load));
}
