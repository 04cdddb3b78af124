"""Compares rules on a page that Metriclet scrapes with rules on servers that scrape the same page:
compare.py METRICLET NAME=PROGRAM...

PROGRAM is VictoriaMetrics if NAME contains "victoria", otherwise Prometheus. The page's counters grow with time. Prints a
table of the values that Metriclet serves, and fails if a value differs from what docs/sizing.md says.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

# Seconds from the start until counters jump, and until the end: every scraper takes at least two samples in between.
JUMP, END = 90, 120
INTERVAL = 15
OBJECT = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web"
RULES = {
    "gauge": "sum(queue_depth)",
    "steady": "sum(rate(requests_total[1m]))",
    "jump": "sum(increase(jobs_total[1m]))",
    "new": "sum(increase(errors_total[1m]))",
    "quantile": "histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[1m])))",
    "written": 'sum(queue_bucket{le="1"})',
    "canonical": 'sum(queue_bucket{le="1.0"})',
}


def page(elapsed):
    """The page after this many seconds."""
    jumped = elapsed >= JUMP
    lines = [
        ("queue_depth", "gauge", [("queue_depth", "", 42.5)]),
        ("requests_total", "counter", [("requests_total", "", 1000 + 10 * elapsed)]),
        ("jobs_total", "counter", [("jobs_total", "", 160 if jumped else 100)]),
        # A series that first appears with a value other than 0, as counters often do with their first event.
        ("errors_total", "counter", [("errors_total", 'code="500"', 3)] if jumped else []),
        ("seconds", "histogram", [("seconds_bucket", f'le="{le}"', part * elapsed) for le, part in
                                  (("0.1", 5), ("1", 8), ("10", 10), ("+Inf", 10))]
         + [("seconds_sum", "", elapsed), ("seconds_count", "", 10 * elapsed)]),
        ("queue", "histogram", [("queue_bucket", 'le="1"', 7), ("queue_bucket", 'le="+Inf"', 9), ("queue_sum", "", 9),
                                ("queue_count", "", 9)]),
    ]
    text = ""
    for name, kind, samples in lines:
        text += f"# TYPE {name} {kind}\n"
        for series, labels, value in samples:
            text += f'{series}{{namespace="shop",service="web"{"," + labels if labels else ""}}} {value}\n'
    return text


class Page(http.server.BaseHTTPRequestHandler):
    begun = time.monotonic()

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = page(time.monotonic() - self.begun).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def free_port():
    """An unused loopback port."""
    with http.server.HTTPServer(("127.0.0.1", 0), Page) as probe:
        return probe.server_port


class Servers:
    """The running servers; `stop` ends them."""

    def __init__(self, folder, target):
        self.folder, self.processes, self.ports = folder, [], {}
        self.scrapes = os.path.join(folder, "scrapes.yaml")
        with open(self.scrapes, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": "5s"}, "scrape_configs": [
                {"job_name": "page", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]}, file)

    def start(self, name, program):
        """Starts a server, and waits until it answers queries."""
        port, data = free_port(), os.path.join(self.folder, name)
        if "victoria" in name.lower():
            command = [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={data}", f"-promscrape.config={self.scrapes}",
                       "-memory.allowedBytes=100MB", "-search.latencyOffset=0s"]
        else:
            command = [program, f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={data}", f"--config.file={self.scrapes}"]
        with open(f"{data}.log", "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        for _ in range(600):
            try:
                get(f"http://127.0.0.1:{port}/api/v1/query?query=1")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        else:
            with open(f"{data}.log", encoding="utf-8") as log:
                raise SystemExit(f"{name} does not answer: {log.read()[-2000:]}")
        self.ports[name] = port

    def metriclet(self, binary, target):
        """Starts Metriclet with each rule on each source; returns the port of its plain listener."""
        rule = "  - {{name: {rule}_{source}, object: services, source: {source}, describes: {{namespace: shop, name: web}}, value: '{value}'}}\n"
        text = f"sources:\n  scrape: {{url: 'http://127.0.0.1:{target}/metrics', namespaces: [shop], single: true}}\n"
        text += "".join(f"  {name}: {{prometheus: 'http://127.0.0.1:{port}', namespaces: [shop], cache: 0s}}\n" for name, port in self.ports.items())
        text += "metrics:\n"
        for source in ["scrape", *self.ports]:
            text += "".join(rule.format(rule=name, source=source, value=value) for name, value in RULES.items())
        config = os.path.join(self.folder, "metrics.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        process = subprocess.Popen([binary, "--listen=127.0.0.1:0", "--config", config], stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return int(found[1])
        raise SystemExit(f"{binary} does not listen: {said}")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def value(port, metric):
    """The value that Metriclet serves; None if there is none, and then prints the reason to stderr."""
    try:
        text = get(f"http://127.0.0.1:{port}{OBJECT}/{metric}")["items"][0]["value"]
    except urllib.error.HTTPError as error:
        print(f"{metric}: {json.load(error)['message']}", file=sys.stderr)
        return None
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def expected(source, version):
    """The value of each rule according to docs/sizing.md; None if there is none."""
    is_victoria = "victoria" in source.lower()
    # Prometheus 3 and Metriclet normalize `le="1"` to `le="1.0"`.
    is_canonical = source == "scrape" or version >= 3 and not is_victoria
    return {
        "gauge": 42.5,
        "steady": 10,
        # Four samples in the minute span 45 s; their increase is extrapolated to 60 s.
        "jump": 60 if is_victoria else 80,
        # VictoriaMetrics assumes that a new counter was 0 before; the others count growth from its first sample on.
        "new": 3 if is_victoria else 0,
        "quantile": 5.5,
        "written": None if is_canonical else 7,
        "canonical": 7 if is_canonical else None,
    }


def main(arguments):
    """Returns the exit code."""
    binary, *named = arguments
    programs = dict(pair.split("=", 1) for pair in named)
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(folder, source.server_port)
        try:
            for name, program in programs.items():
                servers.start(name, program)
            port = servers.metriclet(binary, source.server_port)
            Page.begun = time.monotonic()
            # The first request makes Metriclet start sampling.
            for rule in RULES:
                value(port, f"{rule}_scrape")
            time.sleep(END + 5)
            rows = {rule: {name: value(port, f"{rule}_{name}") for name in ["scrape", *programs]} for rule in RULES}
        finally:
            servers.stop()
    print("| Rule | scrape | " + " | ".join(programs) + " |\n| -- |" + " -- |" * (len(programs) + 1))
    for rule, found in rows.items():
        print(f"| `{RULES[rule]}` | " + " | ".join("none" if one is None else f"{one:g}" for one in found.values()) + " |")
        for name, one in found.items():
            wanted = expected(name, int(re.search(r"\d", name + "0")[0]))[rule]
            is_right = one is wanted if None in (one, wanted) else abs(one - wanted) <= 0.02 * abs(wanted) + 0.01
            if not is_right:
                failed.append(f"{rule} of {name}: expected {wanted}, found {one}")
    for failure in failed:
        print(failure, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
