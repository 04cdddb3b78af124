//! What the aggregation layer thinks of us.

use serde_json::Value;

use super::fixture::{config, source};
use crate::installed::{Installed, VERSIONS};
use crate::plane::Plane;
use crate::process::eventually;

/// It fetches discovery and OpenAPI once a minute, and finds nothing to complain of.
pub fn becomes_available(plane: &mut Plane) {
    let source = source();
    let installed = Installed::start(plane, &config(&source));
    let admin = plane.admin();
    let groups: Value = serde_json::from_str(&admin.raw("/apis/custom.metrics.k8s.io").unwrap()).unwrap();
    assert_eq!(groups["preferredVersion"]["version"], "v1beta2");
    for version in VERSIONS {
        let path = format!("/apis/custom.metrics.k8s.io/{version}");
        let resources: Value = serde_json::from_str(&admin.raw(&path).unwrap()).unwrap();
        let mut names: Vec<_> = resources["resources"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        names.sort_by_key(|name| name.as_str());
        assert_eq!(names, ["namespaces/backlog", "nodes/load", "pods/busy", "services/queue_depth"]);
    }
    // At first it asks for 2.0 and 3 for each version, some twice; a minute later for all of them once more.
    eventually("kube-apiserver has come back for OpenAPI", || {
        for version in VERSIONS {
            let service = admin.get(&[&format!("apiservices/{version}.custom.metrics.k8s.io")]);
            let condition = &service["status"]["conditions"][0];
            assert_eq!(
                (&condition["type"], &condition["status"]),
                (&"Available".into(), &"True".into()),
                "{condition}"
            );
        }
        let count = installed.openapi_requests(plane);
        if count >= 10.0 { Ok(()) } else { Err(format!("{count} requests for it so far")) }
    });
    assert_eq!(installed.complaints(plane), [""; 0]);
    assert_eq!(source.requests(), 0, "nobody asked for a metric");
}
