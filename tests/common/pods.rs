//! Pods: HTTP servers on addresses in 127.0.0.0/8 with the same port, and a Kubernetes API that lists them.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;

use serde_json::{Value, json};

use super::kubernetes::Kubernetes;
use super::upstream::{Upstream, page};
use super::{Server, file, metriclet};

pub const PODS: &str = "/api/v1/namespaces/shop/pods";

/// Listeners on this number of addresses, from 127.0.0.2 on, all on the same free port; and that port.
pub fn bind(count: u8) -> (u16, Vec<TcpListener>) {
    for _ in 0..50 {
        let first = TcpListener::bind((address(0), 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others: Result<Vec<TcpListener>, _> = (1..count).map(|n| TcpListener::bind((address(n), port))).collect();
        if let Ok(others) = others {
            return (port, std::iter::once(first).chain(others).collect());
        }
    }
    panic!("no port is free on {count} addresses")
}

/// The address of the pod with this number.
pub fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number + 2).into()
}

/// Sends Prometheus text.
pub fn text(stream: &mut TcpStream, body: &str) {
    let _ = stream.write_all(&page("text/plain; version=0.0.4", body));
}

/// A pod that always serves this page.
pub fn serving(listener: TcpListener, body: &str) -> Upstream {
    let body = body.to_owned();
    Upstream::on(listener, move |_, stream| text(stream, &body))
}

/// The running pod `web-{number}` of the app `web`, at the address for that number.
pub fn pod(number: u8) -> Value {
    named(&format!("web-{number}"), &address(number).to_string())
}

pub fn named(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"phase": "Running", "podIP": ip, "startTime": "2026-08-18T02:35:04Z",
                   "containerStatuses": [{"restartCount": 0}]},
    })
}

/// Replaces the value at a JSON pointer, whose parent must exist.
pub fn with(mut pod: Value, at: &str, value: Value) -> Value {
    let (parent, key) = at.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[key] = value;
    pod
}

/// A configuration with the rule `queue_depth` on pods, and a source with these settings.
pub fn config(source: &str, value: &str) -> String {
    format!(
        "sources:\n  app: {{{source}, dangerAllowLoopback: true}}\nmetrics:\n  \
         - {{name: queue_depth, object: pods, source: app, value: '{value}'}}\n"
    )
}

/// A command that runs `serve` or `get` with a configuration and this Kubernetes API.
pub fn command(kubernetes: &Kubernetes, config: &str, args: &[&str]) -> Command {
    let mut command = metriclet(args);
    command.arg("--config").arg(file("metrics.yaml", config));
    command.arg("--kubeconfig").arg(kubernetes.kubeconfig("{token: own-token}"));
    command
}

/// Starts `serve`. A source without a timeout gets the maximum: the default for pods, a second, may be too short on a
/// busy machine.
pub fn server(kubernetes: &Kubernetes, config: &str) -> Server {
    let patient = config.replacen("app: {", "app: {timeout: 4s, ", usize::from(!config.contains("timeout:")));
    Server::spawn(command(kubernetes, &patient, &["--listen", "127.0.0.1:0"]))
}

/// Requests `queue_depth` of all pods that match a label selector.
pub fn all(server: &Server, selector: &str) -> String {
    server.metric(&format!("namespaces/shop/pods/*/queue_depth?labelSelector={selector}")).values()
}

pub fn one(server: &Server, name: &str) -> String {
    server.metric(&format!("namespaces/shop/pods/{name}/queue_depth")).values()
}
