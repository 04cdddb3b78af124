"""Requests to kube-apiserver as an administrator, faster than with kubectl."""

import http.client
import json
import ssl
import threading

from process import Failure, until


class Api:
    """A client with one connection per thread."""

    def __init__(self, certificates, address, port=6443):
        self.context = ssl.create_default_context(cafile=certificates.path("ca.crt"))
        self.context.load_cert_chain(certificates.path("admin.crt"), certificates.path("admin.key"))
        # For other servers in the test's networks, whose certificates other authorities have signed.
        self.unverified = ssl._create_unverified_context()
        self.unverified.load_cert_chain(certificates.path("admin.crt"), certificates.path("admin.key"))
        self.address, self.port = address, port
        self.local = threading.local()

    def ask(self, path, timeout=15):
        """The status and the body of a response; raises OSError without a response."""
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self.address, self.port, context=self.context, timeout=timeout)
            self.local.connection = connection
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.local.connection = None
            raise OSError(str(error) or type(error).__name__) from error

    def ask_at(self, address, port, path, timeout=15):
        """The status and the body of a response from another server."""
        connection = http.client.HTTPSConnection(address, port, context=self.unverified, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path):
        """Reads an object."""
        status, body = self.ask(path)
        if status != 200:
            raise Failure(f"GET {path}: {status} {body[:500].decode(errors='replace')}")
        return json.loads(body)

    def pods(self, namespace, selector):
        """The pods that are not terminating, by name."""
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector.replace('=', '%3D')}"
        pods = (pod for pod in self.get(path)["items"] if "deletionTimestamp" not in pod["metadata"])
        return {pod["metadata"]["name"]: pod for pod in pods}

    def available(self, apiservice):
        """Whether an APIService is available, and the reason."""
        status = self.get(f"/apis/apiregistration.k8s.io/v1/apiservices/{apiservice}").get("status", {})
        conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
        found = conditions.get("Available", {})
        return found.get("status") == "True", f"{found.get('reason')}: {found.get('message')}"

    def until_ready(self, namespace, deployment, replicas, timeout=120):
        """Waits until exactly this number of replicas are up to date and ready."""
        def probe():
            found = self.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")
            status = found.get("status", {})
            now = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
            if now != [replicas] * 4 or status["observedGeneration"] != found["metadata"]["generation"]:
                raise Failure(f"replicas, up to date, ready, available: {now}")
            return True
        until(f"{replicas} replicas of {namespace}/{deployment} are ready", probe, timeout)
