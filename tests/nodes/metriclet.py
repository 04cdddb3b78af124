"""Installs Metriclet in the cluster by scripts/deploy."""

import json
import os
from pathlib import Path

from process import Failure, run, until
from watch import APISERVICE

ROOT = Path(__file__).parents[2]
NAMESPACE = "custom-metrics"
NAME = "custom-metrics-apiserver"
SELECTOR = "app.kubernetes.io/name=metriclet"
APISERVICES = (APISERVICE, "v1beta1.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io")

RULES = (Path(__file__).parent / "objects" / "metrics.yaml").read_text(encoding="utf-8")
# The shortest lifetime that Kubernetes allows.
TOKEN_SECONDS = 600


def short_lived_token():
    """A patch that reduces the lifetime of the kubelet's token from an hour to ten minutes."""
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    mount = {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": {"template": {"spec": {
        "automountServiceAccountToken": False,
        "containers": [{"name": "metriclet", "volumeMounts": [mount]}],
        "volumes": [{"name": "token", "projected": {"defaultMode": 0o440, "sources": sources}}],
    }}}}


class Metriclet:
    """The installed Metriclet."""

    def __init__(self, state, plane, api, nodes, image):
        self.folder = state / "overlay"
        self.plane, self.api, self.nodes, self.image = plane, api, nodes, image
        # The tokens with which its pods started.
        self.first_tokens = {}

    def overlay(self, rules=RULES, **more):
        """Writes an overlay on the production overlay, as described in docs/install.md; returns its path."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "metrics.yaml").write_text(rules)
        base = os.path.relpath(ROOT / "manifests/overlays/production", self.folder)
        (self.folder / "kustomization.yaml").write_text(json.dumps({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [base],
            "configMapGenerator": [{"name": "custom-metrics-config", "namespace": NAMESPACE, "behavior": "replace",
                                    "files": ["metrics.yaml"], "options": {"disableNameSuffixHash": True}}],
            **more}))
        return str(self.folder)

    def script(self, name, *arguments, timeout=300):
        """Runs one of the scripts for clusters."""
        return run(str(ROOT / "scripts" / name), *arguments, timeout=timeout,
                   env={**os.environ, "KUBECONFIG": self.plane.kubeconfig})

    def install(self):
        """The overlay for all cases: two replicas, external metrics, and short-lived tokens."""
        token = [{"target": {"kind": "Deployment", "name": NAME}, "patch": json.dumps(short_lived_token())}]
        self.deploy(self.overlay(patches=token), "--external")
        self.first_tokens = {pod: self.token(pod) for pod in self.pods()}

    def deploy(self, overlay, *arguments):
        """Runs scripts/deploy with the image from scripts/image."""
        return self.script("deploy", overlay, "--image", self.image, *arguments)

    def pods(self):
        """The pods, by name."""
        return self.api.pods(NAMESPACE, SELECTOR)

    def restarts(self, pod):
        """The number of restarts of the container in a pod."""
        return self.pods()[pod]["status"]["containerStatuses"][0]["restartCount"]

    def settle(self, timeout=180):
        """Waits until both replicas are ready and the APIs are available."""
        self.api.until_ready(NAMESPACE, NAME, 2, timeout)
        for apiservice in APISERVICES:
            until(f"{apiservice} is available", lambda name=apiservice: self._available(name), timeout)

    def spread(self):
        """Ensures that each node runs one pod, as after an installation."""
        def two_nodes():
            return len({pod["spec"]["nodeName"] for pod in self.pods().values()}) == 2
        if not two_nodes():
            self.plane.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{NAME}")
            self.settle()
            until("each node runs a pod", two_nodes, 5)

    def _available(self, name):
        available, why = self.api.available(name)
        if not available:
            raise Failure(why)
        return True

    def processes(self):
        """The process of each pod, by the pod's name, and its node."""
        return {environment["HOSTNAME"]: (pid, node) for node in self.nodes
                for pid, environment in node.machine.processes("metriclet") if environment.get("HOSTNAME", "").startswith(NAME)}

    def value(self, path):
        """The items of a response through the aggregation layer."""
        return self.api.get(f"/apis/custom.metrics.k8s.io/v1beta2/{path}")["items"]

    def ask(self, address, path):
        """The items of a response from the replica at this address, without the aggregation layer."""
        status, body = self.api.ask_at(address, 10250, path)
        if status != 200:
            raise Failure(f"GET {path} of {address}: {status} {body[:500].decode(errors='replace')}")
        return json.loads(body)["items"]

    def token(self, pod):
        """The service account's token that the kubelet has mounted."""
        pid, _ = self.processes()[pod]
        with open(f"/proc/{pid}/root/var/run/secrets/kubernetes.io/serviceaccount/token", encoding="ascii") as file:
            return file.read()

    def log(self, pod, *more):
        """The log of a pod."""
        return self.plane.kubectl("-n", NAMESPACE, "logs", pod, *more)

    def events(self):
        """Warnings about Metriclet, as (reason, message)."""
        events = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
        return [(event["reason"], event["message"]) for event in events if event["type"] == "Warning"]
