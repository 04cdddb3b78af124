"""Instructions of sixteen operations of Metriclet, counted by callgrind, compared with those of another binary or with recorded counts.

    gate.py BEFORE AFTER            two binaries; fails if AFTER takes more than 5 % more instructions for any operation
    gate.py bench/gate.json BINARY  the same, compared with recorded counts
    gate.py --record BINARY         prints such counts

The counts depend on the binary and on the processor that valgrind shows it, not on how fast or busy the machine is: repeated
counts differ by less than 1 %. valgrind shows no vector units beyond AVX2 and no instructions for SHA or ADX, so that any x86-64
processor with AVX2 counts the same. Recorded counts are compared on such a machine alone, and with the compiler that built their
binary; otherwise the exit code is 69. Compare binaries of `scripts/static`, which are linked against musl. Each operation is
counted in two runs with a different number of requests; their difference leaves out the start. What pods cost is counted within a
run (gate_pods.py), and left out on a busy machine. Two operations are counted at a time.
"""

import concurrent.futures
import contextlib
import http.client
import http.server
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time

import gate_pods
import gate_tls

MAX_RATIO = 1.05
FEW, MANY = 40, 240
# The cost of a handshake varies with its random numbers, so more of them are averaged.
FEW_HANDSHAKES, MANY_HANDSHAKES = 20, 140
# Metriclet verifies a front proxy's certificate again after a second, which costs as much as ten responses. So the run waits
# for that second to pass; its first request verifies again, and all must finish within the next second.
FEW_AUTHORIZED, MANY_AUTHORIZED = 20, 120
VERIFIED, WITHIN, TRIES = 1.1, 0.9, 10
RUNS = 3
API = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop"
TEXT = "# TYPE queue_depth gauge\n" + "".join(
    f'queue_depth{{service="s{n // 4}",state="{n % 4}",zone="eu-west-1"}} {n}.5\n' for n in range(200))
BUCKETS = "# TYPE seconds histogram\n" + "".join(
    f'seconds_bucket{{handler="h{n % 5}",le="{n // 5 / 10}"}} {n}\n' for n in range(100)) + "".join(
    f'seconds_bucket{{handler="h{n}",le="+Inf"}} {100 + n}\n' for n in range(5))
DOCUMENT = json.dumps({"queues": [{"name": f"q{n}", "messages": n, "consumers": 2} for n in range(100)], "version": "1"})
PAGES = {"/text": ("text/plain; version=0.0.4", TEXT), "/buckets": ("text/plain; version=0.0.4", BUCKETS),
         "/json": ("application/json", DOCUMENT)}
CONFIG = """
sources:
  cached: {{url: 'http://127.0.0.1:{port}/text', namespaces: [shop], cache: 10m}}
  buckets: {{url: 'http://127.0.0.1:{port}/buckets', namespaces: [shop], cache: 10m}}
  text: {{url: 'http://127.0.0.1:{port}/text', namespaces: [shop], cache: 0s}}
  json: {{url: 'http://127.0.0.1:{port}/json', namespaces: [shop], format: json, cache: 0s}}
metrics:
  - {{name: queue_depth, object: services, source: cached, value: sum(queue_depth), maxAge: 10m}}
  - {{name: depth_elsewhere, external: true, source: cached, value: 'sum by (service) (queue_depth)', maxAge: 10m}}
  - {{name: p95, object: services, source: buckets, describes: {{namespace: shop, name: web}}, maxAge: 10m,
     value: 'histogram_quantile(0.95, sum by (le) (seconds_bucket))', onMissing: last 10m}}
  - {{name: fetched_text, object: services, source: text, value: sum(queue_depth)}}
  - {{name: fetched_json, object: services, source: json, describes: {{namespace: shop, name: web}}, value: 'sum($.queues[*].messages)'}}
"""
REQUESTS = {
    "one object of a page": f"{API}/services/s7/queue_depth",
    "all objects of a page": f"{API}/services/*/queue_depth",
    "an external metric": "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/depth_elsewhere?labelSelector=service%3Ds7",
    "an expression over 105 series": f"{API}/services/web/p95",
    "a fetch of 200 series": f"{API}/services/s7/fetched_text",
    "a fetch of JSON": f"{API}/services/web/fetched_json",
    "an unknown metric": f"{API}/services/web/unknown",
    "discovery": "/apis/custom.metrics.k8s.io/v1beta2",
    "OpenAPI": "/openapi/v3/apis/custom.metrics.k8s.io/v1beta2",
    "Metriclet's own metrics": "/metrics",
    "the status page": "/status",
}


