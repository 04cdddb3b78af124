//! Kubeconfigs of users: credential plugins, as for cloud providers, and `kubectl proxy`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::common::kubernetes::{Kubernetes, Reply};
use crate::common::upstream::{Upstream, page};
use crate::common::{file, metriclet};

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const V1BETA1: &str = "apiVersion: client.authentication.k8s.io/v1beta1";

/// A program that adds a line to a log for each run.
struct Plugin {
    path: PathBuf,
    log: PathBuf,
}

impl Plugin {
    fn new(does: &str) -> Self {
        let log = file("runs", "");
        let path = file(
            "plugin",
            &format!("#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO $1 $PLACE\" >>'{}'\n{does}\n", log.display()),
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { path, log }
    }

    /// A program that prints this `status`, in which `RUNS` is replaced by the number of the run.
    fn printing(status: &Value) -> Self {
        let printed =
            json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": status});
        let plugin = Self::new("");
        let log = plugin.log.display();
        let more = format!("n=$(grep -c . '{log}')\nsed \"s/RUNS/$n/\" <<'END'\n{printed}\nEND\n");
        let text = std::fs::read_to_string(&plugin.path).unwrap() + &more;
        std::fs::write(&plugin.path, text).unwrap();
        plugin
    }

    fn runs(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap().lines().map(str::to_owned).collect()
    }

    /// The user of a kubeconfig.
    fn user(&self, more: &str) -> String {
        format!(
            "{{exec: {{{V1BETA1}, command: '{}', args: [login], env: [{{name: PLACE, value: eu}}]{more}}}}}",
            self.path.display()
        )
    }
}

/// Runs `get` for services with a label selector.
fn get(kubeconfig: &Path, in_cluster: bool) -> Output {
    let upstream = Upstream::raw(page("text/plain", "depth{service=\"web\"} 3\ndepth{service=\"mail\"} 4\n"));
    let config = file("metrics.yaml", &crate::config(&format!("url: '{}', namespaces: [shop]", upstream.url()), ""));
    let path = "namespaces/shop/services/*/depth?labelSelector=app%3Dweb";
    let mut command = metriclet(&["get", "-vv", "-c", config.to_str().unwrap(), path, "--kubeconfig"]);
    command.arg(kubeconfig);
    if in_cluster {
        command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").env("KUBERNETES_SERVICE_PORT", "443");
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn kubernetes() -> Kubernetes {
    let kubernetes = Kubernetes::start();
    kubernetes.set(
        SERVICES,
        vec![json!({"metadata": {"name": "web", "namespace": "shop", "uid": "1", "labels": {"app": "web"}}})],
    );
    kubernetes
}

#[test]
fn runs_a_program_for_a_token() {
    let kubernetes = kubernetes();
    let plugin = Plugin::printing(&json!({"token": "t0ken-RUNS", "expirationTimestamp": "2999-01-01T00:00:00Z"}));
    let said = text(&get(&kubernetes.kubeconfig(&plugin.user(", provideClusterInfo: true")), false));
    assert!(said.contains("Service/web") && !said.contains("Service/mail"), "{said}");
    assert!(!said.contains("t0ken"), "{said}");
    let calls = kubernetes.lists(SERVICES);
    assert!(calls.iter().all(|call| call.header("authorization") == Some("Bearer t0ken-1")), "{calls:?}");
    let [run] = &plugin.runs()[..] else { panic!("{:?}", plugin.runs()) };
    let (info, rest) = run.split_at(run.rfind('}').unwrap() + 1);
    assert_eq!(rest, " login eu");
    let info: Value = serde_json::from_str(info).unwrap();
    assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1beta1");
    assert_eq!(
        (&info["spec"]["interactive"], &info["spec"]["cluster"]["server"]),
        (&json!(false), &json!(kubernetes.url()))
    );
    assert!(info["spec"]["cluster"]["certificate-authority-data"].as_str().unwrap().len() > 100);
}

/// If the server has never accepted a token, the program is not run again.
#[test]
fn a_rejected_token() {
    let kubernetes = kubernetes();
    kubernetes.script(|call| match call.path.starts_with(SERVICES) {
        true => Reply::Say(401, String::new()),
        false => Reply::Good,
    });
    let plugin = Plugin::printing(&json!({"token": "t0ken-RUNS"}));
    let said = text(&get(&kubernetes.kubeconfig(&plugin.user("")), false));
    assert!(said.contains("answered 401: Metriclet's credentials were rejected"), "{said}");
    assert_eq!(plugin.runs().len(), 1);
}

#[test]
fn failures_of_programs() {
    let kubernetes = kubernetes();
    let missing = format!("{{exec: {{{V1BETA1}, command: no-such-plugin, installHint: see example.com}}}}");
    let failing = Plugin::new("echo s3cret; exit 3");
    let chatty = Plugin::new("echo s3cret");
    let empty = Plugin::printing(&json!({}));
    for (user, why) in [
        (missing, "exec: cannot run \"no-such-plugin\": entity not found; \"see example.com\"".to_owned()),
        (failing.user(""), format!("exec: \"{}\" failed: exit status: 3", failing.path.display())),
        (chatty.user(""), format!("exec: \"{}\" printed output that is not an ExecCredential", chatty.path.display())),
        (empty.user(""), format!("exec: \"{}\" printed neither a token nor a certificate", empty.path.display())),
    ] {
        let output = get(&kubernetes.kubeconfig(&user), false);
        let said = text(&output);
        assert!(said.contains(&why) && !said.contains("s3cret"), "{said}\nexpected {why}");
        assert_eq!(output.status.code(), Some(78));
    }
    assert_eq!(kubernetes.lists(SERVICES).len(), 0);
}

/// A server never runs a program, nor does a command in a pod.
#[test]
fn only_interactive_commands_run_programs() {
    let kubernetes = kubernetes();
    let plugin = Plugin::printing(&json!({"token": "t"}));
    let kubeconfig = kubernetes.kubeconfig(&plugin.user(""));
    let why = "exec: a server runs no programs for credentials, and metriclet get does so outside of a cluster only";
    let said = text(&get(&kubeconfig, true));
    assert!(said.contains(why), "{said}");
    let arguments = ["--kubeconfig", kubeconfig.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let output = metriclet(&arguments).output().unwrap();
    assert!(text(&output).contains(why) && output.status.code() == Some(78), "{output:?}");
    assert!(plugin.runs().is_empty());
}

/// `kubectl proxy` serves plain HTTP on this machine.
#[test]
fn by_kubectl_proxy() {
    let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "items": [{"metadata": {"name": "web", "namespace": "shop", "uid": "1"}}]});
    let proxy = Upstream::raw(page("application/json", &list.to_string()));
    let server = format!("http://{}", proxy.address);
    let kubeconfig = |server: &str| {
        file(
            "kubeconfig",
            &format!(
                "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
                 clusters: [{{name: k, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {{}}}}]}}"
            ),
        )
    };
    let said = text(&get(&kubeconfig(&server), false));
    assert!(said.contains("Service/web") && !said.contains("Service/mail"), "{said}");
    let said = text(&get(&kubeconfig("http://kubernetes.example:8001"), false));
    assert!(said.contains("server: expected https://, or http:// on this machine as by kubectl proxy"), "{said}");
    let said = text(&get(&kubeconfig(&server), true));
    assert!(said.contains("server: expected an https:// URL"), "{said}");
}
