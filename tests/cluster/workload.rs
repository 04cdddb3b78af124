//! Deployments without nodes: the test takes the role of kubelets and reports the status of pods.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::common::{file, run};
use crate::kubectl::Kubectl;
use crate::process::eventually;

thread_local! {
    /// The number of responses that `metriclet explain` has had from the current server.
    static ANSWERS: Cell<u32> = const { Cell::new(0) };
}

/// The number of responses that `metriclet explain` has had since the last call.
pub fn answers_to_explain() -> u32 {
    ANSWERS.take()
}

/// A Deployment and its HPA, with the same name, in a namespace.
pub struct Workload<'a> {
    kubectl: &'a Kubectl,
    namespace: &'static str,
    name: &'static str,
    /// The replicas that `metriclet explain` expected before there was an HPA, if all its metrics had values.
    predicted: Option<u64>,
}

impl<'a> Workload<'a> {
    /// Two running pods, and an HPA with this metric.
    pub fn start(kubectl: &'a Kubectl, namespace: &'static str, name: &'static str, metric: &Value) -> Self {
        Self::between(kubectl, namespace, name, 1, &[metric])
    }

    /// Like [`Self::start`], with these metrics and this minimum of replicas.
    pub fn between(
        kubectl: &'a Kubectl,
        namespace: &'static str,
        name: &'static str,
        min: u32,
        metrics: &[&Value],
    ) -> Self {
        let mut workload = Self { kubectl, namespace, name, predicted: None };
        kubectl.apply(&workload.deployment().to_string());
        workload.run_pods(2);
        let autoscaler = workload.autoscaler(min, metrics).to_string();
        let (code, explained) = workload.explain(&["--hpa", file("hpa.json", &autoscaler).to_str().unwrap()]);
        workload.predicted = explained["desiredReplicas"].as_u64().filter(|_| code == 0);
        kubectl.apply(&autoscaler);
        workload
    }

    /// The API server's response to an HPA with minReplicas 0.
    pub fn accepts_zero(kubectl: &Kubectl, namespace: &'static str, metric: &Value) -> Result<String, String> {
        let workload = Workload { kubectl, namespace, name: "zero", predicted: None };
        kubectl
            .run_with_input(&["apply", "--dry-run=server", "-f", "-"], &workload.autoscaler(0, &[metric]).to_string())
    }

    /// Scales manually.
    pub fn scale(&self, replicas: u32) {
        let of = format!("deployment/{}", self.name);
        self.kubectl.run(&["scale", &of, &self.in_namespace(), &format!("--replicas={replicas}")]).unwrap();
    }

