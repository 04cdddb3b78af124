"""What HPAs on pods cost a real kube-apiserver: apiserver.py FOLDER METRICLET...

FOLDER has etcd and kube-apiserver, as `scripts/controlplane newest` prints; METRICLET are one binary or more, which are measured
in turns. 2,000 pods run in one namespace. In one part, 100 HPAs each request a metric of the 20 pods of their own application
every 15 s; in the other, one HPA requests that of all pods. Prints, for each binary, the bytes that kube-apiserver sends to it
and the processor time of kube-apiserver above that without Metriclet, both a minute in steady state; the first minute with its
lists; and Metriclet's own memory. Requests of the HPA controller itself are not part of it.
"""

import base64
import http.client
import json
import os
import signal
import socket
import socketserver
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PODS, APPS, INTERVAL = int(os.environ.get("PODS", "2000")), int(os.environ.get("APPS", "100")), 15
ROUNDS, SECONDS = int(os.environ.get("ROUNDS", "3")), int(os.environ.get("SECONDS", "60"))
TOKEN = "bench-token"
CONFIG = """
sources:
  app: {{pods: {{port: {port}}}, namespaces: [shop], cache: 15s, timeout: 4s, dangerAllowLoopback: true}}
metrics:
  - {{name: queue_depth, object: pods, source: app}}
"""


class Page(socketserver.BaseRequestHandler):
    """Serves the same page for every pod."""

    def handle(self):
        request = b""
        while b"\r\n\r\n" not in request:
            request += (more := self.request.recv(4096))
            if not more:
                return
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 14\r\n"
                             b"Connection: close\r\n\r\nqueue_depth 3\n")


class Pages(socketserver.ThreadingTCPServer):
    daemon_threads, request_queue_size = True, 1024

    def handle_error(self, *_):
        """Ignores disconnected clients."""


class Relay:
    """Forwards connections to kube-apiserver and counts the bytes that it sends."""

    def __init__(self, to):
        self.to, self.received = to, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, True), daemon=True).start()

    def pass_on(self, source, target, counts):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                if counts:
                    self.received += len(data)
        except OSError:
            pass
        for end in source, target:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cpu(process):
    """CPU time so far, in seconds."""
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """Resident memory in MB."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1000


class Plane:
    def __init__(self, programs, folder):
        self.folder, self.processes, etcd_port, self.port = folder, [], free_port(), free_port()
        subprocess.run(["openssl", "genrsa", "-out", f"{folder}/sa.key", "2048"], check=True, capture_output=True)
        with open(f"{folder}/tokens.csv", "w") as tokens:
            tokens.write(f'{TOKEN},admin,admin,"system:masters"\n')
        etcd = f"http://127.0.0.1:{etcd_port}"
        self.start(programs, "etcd", f"--data-dir={folder}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
                   "--listen-peer-urls=http://127.0.0.1:0", "--unsafe-no-fsync", "--log-level=warn")
        self.apiserver = self.start(
            programs, "kube-apiserver", f"--etcd-servers={etcd}", f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            f"--cert-dir={folder}", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC", f"--token-auth-file={folder}/tokens.csv", "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/sa.key",
            f"--service-account-signing-key-file={folder}/sa.key")
        while True:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            if self.apiserver.poll() is not None:
                sys.exit(f"kube-apiserver ended; see {folder}/kube-apiserver.log")
            time.sleep(0.2)

    def start(self, programs, name, *arguments):
        log = open(f"{self.folder}/{name}.log", "w")
        process = subprocess.Popen([f"{programs}/{name}", *arguments], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def connect(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)

    def call(self, method, path, body=None, media_type="application/json", connection=None):
        connection = connection or self.connect()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": media_type}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def fill(self):
        """Creates running pods of a typical size, each with its own address; returns the size of their list in bytes."""
        self.must(self.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}}))

        def some(first):
            connection = self.connect()
            for number in range(first, PODS, 4):
                self.pod(number, connection)

        threads = [threading.Thread(target=some, args=(first,)) for first in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        status, body = self.call("GET", "/api/v1/namespaces/shop/pods?resourceVersion=0")
        assert len(json.loads(body)["items"]) == PODS
        return len(body)

    def must(self, answer):
        if answer[0] not in (200, 201):
            sys.exit(f"kube-apiserver answered {answer[0]}: {answer[1][:500]}")

    def pod(self, number, connection):
        app = f"app-{number % APPS}"
        name = f"{app}-7f9c6d5b8-{number:05}"
        env = [{"name": f"VARIABLE_{n}", "value": "x" * 40} for n in range(12)]
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "timeoutSeconds": 1}
        container = {"name": "app", "image": f"registry.example.com/shop/{app}:1.2.3", "env": env, "readinessProbe": probe,
                     "livenessProbe": probe, "ports": [{"name": "metrics", "containerPort": 8080}],
                     "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                     "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}]}
        pod = {"metadata": {"name": name, "labels": {"app": app, "pod-template-hash": "7f9c6d5b8"},
                            "annotations": {"checksum/config": base64.b64encode(os.urandom(32)).decode()}},
               "spec": {"nodeName": f"node-{number % 50}", "containers": [container, {**container, "name": "proxy", "ports": []}],
                        "volumes": [{"name": "config", "emptyDir": {}}]}}
        self.must(self.call("POST", "/api/v1/namespaces/shop/pods", pod, connection=connection))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        statuses = [{"name": of, "ready": True, "restartCount": 0, "image": "i", "imageID": "sha256:" + "a" * 64,
                     "containerID": "containerd://" + "b" * 64, "state": {"running": {"startedAt": now}}} for of in ("app", "proxy")]
        status = {"phase": "Running", "podIP": f"127.1.{number // 250}.{number % 250 + 1}", "hostIP": "10.0.0.1", "startTime": now,
                  "containerStatuses": statuses, "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in
                                                               ("Initialized", "Ready", "ContainersReady", "PodScheduled")]}
        self.must(self.call("PATCH", f"/api/v1/namespaces/shop/pods/{name}/status", {"status": status},
                            "application/merge-patch+json", connection))

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


class Adapter:
    """A running Metriclet, and threads that request metrics as HPAs do."""

    def __init__(self, binary, folder, relay, port, selectors):
        kubeconfig, config = f"{folder}/kubeconfig", f"{folder}/metrics.yaml"
        cluster = {"server": f"https://localhost:{relay.port}", "insecure-skip-tls-verify": True}
        with open(kubeconfig, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": cluster}],
                       "users": [{"name": "c", "user": {"token": TOKEN}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, file)
        with open(config, "w") as file:
            file.write(CONFIG.format(port=port))
        self.port, self.requests, self.failures, self.ends = free_port(), 0, [], threading.Event()
        self.process = subprocess.Popen(
            [binary, "--listen", f"127.0.0.1:{self.port}", "--config", config, "--kubeconfig", kubeconfig],
            stdout=subprocess.DEVNULL, stderr=open(f"{folder}/metriclet.log", "a"))
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        self.threads = [threading.Thread(target=self.send_requests, args=(at / len(selectors), text)) for at, text in enumerate(selectors)]
        [thread.start() for thread in self.threads]

    def send_requests(self, part, selector):
        path = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/queue_depth?labelSelector={urllib.parse.quote(selector)}"
        if self.ends.wait(part * INTERVAL):
            return
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                self.requests += 1
                if answer.status != 200:
                    self.failures.append(body[:300])
                connection.close()
            except OSError as error:
                self.failures.append(str(error))
            if self.ends.wait(INTERVAL):
                return

    def stop(self):
        self.ends.set()
        [thread.join() for thread in self.threads]
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def measured(plane, relay, seconds):
    """kube-apiserver's bytes sent and seconds of CPU time, per minute."""
    bytes_before, cpu_before, began = relay.received, cpu(plane.apiserver), time.monotonic()
    time.sleep(seconds)
    minutes = (time.monotonic() - began) / 60
    return (relay.received - bytes_before) / minutes, (cpu(plane.apiserver) - cpu_before) / minutes


