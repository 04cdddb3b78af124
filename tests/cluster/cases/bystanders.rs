//! Those who have nothing to do with us and notice when an API is ill.

use super::fixture::{ROUTES, config, path, source};
use crate::installed::{Installed, VERSIONS};
use crate::kubectl::Kubectl;
use crate::plane::Plane;

/// The aggregation layer sends a header line for each.
pub fn in_many_groups(plane: &mut Plane) {
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

/// A namespace comes, is filled, and goes.
fn a_namespace_goes(admin: &Kubectl) {
    admin.run(&["create", "namespace", "short-lived"]).unwrap();
    admin.run(&["create", "configmap", "some", "--namespace=short-lived"]).unwrap();
    admin.run(&["delete", "namespace", "short-lived", "--timeout=90s"]).unwrap();
}

pub fn nothing_else_suffers(plane: &mut Plane) {
    let source = source();
    let admin = plane.admin();
    let installed = Installed::start(plane, &config(&source));
    let resources = admin.run(&["api-resources"]).unwrap();
    assert!(resources.contains("deployments") && resources.contains("horizontalpodautoscalers"), "{resources}");
    let versions = admin.run(&["api-versions"]).unwrap();
    assert!(versions.contains("custom.metrics.k8s.io/v1beta2"), "{versions}");
    admin.run(&["get", "all", "--all-namespaces"]).unwrap();
    a_namespace_goes(&admin);
    assert_eq!(installed.complaints(plane), [""; 0]);

    drop(installed);
    eprintln!("{:?}", admin.run(&["api-versions"]));
    eprintln!("{:?}", admin.run(&["api-resources"]));
    eprintln!("{:?}", admin.run(&["get", "all", "--all-namespaces"]));

    for version in VERSIONS {
        admin.run(&["delete", "apiservice", &format!("{version}.custom.metrics.k8s.io")]).unwrap();
    }
    assert_eq!(admin.run(&["api-resources"]).unwrap(), resources);
    assert!(!admin.run(&["api-versions"]).unwrap().contains("custom.metrics.k8s.io"));
    a_namespace_goes(&admin);
}
