"""Counts the instructions that pods cost, for gate.py: serves the pages of pods, and counts instructions of a part of a run.

Pods are sampled in the background, so their cost cannot be computed from the difference of two runs. Instead, valgrind's
gdbserver sets the counts to zero in the pause between two rounds of samples, and writes them in the same pause or in the next
one. Counts are discarded if anything else was fetched meanwhile.
"""

import contextlib
import glob
import http.client
import http.server
import threading
import time

# Samples are taken every ten seconds, a quarter of the range. In the pause after the fourth or any later round, the range
# contains four samples.
RANGE, ROUNDS = "40s", 4
# A round is over after this many seconds without a fetch.
QUIET = 1.5
TIMEOUT = 120
ANSWERS, COUNTS, TRIES = 10, 3, 12
# The number of series per page that a rule uses. Below: a namespace, the number of its pods, and the number of series per pod.
WANTED = 20
MANY, LARGE = ("many", 200, WANTED), ("large", 40, 1000)


def pods(namespace):
    """The PodList of a namespace, with only the fields that Metriclet reads."""
    of = {name: (second, count) for second, (name, count, _) in enumerate((MANY, LARGE), 1)}
    second, count = of.get(namespace, (0, 0))
    items = [{
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": f"{namespace}-{n:03}", "namespace": namespace, "uid": f"3f0c9a52-6f1e-4c38-9a55-{second:04}{n:08}",
                     "resourceVersion": "7", "labels": {"app": namespace, "pod-template-hash": "5d4f8c7b9"}},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"phase": "Running", "podIP": f"127.{second}.0.{n}", "startTime": "2026-08-18T02:35:04Z",
                   "containerStatuses": [{"restartCount": 0}]},
    } for n in range(count)]
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items}


class Page(http.server.BaseHTTPRequestHandler):
    """The page of a pod. Values always have the same number of digits, so that parsing them always costs the same."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        value = 10**6 + int(time.monotonic() * 100) % 10**8
        counters = "".join(f'http_requests_total{{code="200",method="GET",handler="/items/{n:02}"}} {value + n + 10**8}\n'
                           for n in range(WANTED))
        body = (counters + self.server.rest).encode()
        self.server.fetched(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Pages(http.server.ThreadingHTTPServer):
    """All pods of a namespace: one listener on all addresses of this machine, because each pod has its own address."""

    request_queue_size = 256

    def __init__(self, series):
        super().__init__(("0.0.0.0", 0), Page)
        self.rest = "".join(f'process_things{{kind="thing-{n:03}",place="somewhere"}} {n}.5\n' for n in range(WANTED, series))
        self.count, self.rounds, self.last = 0, 0, 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def verify_request(self, request, client_address):
        # The listener is only for programs on this machine.
        return client_address[0].startswith("127.")

    def fetched(self, now):
        """Counts a page, and a round if it is the first page after a pause."""
        with self.lock:
            self.rounds += now - self.last > QUIET
            self.count, self.last = self.count + 1, now


class NoPauseBetweenRounds(Exception):
    """No pause between two rounds of samples was found, or nothing could be counted in one: the machine is too busy."""


class Pods:
    """Counts instructions of rules on pods. `running` runs Metriclet under callgrind: it yields a function that requests a path
    of the API, the process, and the file for its counts. `control` sends a command to its valgrind, `summary` reads a file of
    counts, and `calls` returns the number of calls to the Kubernetes API."""

    def __init__(self, running, control, summary, calls):
        self.running, self.control, self.summary, self.calls = running, control, summary, calls
        self.pages = {name: Pages(series) for name, _, series in (MANY, LARGE)}

    def config(self):
        """The configuration: a source and a rule for each namespace, with its name."""
        sources = "".join(f"  {name}: {{pods: {{port: {pages.server_port}}}, dangerAllowLoopback: true}}\n"
                          for name, pages in self.pages.items())
        rules = "".join(f"  - {{name: {name}, object: pods, source: {name}, value: 'sum(rate(http_requests_total[{RANGE}]))'}}\n"
                        for name in self.pages)
        return f"sources:\n{sources}metrics:\n{rules}"

    def answer(self, binary):
        """The instructions of one response with all pods' values, between two rounds of samples."""
        name, count, _ = MANY
        with self.running(binary) as (get, process, output):
            watched = _SampledMetriclet(self, MANY, process, output)
            watched.start(lambda: get(f"{name}/pods/*/{name}"))
            for rounds in range(ROUNDS, ROUNDS + TRIES):
                watched.pause(rounds)
                _, body = get(f"{name}/pods/*/{name}")
                # On a busy machine, a pod's sample may have come too late.
                if body.count(b'"value":') == count:
                    break
            else:
                raise NoPauseBetweenRounds

            def request(times):
                return lambda: [get(f"{name}/pods/*/{name}") for _ in range(times)]

            # The first request may need a new connection, so it is not counted.
            return watched.count(request(1), request(ANSWERS), 0) // ANSWERS

    def scrape(self, binary):
        """The instructions of a round of samples, divided by the number of pods."""
        name, count, _ = LARGE
        with self.running(binary) as (get, process, output):
            watched = _SampledMetriclet(self, LARGE, process, output)
            watched.start(lambda: get(f"{name}/pods/*/{name}"))
            watched.pause(2)
            return watched.count(lambda: None, lambda: None, 1) // count


class _SampledMetriclet:
    """A Metriclet that samples the pods of one namespace."""

    def __init__(self, pods_, of, process, output):
        name, self.count_of_pods, _ = of
        self.pods, self.process, self.output = pods_, process, output
        self.pages = pods_.pages[name]
        self.before = self.pages.rounds

    def start(self, request):
        """Sends requests until sampling starts: on a busy machine, lists of pods may take too long at first."""
        until = time.monotonic() + TIMEOUT
        while self.pages.rounds == self.before:
            if time.monotonic() > until:
                raise NoPauseBetweenRounds
            with contextlib.suppress(OSError, http.client.HTTPException):
                request()
            time.sleep(0.5)

    def pause(self, rounds):
        """Waits for a pause after at least this many rounds, and returns the number of rounds so far."""
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            done = self.pages.rounds - self.before
            if done >= rounds and time.monotonic() - self.pages.last > QUIET:
                return done
            time.sleep(0.05)
        raise NoPauseBetweenRounds

    def count(self, prepare, work, rounds):
        """The minimum number of instructions of `work` and this many rounds, over a few tries without calls to the Kubernetes
        API. `prepare` runs before counting starts."""
        counts = []
        for _ in range(TRIES):
            begun = self.pause(1)
            prepare()
            asked, fetched = self.pods.calls(), self.pages.count
            self.pods.control(self.process, "zero")
            work()
            ended = self.pause(begun + rounds)
            self.pods.control(self.process, "dump")
            [written] = glob.glob(f"{self.output}.*")
            count = self.pods.summary(written)
            fetched = self.pages.count - fetched
            if self.pods.calls() == asked and ended == begun + rounds and fetched == rounds * self.count_of_pods:
                counts.append(count)
                if len(counts) == COUNTS:
                    return min(counts)
        raise NoPauseBetweenRounds
