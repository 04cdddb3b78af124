"""Compares Metriclet with the test adapter of the Go library, in alternating rounds: adapter.py ADAPTER METRICLET...

Each serves the same external metric with two values from memory over TLS, to a service account whose token and access have
been reviewed. wrk loads them in turns; this prints requests per second, p99, CPU time per request and resident memory. This
program also serves the Kubernetes API, which allows everything. `scripts/test-cluster` builds ADAPTER as test-adapter-* in
~/.cache/metriclet; METRICLET is one binary or more.
"""

import http.server
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROUNDS, SECONDS = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("SECONDS", "3"))
CONNECTIONS = [int(count) for count in os.environ.get("CONNECTIONS", "1 32 256").split()]
TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAifQ." + "a" * 700 + "." + "b" * 342
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/my-external-metric"
ACCEPT = {"JSON": "application/json", "protobuf": "application/vnd.kubernetes.protobuf, */*"}
PAGE = b'# TYPE m gauge\nm{foo="bar"} 42\nm{foo="baz"} 43\n'
CONFIG = """
sources:
  page: {{url: 'http://127.0.0.1:{port}/metrics', namespaces: [shop], cache: 10m}}
metrics:
  - {{name: my-external-metric, external: true, source: page, value: 'm', maxAge: 10m}}
"""
USER = {
    "username": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
    "uid": "f1d0eb8f-7325-4b98-a8b4-eff2a9272bb8",
    "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/credential-id": ["JTI=b200b8ec-8114-484b-a8c6-fdd4b69d0598"]},
}
CONFIG_MAP = {"metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"}, "data": {}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, code, media_type, body):
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Page(Handler):
    def do_GET(self):
        self.send(200, "text/plain; version=0.0.4", PAGE)