class Page(http.server.BaseHTTPRequestHandler):
    """Serves the pages of the sources."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        media_type, body = PAGES[self.path]
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


class TooBusy(Exception):
    """The machine is too busy to finish the requests within the required time."""


class Gate:
    """Counts instructions of Metriclet's operations, with its own sources and folder."""

    def __init__(self, folder):
        self.folder = folder
        source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=source.serve_forever, daemon=True).start()
        self.config = os.path.join(folder, "metrics.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=source.server_port))
        self.secure = gate_tls.Secure(folder)
        self.pods = gate_pods.Pods(self._of_pods, _control, _summary, lambda: self.secure.calls)
        self.of_pods = os.path.join(folder, "pods.yaml")
        with open(self.of_pods, "w", encoding="utf-8") as file:
            file.write(self.pods.config())
        self.rules = os.path.join(folder, "rules.yaml")
        with open(self.rules, "w", encoding="utf-8") as file:
            file.write("sources:\n  app: {pods: {port: 80}}\nmetrics:\n")
            file.writelines(
                f"  - {{name: m{n}, object: pods, source: app, value: 'sum(rate(a{n}{{code=~\"5..\"}}[1m]))'}}\n" for n in range(200))

    def counts(self, binary):
        """The number of instructions of each operation."""
        plain, secure = ["--listen=127.0.0.1:0"], self.secure.arguments()
        operations = [(name, plain, (FEW, MANY), _Plain(path)) for name, path in REQUESTS.items()]
        operations += [
            ("one object, authorized, over TLS", secure, (FEW_AUTHORIZED, MANY_AUTHORIZED), self._authorized),
            ("a new TLS connection", secure, (FEW_HANDSHAKES, MANY_HANDSHAKES), self._connections),
        ]
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            counts = {name: pool.submit(self._difference, binary, *rest) for name, *rest in operations}
            counts["an answer for 200 pods from samples"] = pool.submit(self.pods.answer, binary)
            counts["a scrape of 1,000 series"] = pool.submit(self.pods.scrape, binary)
            counts["check of 200 rules"] = pool.submit(self._run, binary, ["check", self.rules])
            return {name: found for name, count in counts.items() if (found := _counted(name, count)) is not None}

    def _difference(self, binary, arguments, numbers, requests):
        """The instructions of one request: the difference of two runs, divided by the difference in requests."""
        few, many = (self._least(binary, arguments, number, requests) for number in numbers)
        return (many - few) // (numbers[1] - numbers[0])

    def _least(self, binary, arguments, number, requests):
        """The minimum of several runs over TLS, because some also read the CAs from the Kubernetes API on a new connection."""
        runs = RUNS if "--listen=off" in arguments else 1
        return min(self._served(binary, arguments, number, requests) for _ in range(runs))

    def _served(self, binary, arguments, number, requests):
        for _ in range(TRIES):
            count, is_valid = self._try(binary, arguments, number, requests)
            if is_valid:
                return count
        raise TooBusy(f"{number} requests take more than {WITHIN} s in each of {TRIES} tries: this machine is too busy")

    def _try(self, binary, arguments, number, requests):
        with self._running(binary, [*arguments, "--config", self.config]) as (port, _, output):
            is_valid = requests(port, number)
        return _summary(output), is_valid

    @contextlib.contextmanager
    def _running(self, binary, arguments):
        """Runs Metriclet under callgrind: yields its port, its process, and the file that contains its counts once it exits."""
        output = self._output()
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", binary, *arguments]
        environment = {**os.environ, "RUST_LOG": "info"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
            said = []
            port = None
            for line in server.stderr:
                said.append(line)
                if found := re.search(r"listening on (?:https?://)?127\.0\.0\.1:(\d+)", line):
                    port = int(found[1])
                    break
            if port is None:
                raise SystemExit(f"{binary} does not listen:\n{''.join(said)}")
            threading.Thread(target=server.stderr.read, daemon=True).start()
            try:
                yield port, server, output
            finally:
                # When it exits, the thread that reads its stderr ends, too; Popen's exit waits for the process.
                server.terminate()

    @contextlib.contextmanager
    def _of_pods(self, binary):
        """Runs Metriclet with the rules on pods, for gate_pods.Pods: yields a GET function, the process and the file of counts."""
        arguments = ["--listen=127.0.0.1:0", "--kubeconfig", self.secure.kubeconfig, "--config", self.of_pods]
        with self._running(binary, arguments) as (port, process, output):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"

            def get(path):
                try:
                    return gate_tls.get(connection, base + path, [("Accept", "application/json")])
                except (OSError, http.client.HTTPException):
                    # Metriclet closed the idle connection.
                    connection.close()
                    return gate_tls.get(connection, base + path, [("Accept", "application/json")])

            yield get, process, output
            connection.close()

    def _output(self):
        number, path = tempfile.mkstemp(dir=self.folder)
        os.close(number)
        return path

    def _authorized(self, port, number):
        """Requests one metric as the HPA controller through a front proxy, on one connection; returns whether in time."""
        connection = self.secure.connect(port, is_proxy=True)
        path = f"{API}/services/s7/queue_depth"
        first = gate_tls.get(connection, path, gate_tls.HEADERS)
        if first[0] == 401:
            # On a busy machine, Metriclet may start without trusted CAs, because it could not read them in time.
            connection.close()
            return False
        _checked(first)
        time.sleep(VERIFIED)
        begun = time.monotonic()
        for _ in range(number):
            _checked(gate_tls.get(connection, path, gate_tls.HEADERS))
        took = time.monotonic() - begun
        connection.close()
        return took < WITHIN

    def _connections(self, port, number):
        """Opens connections without a client certificate, and sends one request on each."""
        for _ in range(number):
            connection = self.secure.connect(port, is_proxy=False)
            _checked(gate_tls.get(connection, "/readyz", []))
            connection.close()
        return True

    def _run(self, binary, arguments):
        output = self._output()
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", binary, *arguments],
                       check=True, capture_output=True)
        return _summary(output)


class _Plain:
    """Requests one path from the plain listener, on one connection."""

    def __init__(self, path):
        self.path = path

    def __call__(self, port, number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(number):
            _checked(gate_tls.get(connection, self.path, [("Accept-Encoding", "identity"), ("Accept", "application/json, */*")]))
        connection.close()
        return True


def _compilers():
    """The versions of rustc, and of clang, which compiles ring's C code."""
    versions = [subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
                for tool in ("rustc", "clang")]
    return ", ".join(version.strip() for version in versions)


def _reason_not_comparable(recorded):
    """Why counts of this machine cannot be compared with the recorded ones; None if they can."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if platform.machine() != "x86_64" or " avx2 " not in file.read():
            return "they are of an x86-64 processor with AVX2"
    if recorded["compilers"] != _compilers():
        return f"its counts are of {recorded['compilers']}, and this is {_compilers()}"
    return None


def _counted(name, count):
    """The count; None if the machine is too busy to count this operation."""
    try:
        return count.result()
    except gate_pods.NoPauseBetweenRounds:
        print(f"{name}: not counted, as rounds of samples cannot be told apart on a machine this busy", file=sys.stderr)
        return None


def _control(process, command):
    """Sends a command to the gdbserver of the valgrind that runs this process."""
    sent = subprocess.run(["vgdb", f"--pid={process.pid}", command], capture_output=True, text=True)
    if sent.returncode != 0:
        raise SystemExit(f"vgdb cannot send {command}: {sent.stderr}")


def _checked(answer):
    status, body = answer
    if status not in (200, 404):
        raise SystemExit(f"{status} {body[:300]}")


def _summary(output):
    with open(output, encoding="utf-8") as file:
        found = [int(line.split()[1]) for line in file if line.startswith(("summary:", "totals:"))]
    if not found:
        raise SystemExit(f"{output} has no counts")
    os.remove(output)
    return found[0]


def main(arguments):
    """Returns the exit code."""
    if len(arguments) != 2 or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 64
    before, binary = arguments
    try:
        with tempfile.TemporaryDirectory() as folder:
            gate = Gate(folder)
            if before == "--record":
                print(json.dumps({"compilers": _compilers(), "counts": gate.counts(binary)}, indent=2))
                return 0
            if before.endswith(".json"):
                with open(before, encoding="utf-8") as file:
                    recorded = json.load(file)
                if why := _reason_not_comparable(recorded):
                    print(f"cannot compare with {before}: {why}", file=sys.stderr)
                    return 69
                old = recorded["counts"]
            else:
                old = gate.counts(before)
            new = gate.counts(binary)
    except TooBusy as why:
        print(why, file=sys.stderr)
        return 69
    print("| Instructions of | Before | After | Ratio |\n| -- | -- | -- | -- |")
    for name, count in new.items():
        before, ratio = (f"{old[name]:,}", f"{count / old[name]:.2f}") if name in old else ("–", "–")
        print(f"| {name} | {before} | {count:,} | {ratio} |")
    slower = [name for name, count in new.items() if name in old and count > MAX_RATIO * old[name]]
    if slower:
        print(f"more than {MAX_RATIO - 1:.0%} more instructions: {', '.join(slower)}", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
