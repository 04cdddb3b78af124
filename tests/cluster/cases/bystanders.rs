//! Effects of an unavailable API on unrelated kubectl commands and namespaces.

use super::fixture::{ROUTES, config, path, source};
use crate::installed::{Installed, VERSIONS, services};
use crate::kubectl::Kubectl;
use crate::plane::ControlPlane;

/// The aggregation layer sends a header line for each group.
pub fn in_many_groups(plane: &mut ControlPlane) {
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let groups: Vec<_> = (0..500).map(|number| format!("https://login.example.com/groups/team-{number}")).collect();
    let crowd = plane.admin().impersonating("crowd", &groups);
    for version in VERSIONS {
        assert!(crowd.raw(&format!("/apis/custom.metrics.k8s.io/{version}")).unwrap().contains("pods/busy"));
        let refused = crowd.raw(&path(version, ROUTES[0].0)).unwrap_err();
        assert!(refused.contains(r#"is forbidden: User "crowd" cannot get"#), "{refused}");
    }
    let masters = [groups, vec!["system:masters".to_owned()]].concat();
    let master = plane.admin().impersonating("crowd", &masters);
    master.raw(&path("v1beta2", ROUTES[0].0)).unwrap();
    assert_eq!(installed.complaints(plane), [""; 0]);
}

/// A namespace is created, filled and deleted.
fn a_namespace_is_deleted(admin: &Kubectl, timeout: &str) -> Result<String, String> {
    admin.run(&["create", "namespace", "short-lived"]).unwrap();
    admin.run(&["create", "configmap", "some", "--namespace=short-lived"]).unwrap();
    admin.run(&["delete", "namespace", "short-lived", timeout])
}

pub fn nothing_else_suffers(plane: &mut ControlPlane) {
    let source = source();
    let admin = plane.admin();
    let services = services();
    let everything = ["get", "all", "--all-namespaces"];
    let installed = Installed::start(plane, &config(&source));
    let resources = admin.run(&["api-resources"]).unwrap();
    assert!(resources.contains("deployments") && resources.contains("horizontalpodautoscalers"), "{resources}");
    let versions = admin.run(&["api-versions"]).unwrap();
    assert!(
        VERSIONS.iter().all(|version| versions.contains(&format!("custom.metrics.k8s.io/{version}"))),
        "{versions}"
    );
    admin.run(&everything).unwrap();
    a_namespace_is_deleted(&admin, "--timeout=90s").unwrap();
    assert_eq!(installed.complaints(plane), [""; 0]);

    drop(installed);
    for service in &services {
        admin.run(&["wait", "--for=condition=Available=false", "--timeout=90s", service]).unwrap();
    }
    admin.run(&["api-versions"]).unwrap();
    assert_eq!(admin.run(&["api-resources"]).unwrap(), resources);
    admin.run(&everything).unwrap();
    // Kubernetes deletes no namespace while the discovery of an API fails. The namespace's condition names the API.
    a_namespace_is_deleted(&admin, "--wait=false").unwrap();
    let blamed = "--for=condition=NamespaceDeletionDiscoveryFailure";
    admin.run(&["wait", blamed, "--timeout=90s", "namespace/short-lived"]).unwrap();
    let conditions = admin.get(&["namespace", "short-lived"])["status"]["conditions"].to_string();
    assert!(conditions.contains("custom.metrics.k8s.io"), "{conditions}");

    let told = admin.script("remove", &[]).unwrap();
    for service in &services {
        let (_, name) = service.split_once('/').unwrap();
        assert!(told.contains(&format!("\"{name}\" deleted")), "{told}");
    }
    admin.run(&["wait", "--for=delete", "--timeout=110s", "namespace/short-lived"]).unwrap();
    assert_eq!(admin.run(&["api-resources"]).unwrap(), resources);
    assert!(!admin.run(&["api-versions"]).unwrap().contains("custom.metrics.k8s.io"));
    a_namespace_is_deleted(&admin, "--timeout=90s").unwrap();
}
