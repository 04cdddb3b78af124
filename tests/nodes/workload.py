"""An app in its own namespace, the load on it, and an HPA that scales it."""

import json
import signal
import urllib.request
from pathlib import Path

from process import Failure, background, end, until
from programs import APP

APP_OBJECTS = (Path(__file__).parent / "objects" / "app.yaml").read_text(encoding="utf-8")


class Workload:
    """The Deployments web and queue in a namespace; removed at the end of `with`."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace
        self.loads = []

    def __enter__(self):
        self.begin(1)
        return self

    def begin(self, replicas):
        """Starts the pods."""
        self.cluster.kubectl("apply", "-f", "-", stdin=APP_OBJECTS.replace("{namespace}", self.namespace).replace("{image}", APP))
        if replicas > 1:
            self.cluster.kubectl("-n", self.namespace, "scale", "deployment/web", f"--replicas={replicas}")
        self.cluster.api.until_ready(self.namespace, "web", replicas)
        self.cluster.api.until_ready(self.namespace, "queue", 1)
        for service in ("web", "queue"):
            until(f"kube-proxy has {self.namespace}/{service}", lambda name=service: self._ask(name, "healthz"), 60)

    def __exit__(self, *_):
        self.relieve()
        self.cluster.kubectl("delete", "namespace", self.namespace, timeout=180)

    def load(self, requests, milliseconds):
        """Keeps this number of requests open, each of this duration; returns the load for `end`."""
        log = self.cluster.state / f"load-{self.namespace}-{len(self.loads)}.log"
        log.unlink(missing_ok=True)
        url = f"http://{self._host('web')}:8080/work?ms={milliseconds}"
        load = (background(log, self.cluster.programs.find("app"), "load", url, str(requests)), log)
        self.loads.append(load)
        return load

    def end(self, load):
        """Ends one load; returns the numbers of its successful and failed requests."""
        self.loads.remove(load)
        process, log = load
        end(process.pid, signal.SIGTERM)
        return log.read_text().strip()

    def relieve(self):
        """Ends all loads; returns the numbers of their successful and failed requests."""
        return "; ".join([self.end(load) for load in list(self.loads)])

    def set_jobs(self, number):
        """Sets the number of jobs in the queue."""
        self._ask("queue", f"set?jobs={number}")

    def _ask(self, service, path):
        with urllib.request.urlopen(f"http://{self._host(service)}:8080/{path}", timeout=10) as answer:
            return answer.status == 200

    def _host(self, service):
        address = self.cluster.api.get(f"/api/v1/namespaces/{self.namespace}/services/{service}")["spec"]["clusterIP"]
        return f"[{address}]" if ":" in address else address

    def scale_on(self, metric, minimum=1, maximum=8):
        """Creates an HPA on one metric, which scales down immediately."""
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                     "minReplicas": minimum, "maxReplicas": maximum, "metrics": [metric],
                     "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}}}}))

    def reaches(self, replicas, timeout=150):
        """Waits until the HPA wants this number of replicas and they are ready."""
        def probe():
            path = f"/apis/autoscaling/v2/namespaces/{self.namespace}/horizontalpodautoscalers/web"
            status = self.cluster.api.get(path).get("status", {})
            if status.get("desiredReplicas") != replicas:
                conditions = [f"{c['type']}={c['status']}: {c['message']}" for c in status.get("conditions", [])]
                raise Failure(f"the HPA wants {status.get('desiredReplicas')} replicas; {'; '.join(conditions)}")
            return True
        until(f"the HPA in {self.namespace} wants {replicas} replicas", probe, timeout)
        self.cluster.api.until_ready(self.namespace, "web", replicas)

    def condition(self, kind):
        """A condition of the HPA: its status and message."""
        path = f"/apis/autoscaling/v2/namespaces/{self.namespace}/horizontalpodautoscalers/web"
        found = {c["type"]: c for c in self.cluster.api.get(path)["status"].get("conditions", [])}
        return found.get(kind, {}).get("status"), found.get(kind, {}).get("message")

    def has_scaled_to_zero(self):
        """Waits until no pod remains, and the HPA has the condition ScaledToZero."""
        def probe():
            found = self.cluster.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web")
            return found["spec"]["replicas"] == 0 and found["status"].get("replicas", 0) == 0 and \
                self.condition("ScaledToZero")[0] == "True"
        until(f"{self.namespace}/web scales to zero", probe, 150)
