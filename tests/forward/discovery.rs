//! Another adapter's metrics are listed in addition to those of rules, even while it is unreachable.

use serde_json::{Value, json};

use crate::common::secure::eventually;
use crate::common::{Server, file, replace};
use crate::other::{Other, page, resources};

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const AGGREGATED: &str = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n";

fn names(list: &Value) -> Vec<&str> {
    list["resources"].as_array().unwrap().iter().map(|resource| resource["name"].as_str().unwrap()).collect()
}

fn listed(server: &Server, path: &str) -> Vec<String> {
    names(&server.get(path).json()).into_iter().map(str::to_owned).collect()
}

#[test]
fn lists_are_merged_before_the_first_request() {
    let other = Other::start();
    let source = page();
    let server = other.server(&source, "");
    for version in ["v1beta1", "v1beta2"] {
        let path = format!("/apis/custom.metrics.k8s.io/{version}");
        assert_eq!(listed(&server, &path), ["namespaces/quota", "pods/busy", "services/depth"]);
    }
    assert_eq!(listed(&server, "/apis/external.metrics.k8s.io/v1beta1"), ["lag"]);
    let all = server.request("GET", "/apis", AGGREGATED).body;
    let all: Value = serde_json::from_str(&all).unwrap();
    let of_version = |at: usize| {
        let resources = all["items"][at]["versions"][0]["resources"].as_array().unwrap().clone();
        resources.iter().map(|resource| resource["resource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (of_version(0), of_version(1)),
        (vec!["namespaces".into(), "pods".into(), "services".into()], vec!["lag".into()])
    );
    let documents = server.get("/openapi/v3").json();
    assert!(documents["paths"].get("apis/external.metrics.k8s.io/v1beta1").is_some(), "{documents}");
}

#[test]
fn a_name_is_listed_once_and_a_resource_has_one_scope() {
    let other = Other::start();
    let version = "custom.metrics.k8s.io/v1beta2";
    let theirs =
        [("services/depth", true), ("services/other", false), ("pods/a", true), ("pods/b", false), ("odd", true)];
    other.says(&format!("/apis/{version}"), 200, &resources(version, &theirs));
    let source = page();
    let server = other.server(&source, "");
    let list = server.get(CUSTOM).json();
    assert_eq!(names(&list), ["pods/a", "pods/b", "services/depth", "services/other"]);
    assert!(list["resources"].as_array().unwrap().iter().all(|resource| resource["namespaced"] == true), "{list}");
    let narrow = other.server(&source, ", metrics: [a]");
    assert_eq!(listed(&narrow, CUSTOM), ["pods/a", "services/depth"]);
}

#[test]
fn the_list_of_an_unreachable_adapter_stays() {
    let other = Other::start();
    let source = page();
    let config = file("metrics.yaml", &other.config(&source, ""));
    let kubeconfig = other.kubeconfig();
    let start = || Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut server = start();
    other.hangs_up();
    assert_eq!(server.metric("namespaces/shop/pods/web-0/busy").code, 503);
    server.said("closed the connection before the end of the response head");
    assert_eq!(listed(&server, CUSTOM), ["namespaces/quota", "pods/busy", "services/depth"]);
    // A reload with the same adapter keeps its list; a server that starts while it is away lists the metrics of rules.
    let second = "\n  - {name: second, object: services, source: page, value: sum(depth)}\nforward:";
    replace(&config, &other.config(&source, "").replace("\nforward:", second));
    server.wait_for("loaded 2 rules");
    assert_eq!(listed(&server, CUSTOM), ["namespaces/quota", "pods/busy", "services/depth", "services/second"]);
    let restarted = start();
    assert_eq!(listed(&restarted, CUSTOM), ["services/depth", "services/second"]);
    other.answers();
    eventually(|| match listed(&restarted, CUSTOM) {
        all if all.len() == 4 => Ok(()),
        few => Err(format!("{few:?}")),
    });
}

/// kube-apiserver gets 304 until the list changes.
#[test]
fn the_etag_depends_on_the_other_list() {
    let other = Other::start();
    let source = page();
    let config = file("metrics.yaml", &other.config(&source, ""));
    let kubeconfig = other.kubeconfig();
    let server = Server::start(&["--config", config.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let ask = |tag: &str| server.request("GET", "/apis", &format!("{AGGREGATED}If-None-Match: {tag}\r\n"));
    let tag = ask("x").header("etag").unwrap().to_owned();
    assert_eq!(ask(&tag).code, 304);
    let version = "custom.metrics.k8s.io/v1beta2";
    other.says(&format!("/apis/{version}"), 200, &resources(version, &[("pods/new", true)]));
    // An adapter with changed settings is a new one, and its list is requested at once.
    let changed = other.config(&source, "").replace("forward: {to: {", "forward: {to: {timeout: 2s, ");
    replace(&config, &changed);
    eventually(|| match ask(&tag) {
        answer if answer.code == 200 && answer.body.contains("\"new\"") => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    assert_eq!(listed(&server, CUSTOM), ["pods/new", "services/depth"]);
}

#[test]
fn other_lists_are_bounded_and_must_be_lists() {
    let other = Other::start();
    let source = page();
    for body in [
        "{}",
        "404 page not found",
        &json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": "x"}).to_string(),
    ] {
        other.says(CUSTOM, 200, body);
        let mut server = other.server(&source, "");
        server.said("answered neither with a list of this API nor with a Status");
        assert_eq!(listed(&server, CUSTOM), ["services/depth"]);
    }
    let many: Vec<String> = (0..100_001).map(|number| format!("pods/m{number}")).collect();
    let many: Vec<(&str, bool)> = many.iter().map(|name| (name.as_str(), true)).collect();
    other.says(CUSTOM, 200, &resources("custom.metrics.k8s.io/v1beta2", &many));
    let mut server = other.server(&source, "");
    server.said("lists more than 100000 metrics");
    assert_eq!(listed(&server, CUSTOM), ["services/depth"]);
}
