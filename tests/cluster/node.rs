//! Runs our Deployment like a node.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::common::{Server, file, metriclet, run};
use crate::plane::ControlPlane;
use crate::process::{eventually, guarded};

/// Runs the container of a Deployment's pods once, with their volumes and service account, and reports all pods as ready
/// when it is.
pub fn run_pod(plane: &ControlPlane, namespace: &str, deployment: &str) -> Server {
    let admin = plane.admin();
    let deployed = admin.get(&[deployment, namespace]);
    let wanted = deployed["spec"]["replicas"].as_u64().unwrap();
    let labels = deployed["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let selector: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
    let selector = format!("--selector={}", selector.join(","));
    let pods = eventually("all pods are created", || {
        let pods = admin.get(&["pods", namespace, &selector])["items"].take();
        let count = pods.as_array().unwrap().len() as u64;
        if count >= wanted { Ok(pods) } else { Err(format!("{count} of {wanted}")) }
    });
    let spec = &pods[0]["spec"];
    let container = &spec["containers"][0];

    let mut args = strings(&container["args"]);
    for mount in container["volumeMounts"].as_array().unwrap() {
        let volume = spec["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let Some(files) = files(plane, namespace, volume) else { continue };
        let folder = file("x", "").with_file_name(mount["name"].as_str().unwrap());
        fs::create_dir(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        let [there, here] =
            [mount["mountPath"].as_str().unwrap(), folder.to_str().unwrap()].map(|path| format!("{path}/"));
        args.iter_mut().for_each(|arg| *arg = arg.replace(&there, &here));
    }
    let port = format!("--secure-port={}", container["ports"][0]["containerPort"]);
    // A pod has its own loopback interface.
    let plain = "--listen=127.0.0.1:8080";
    assert!(args.iter().any(|arg| arg == plain), "{args:?}");
    let args = args.iter().map(|arg| match arg {
        arg if *arg == port => "--secure-port=0",
        arg if arg == plain => "--listen=off",
        arg => arg.as_str(),
    });
    let args: Vec<&str> = args.collect();
    let token = admin.run(&["create", "token", spec["serviceAccountName"].as_str().unwrap(), namespace]).unwrap();
    let mut command = metriclet(&args);
    command.arg("--bind-address=127.0.0.1");
    command.arg("--kubeconfig").arg(plane.token_config("pod", plane.address, token.trim_end()));
    let server = Server::spawn(guarded(command));

    for kind in ["readinessProbe", "livenessProbe"] {
        let url = format!("https://{}{}", server.address, container[kind]["httpGet"]["path"].as_str().unwrap());
        eventually(kind, || match run(&["probe", &url]) {
            (0, _, _) => Ok(()),
            (_, _, why) => Err(why),
        });
    }
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let status = format!("--patch={status}");
    for pod in pods.as_array().unwrap() {
        let pod = pod["metadata"]["name"].as_str().unwrap();
        admin.run(&["patch", "pod", pod, namespace, "--subresource=status", "--type=merge", &status]).unwrap();
    }
    admin.run(&["rollout", "status", deployment, namespace, "--timeout=60s"]).unwrap();
    server
}

/// The content of a ConfigMap or Secret; empty for other volumes.
fn files(plane: &ControlPlane, namespace: &str, volume: &Value) -> Option<Vec<(String, Vec<u8>)>> {
    let (kind, name) = match (&volume["configMap"]["name"], &volume["secret"]["secretName"]) {
        (Value::String(name), _) => ("configmap", name),
        (_, Value::String(name)) => ("secret", name),
        _ => return None,
    };
    let object = plane.admin().get(&[kind, name, namespace]);
    let content = |content: &Value| match (kind, content.as_str().unwrap()) {
        ("secret", encoded) => STANDARD.decode(encoded).unwrap(),
        (_, text) => text.as_bytes().to_vec(),
    };
    Some(object["data"].as_object().unwrap().iter().map(|(name, data)| (name.clone(), content(data))).collect())
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
