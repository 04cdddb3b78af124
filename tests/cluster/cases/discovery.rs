//! The discovery and OpenAPI documents of the APIs, as kube-apiserver serves them to its clients.

use serde_json::Value;

use super::fixture::{config, source};
use crate::installed::{Installed, VERSIONS};
use crate::plane::ControlPlane;
use crate::process::eventually;

/// The metrics of the fixture, by resource: the name and scope of each, and the metric.
const METRICS: [[&str; 3]; 4] = [
    ["namespaces", "Cluster", "backlog"],
    ["nodes", "Cluster", "load"],
    ["pods", "Namespaced", "busy"],
    ["services", "Namespaced", "queue_depth"],
];

/// kube-apiserver uses aggregated discovery and both versions of OpenAPI.
pub fn is_passed_on(plane: &mut ControlPlane) {
    let source = source();
    let rules = config(&source) + "  - {name: lag, external: true, source: page, value: sum(queue_depth)}\n";
    let installed = Installed::start(plane, &rules);
    installed.register_external(plane);
    let accept = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n";
    eventually("kube-apiserver has our aggregated discovery", || {
        let all = plane.ask(Some(&plane.admin_identity), "/apis", accept);
        let all: Value = serde_json::from_str(&all.body).map_err(|error| format!("{error}: {all:?}"))?;
        let of_name = |group: &&Value| group["metadata"]["name"] == "custom.metrics.k8s.io";
        let ours = all["items"].as_array().unwrap().iter().find(of_name).ok_or("our group is not listed")?;
        let versions = ours["versions"].as_array().unwrap();
        let names: Vec<_> = versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
        let listed = versions.iter().all(|version| version["freshness"] == "Current" && metrics(version) == METRICS);
        if names == ["v1beta2", "v1beta1"] && listed { Ok(()) } else { Err(ours.to_string()) }
    });
    // Metrics of objects are not resources by themselves, so kubectl lists external metrics only.
    let admin = plane.admin();
    let resources = admin.run(&["api-resources", "--no-headers"]).unwrap();
    let ours: Vec<_> = resources.lines().filter(|line| line.contains("metrics.k8s.io")).collect();
    let [listed] = *ours else { panic!("{resources}") };
    let listed: Vec<_> = listed.split_whitespace().collect();
    assert_eq!(listed, ["lag", "external.metrics.k8s.io/v1beta1", "true", "ExternalMetricValueList"]);

    for version in VERSIONS {
        let name = format!("apis/custom.metrics.k8s.io/{version}");
        let url = eventually("kube-apiserver lists our OpenAPI document", || {
            let list: Value = serde_json::from_str(&admin.raw("/openapi/v3")?).map_err(|error| error.to_string())?;
            let url = list["paths"][&name]["serverRelativeURL"].as_str().map(str::to_owned);
            url.ok_or_else(|| list.to_string())
        });
        let list = format!("io.k8s.metrics.pkg.apis.custom_metrics.{version}.MetricValueList");
        let document: Value = serde_json::from_str(&admin.raw(&url).unwrap()).unwrap();
        assert!(document["components"]["schemas"][&list].is_object(), "{document}");
        let path = format!("/{name}/namespaces/{{namespace}}/{{resource}}/{{name}}/{{subresource}}");
        eventually("kube-apiserver has merged our Swagger", || {
            let whole: Value = serde_json::from_str(&admin.raw("/openapi/v2")?).map_err(|error| error.to_string())?;
            let is_there = whole["paths"][&path].is_object() && whole["definitions"][&list].is_object();
            if is_there { Ok(()) } else { Err(format!("{path} or {list} is missing")) }
        });
    }
    installed.unregister_external(plane);
    assert_eq!(installed.complaints(plane), [""; 0]);
    assert_eq!(source.requests(), 0, "no metric was requested");
}

/// The resources of a version.
fn metrics(version: &Value) -> Vec<[&str; 3]> {
    let mut listed = Vec::new();
    for resource in version["resources"].as_array().into_iter().flatten() {
        for metric in resource["subresources"].as_array().into_iter().flatten() {
            let parts = [&resource["resource"], &resource["scope"], &metric["subresource"]];
            listed.push(parts.map(|part| part.as_str().unwrap_or_default()));
        }
    }
    listed
}