class Kubernetes(Handler):
    def json(self, code, value):
        self.send(code, "application/json", json.dumps(value).encode())

    def do_GET(self):
        path = self.path.split("?")[0]
        if "watch=true" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            time.sleep(3600)
        elif path.endswith("/configmaps"):
            version = {"resourceVersion": "1"}
            item = CONFIG_MAP | {"metadata": CONFIG_MAP["metadata"] | version}
            self.json(200, {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": version, "items": [item]})
        elif path.endswith("/extension-apiserver-authentication"):
            self.json(200, {"kind": "ConfigMap", "apiVersion": "v1"} | CONFIG_MAP)
        elif path == "/api":
            self.json(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif path == "/apis":
            self.json(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
        else:
            self.json(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def do_POST(self):
        kind = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["kind"]
        status = {"authenticated": True, "user": USER} if kind == "TokenReview" else {"allowed": True}
        group = "authentication" if kind == "TokenReview" else "authorization"
        self.json(201, {"kind": kind, "apiVersion": group + ".k8s.io/v1", "metadata": {}, "spec": {}, "status": status})


def serve(handler, tls=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Server:
    def __init__(self, name, command, folder):
        self.name, self.runs = name, {}
        self.log = os.path.join(folder, name + ".log")
        self.process = subprocess.Popen(command, stderr=open(self.log, "w"), stdout=subprocess.DEVNULL)
        for _ in range(600):
            found = re.search(r"(?:listening on https://|Serving securely on )127\.0\.0\.1:(\d+)", open(self.log).read())
            if found:
                break
            time.sleep(0.1)
        self.port = int(found[1])

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read())[1]) * 1024 / 1e6

    def body(self, accept):
        import urllib.request

        context = ssl._create_unverified_context()
        headers = {"Authorization": "Bearer " + TOKEN, "Accept": accept, "User-Agent": "bench"}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{EXTERNAL}", headers=headers)
        return urllib.request.urlopen(request, context=context).read()

    def load(self, connections, accept):
        command = ["wrk", "--latency", "--timeout", "10s", "-t", str(min(connections, 2)), "-c", str(connections), "-d", f"{SECONDS}s"]
        command += ["-H", "Authorization: Bearer " + TOKEN, "-H", "Accept: " + accept]
        before = self.cpu()
        text = subprocess.run(command + [f"https://127.0.0.1:{self.port}{EXTERNAL}"], capture_output=True, text=True).stdout
        spent = self.cpu() - before
        assert "Non-2xx" not in text and "Socket errors" not in text, text
        count = int(re.search(r"(\d+) requests in", text)[1])
        assert count, f"{self.name} answered nothing: {text}"
        value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
        return rate, float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit], spent / count * 1e6, self.memory()


def middle(values, digits):
    text = [f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return f"{text[0]} ({text[1]}–{text[2]})"


def main():
    adapter, *ours = sys.argv[1:]
    folder = tempfile.mkdtemp()
    subprocess.run([ours[0], "certs", "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = {name: os.path.join(folder, name) for name in ("tls.crt", "tls.key", "ca.crt", "kubeconfig", "config.yaml")}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files["tls.crt"], files["tls.key"])
    cluster = {"server": f"https://127.0.0.1:{serve(Kubernetes, tls)}"}
    cluster = {"name": "c", "cluster": cluster}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster]}
    kubeconfig["users"] = [{"name": "u", "user": {"token": "t"}}]
    kubeconfig["contexts"] = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    cluster["cluster"] |= {"certificate-authority": files["ca.crt"], "tls-server-name": SERVER_NAME}
    json.dump(kubeconfig, open(files["kubeconfig"], "w"))
    open(files["config.yaml"], "w").write(CONFIG.format(port=serve(Page)))
    common = ["--tls-cert-file", files["tls.crt"], "--tls-private-key-file", files["tls.key"]]
    common += ["--bind-address", "127.0.0.1", "--secure-port"]
    for number, binary in enumerate(ours):
        command = [binary, "--listen", "off", "--kubeconfig", files["kubeconfig"], "--config", files["config.yaml"]]
        servers.append(Server(f"metriclet-{number}" if number else "metriclet", command + common + ["0"], folder))
    if os.environ.get("CONSTANT"):
        body = os.path.join(folder, "body")
        open(body, "wb").write(servers[0].body(ACCEPT["JSON"]))
        constant = [os.environ["CONSTANT"], files["tls.crt"], files["tls.key"], body]
        servers.append(Server("hyper", constant, folder))
    flags = [f"--{which}-kubeconfig={files['kubeconfig']}" for which in ("lister", "authentication", "authorization")]
    servers.append(Server("adapter", [adapter, *flags, *common, str(free_port())], folder))
    for server in servers:
        server.load(1, ACCEPT["JSON"])
        print(f"{server.name:12} RSS warm {server.memory():.1f} MB", flush=True)
    for connections in CONNECTIONS:
        for name, accept in ACCEPT.items():
            runs = {server.name: [] for server in servers}
            for turn in range(ROUNDS):
                for server in servers if turn % 2 else reversed(servers):
                    runs[server.name].append(server.load(connections, accept))
            print(f"{name}, {connections} connections", flush=True)
            for server in servers:
                rate, p99, cpu, memory = zip(*runs[server.name])
                print(f"  {server.name:12} {middle(rate, 0)}/s, p99 {middle(p99, 1)} ms, {middle(cpu, 1)} µs of CPU, RSS {memory[-1]:.1f} MB")
            for other in (server for server in servers if not server.name.startswith("metriclet")):
                for server in (server for server in servers if server.name.startswith("metriclet")):
                    pairs = list(zip(runs[server.name], runs[other.name]))
                    rate, cpu = (middle([a[at] / b[at] for a, b in pairs], 3) for at in (0, 2))
                    print(f"  {server.name:12} {rate} × the rate of {other.name}, {cpu} × its CPU", flush=True)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SERVER_NAME = "custom-metrics-apiserver.custom-metrics.svc"
servers = []
try:
    main()
finally:
    for server in servers:
        server.process.kill()