def shown(values, unit):
    return f"{statistics.median(values):,.{unit}f} ({min(values):,.{unit}f}–{max(values):,.{unit}f})"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    programs, binaries = sys.argv[1], sys.argv[2:]
    pages = Pages(("0.0.0.0", 0), Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        plane = Plane(programs, folder)
        try:
            size = plane.fill()
            print(f"{PODS:,} pods, whose list is {size / 1e6:.1f} MB; {ROUNDS} rounds of {SECONDS} s")
            relay = Relay(plane.port)
            time.sleep(30)
            for title, selectors in (
                (f"{APPS} HPAs on {PODS // APPS} pods each", [f"app=app-{number}" for number in range(APPS)]),
                (f"1 HPA on {PODS:,} pods", ["pod-template-hash=7f9c6d5b8"]),
            ):
                idle, found = [], {binary: [] for binary in binaries}
                for _ in range(ROUNDS):
                    idle.append(measured(plane, relay, SECONDS)[1])
                    for binary in binaries:
                        adapter = Adapter(binary, folder, relay, pages.server_address[1], selectors)
                        first = measured(plane, relay, 60)
                        steady = measured(plane, relay, SECONDS)
                        found[binary].append((*first, *steady, memory(adapter.process)))
                        adapter.stop()
                        if adapter.failures:
                            print(f"    {len(adapter.failures)} of {adapter.requests} requests failed: {adapter.failures[0]}")
                without = statistics.median(idle)
                print(f"\n{title}; kube-apiserver alone: {shown(idle, 2)} s of CPU a minute\n")
                print("| binary | bytes in the first minute | bytes a minute in steady state | CPU of kube-apiserver | Metriclet's RSS |")
                print("| -- | -- | -- | -- | -- |")
                for binary, rounds in found.items():
                    first, _, steady, seconds, rss = zip(*rounds)
                    print(f"| {binary} | {shown(first, 0)} | {shown(steady, 0)} | {shown([one - without for one in seconds], 2)} s | "
                          f"{shown(rss, 1)} MB |")
        finally:
            plane.stop()


main()