    fn deployment(&self) -> Value {
        let labels = json!({"app": self.name});
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                // There is no scheduler.
                "spec": {"nodeName": "nowhere", "containers": [{"name": "app", "image": "none"}]},
            }},
        })
    }

    fn autoscaler(&self, min: u32, metrics: &[&Value]) -> Value {
        let at_once = json!({
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}],
        });
        json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
                "minReplicas": min,
                "maxReplicas": 20,
                "metrics": metrics,
                "behavior": {"scaleUp": at_once, "scaleDown": at_once},
            },
        })
    }

    /// Reports all pods as running, once there are this many: the first at 127.0.0.1, the next at 127.0.0.2 and so on; returns
    /// their names in that order. Running pods keep their addresses.
    pub fn run_pods(&self, count: usize) -> Vec<String> {
        self.run_pods_that_are(true, count)
    }

    /// Like [`Self::run_pods`], with new pods that are not ready yet.
    pub fn run_unready_pods(&self, count: usize) -> Vec<String> {
        self.run_pods_that_are(false, count)
    }

    fn run_pods_that_are(&self, ready: bool, count: usize) -> Vec<String> {
        let pods = eventually("the pods exist", || match self.pods() {
            pods if pods.len() == count => Ok(pods),
            pods => Err(format!("{} of {count}", pods.len())),
        });
        let mut names = running(&pods);
        for pod in pods.iter().map(name).filter(|pod| !running(&pods).contains(pod)) {
            let status = json!({
                "phase": "Running",
                "podIP": format!("127.0.0.{}", names.len() + 1),
                "conditions": [ready_condition(ready)],
            });
            self.patch_status(&pod, &status);
            names.push(pod);
        }
        names
    }

    /// Reports the second running pod as not ready.
    pub fn second_is_not_ready(&self) {
        self.patch_status(&running(&self.pods())[1], &json!({"conditions": [ready_condition(false)]}));
    }

    /// Reports all running pods as ready.
    pub fn all_are_ready(&self) {
        for pod in running(&self.pods()) {
            self.patch_status(&pod, &json!({"conditions": [ready_condition(true)]}));
        }
    }

    /// From now on the HPA scales down to the highest recommendation of the last five minutes, as by default.
    pub fn scales_down_late(&self) {
        let patch = json!({"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}});
        let patch = format!("--patch={patch}");
        self.kubectl.run(&["patch", "hpa", self.name, &self.in_namespace(), "--type=merge", &patch]).unwrap();
    }

    /// Waits until the HPA has scaled to this number, which `metriclet explain` predicted, and still computes.
    pub fn begins_with(&self, replicas: u64) {
        assert_eq!(self.predicted, Some(replicas), "{}", self.name);
        self.reaches(replicas);
    }

    /// The exit code and document of `metriclet explain` for the HPA.
    pub fn explained(&self) -> (i32, Value) {
        self.explain(&["hpa", self.name])
    }

    fn explain(&self, of: &[&str]) -> (i32, Value) {
        let kubeconfig = self.kubectl.kubeconfig.to_str().unwrap();
        let how = ["-n", self.namespace, "--kubeconfig", kubeconfig, "-o", "json"];
        let (code, printed, why) = run(&[&["explain"], of, &how].concat());
        let mut document: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{code} {printed} {why}"));
        let explained = document["hpas"][0].take();
        let metrics = explained["metrics"].as_array().unwrap().iter();
        let answers = metrics.filter(|metric| metric["error"].is_null()).count();
        ANSWERS.set(ANSWERS.get() + u32::try_from(answers).unwrap());
        (code, explained)
    }

    /// Waits until the HPA has scaled to this number, and `metriclet explain` computes it, too.
    pub fn reaches(&self, replicas: u64) {
        eventually("the HPA scales", || {
            let (active, why) = self.condition("ScalingActive");
            let found = self.replicas();
            if active == "True" && found == replicas {
                Ok(())
            } else {
                Err(format!("{found} replicas instead of {replicas}, active {active}: {why}"))
            }
        });
        // The pods and the condition of the HPA follow with a delay.
        eventually("metriclet explain agrees", || match self.explained() {
            (_, explained) if explained["desiredReplicas"] == replicas => Ok(()),
            (code, explained) => Err(format!("{code} {explained:#}")),
        });
    }

    /// The replicas in the Deployment's spec.
    pub fn replicas(&self) -> u64 {
        self.object("deployment")["spec"]["replicas"].as_u64().unwrap()
    }

    /// Status and message of a condition of the HPA.
    pub fn condition(&self, kind: &str) -> (String, String) {
        let autoscaler = self.object("hpa");
        let conditions = autoscaler["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        (text("status"), format!("{}: {}", text("reason"), text("message")))
    }

    /// The resourceVersion, which changes with each write.
    pub fn resource_version(&self) -> String {
        self.object("hpa")["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    }

    /// The output of kubectl describe.
    pub fn described(&self) -> String {
        self.kubectl.run(&["describe", "hpa", self.name, &self.in_namespace()]).unwrap()
    }

    /// Deletes the Deployment and the HPA.
    pub fn remove(self) {
        let objects = [format!("hpa/{}", self.name), format!("deployment/{}", self.name)];
        self.kubectl.run(&["delete", "--wait=false", &objects[0], &objects[1], &self.in_namespace()]).unwrap();
        let label = format!("--selector=app={}", self.name);
        self.kubectl.run(&["delete", "pods", &label, &self.in_namespace(), "--force", "--grace-period=0"]).unwrap();
    }

    fn pods(&self) -> Vec<Value> {
        let mut pods = self.kubectl.get(&["pods", &self.in_namespace(), &format!("--selector=app={}", self.name)]);
        let Value::Array(pods) = pods["items"].take() else { panic!("no list") };
        pods
    }

    fn patch_status(&self, pod: &str, status: &Value) {
        let patch = format!("--patch={}", json!({"status": status}));
        let of_pod = ["patch", "pod", pod, &self.in_namespace(), "--subresource=status", "--type=merge", &patch];
        self.kubectl.run(&of_pod).unwrap();
    }

    fn object(&self, kind: &str) -> Value {
        self.kubectl.get(&[kind, self.name, &self.in_namespace()])
    }

    fn in_namespace(&self) -> String {
        format!("--namespace={}", self.namespace)
    }
}

fn ready_condition(ready: bool) -> Value {
    json!({"type": "Ready", "status": if ready { "True" } else { "False" }})
}

fn name(pod: &Value) -> String {
    pod["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The names of running pods, by address, because several may have the same age in seconds.
fn running(pods: &[Value]) -> Vec<String> {
    let mut running: Vec<_> = pods.iter().filter(|pod| pod["status"]["phase"] == "Running").collect();
    running.sort_by_key(|pod| pod["status"]["podIP"].as_str());
    running.into_iter().map(name).collect()
}
