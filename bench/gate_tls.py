"""Helpers of gate.py for requests over TLS: certificates, a Kubernetes API that allows everything, and clients."""

import contextlib
import http.client
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

import gate_pods

# The headers of the HPA controller's request, as kube-apiserver forwards it.
HEADERS = [
    ("Accept", "application/vnd.kubernetes.protobuf,application/json"),
    ("Accept-Encoding", "gzip"),
    ("User-Agent", "kube-controller-manager/v1.37.2 (linux/amd64) kubernetes/0a1b2c3/system:serviceaccount:kube-system:"
     "horizontal-pod-autoscaler"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-Host", "custom-metrics-apiserver.custom-metrics.svc:443"),
    ("X-Forwarded-Proto", "https"),
    ("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", "JTI=b200b8ec-8114-484b-a8c6-fdd4b69d0598"),
    ("X-Remote-Group", "system:serviceaccounts"),
    ("X-Remote-Group", "system:serviceaccounts:kube-system"),
    ("X-Remote-Group", "system:authenticated"),
    ("X-Remote-Uid", "f1d0eb8f-7325-4b98-a8b4-eff2a9272bb8"),
    ("X-Remote-User", "system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
]
KUBECONFIG = """
current-context: c
contexts: [{{name: c, context: {{cluster: k}}}}]
clusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: {folder}/ca.crt}}}}]
"""


class Kubernetes(http.server.BaseHTTPRequestHandler):
    """A Kubernetes API that allows every access, publishes no CAs, and serves the pods of gate_pods, which never change."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.calls += 1
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        if "watch" in query:
            self._watch(int(query["timeoutSeconds"][0]))
        elif path.endswith("/pods"):
            self._send(200, gate_pods.pods(path.split("/")[-2]))
        else:
            self._send(200, {"kind": "ConfigMap", "apiVersion": "v1", "data": {}})

    def _watch(self, seconds):
        """A watch with a bookmark two seconds before its end, as from kube-apiserver."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        bookmark = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}}
        event = json.dumps({"type": "BOOKMARK", "object": bookmark}) + "\n"
        # A client may hang up meanwhile.
        with contextlib.suppress(OSError):
            time.sleep(max(seconds - 2, 0))
            self.wfile.write(f"{len(event):x}\r\n{event}\r\n".encode())
            time.sleep(min(seconds, 2))
            self.wfile.write(b"0\r\n\r\n")

    def do_POST(self):
        self.server.calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(201, {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": True}})

    def _send(self, code, answer):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Secure:
    """Certificates, a Kubernetes API, and the arguments of a Metriclet that serves over TLS."""

    def __init__(self, folder):
        self.folder = folder
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority",
                      "-addext", "basicConstraints=critical,CA:TRUE")
        for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("proxy", "extendedKeyUsage=clientAuth")):
            with open(os.path.join(folder, "extension"), "w", encoding="utf-8") as file:
                file.write(extension)
            self._openssl("req", "-new", *key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                          "-days", "2", "-extfile", "extension", "-out", f"{name}.crt")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._path("server.crt"), self._path("server.key"))
        kubernetes = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes)
        kubernetes.calls = 0
        kubernetes.socket = context.wrap_socket(kubernetes.socket, server_side=True)
        threading.Thread(target=kubernetes.serve_forever, daemon=True).start()
        self._kubernetes, self.kubeconfig = kubernetes, self._path("kubeconfig")
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            file.write(KUBECONFIG.format(port=kubernetes.server_port, folder=folder))

    @property
    def calls(self):
        """The number of calls to the Kubernetes API."""
        return self._kubernetes.calls

    def arguments(self):
        """The arguments of a Metriclet that serves front proxies."""
        files = {"tls-cert-file": "server.crt", "tls-private-key-file": "server.key", "requestheader-client-ca-file": "ca.crt",
                 "kubeconfig": "kubeconfig"}
        return ["--listen=off", "--bind-address=127.0.0.1", "--secure-port=0", "--shutdown-delay-duration=0s",
                "--requestheader-uid-headers=X-Remote-Uid",
                *(f"--{flag}={self._path(file)}" for flag, file in files.items())]

    def connect(self, port, is_proxy):
        """A new connection of a front proxy, or of a client without a certificate; TLS sessions are not resumed."""
        context = ssl.create_default_context(cafile=self._path("ca.crt"))
        # The cost of a handshake depends on the TLS version; kube-apiserver and Metriclet negotiate 1.3.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if is_proxy:
            context.load_cert_chain(self._path("proxy.crt"), self._path("proxy.key"))
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


def get(connection, path, headers):
    """A response's status code and body. `headers` may repeat a name."""
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()
