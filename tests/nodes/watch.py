"""Observes the aggregation layer ten times a second during a case."""

import json
import threading
import time

from process import Failure

APISERVICE = "v1beta2.custom.metrics.k8s.io"
DISCOVERY = "/apis/custom.metrics.k8s.io/v1beta2"
PERIOD = 0.1


class Watch:
    """Requests the APIService's condition, discovery and a metric, each in its own thread, until the end of `with`."""

    def __init__(self, api, metric):
        self.api = api
        self.asked = {"the APIService": 0, "discovery": 0, "the metric": 0}
        self.troubles = []
        self.slowest = {}
        self.stopped = threading.Event()
        probes = {"the APIService": self._condition, "discovery": lambda: self._answer(DISCOVERY),
                  "the metric": lambda: self._answer(metric)}
        self.threads = [threading.Thread(target=self._ask, args=item, daemon=True) for item in probes.items()]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)
        for name, at, why in self.troubles[:20]:
            print(f"         {name} failed after {at:.1f} s: {why}", flush=True)

    def _ask(self, name, probe):
        begun = time.monotonic()
        while not self.stopped.is_set():
            since = time.monotonic()
            try:
                trouble = probe()
            except (OSError, Failure, ValueError) as error:
                trouble = str(error)
            took = time.monotonic() - since
            self.asked[name] += 1
            self.slowest[name] = max(took, self.slowest.get(name, 0))
            if trouble:
                self.troubles.append((name, since - begun, trouble[:300]))
            self.stopped.wait(max(0, PERIOD - took))

    def _condition(self):
        available, why = self.api.available(APISERVICE)
        return "" if available else why

    def _answer(self, path):
        status, body = self.api.ask(path)
        if status == 200:
            return ""
        try:
            return f"{status} {json.loads(body)['message']}"
        except (ValueError, KeyError):
            return f"{status} {body[:200].decode(errors='replace')}"

    def failed(self, name):
        """The number of failed requests of this kind."""
        return sum(1 for failed, _, _ in self.troubles if failed == name)

    def clean(self):
        """Fails if any request failed; otherwise returns a summary."""
        if self.troubles:
            shown = "\n".join(f"  {name} after {at:.1f} s: {why}" for name, at, why in self.troubles[:10])
            raise Failure(f"{len(self.troubles)} of {sum(self.asked.values())} requests failed:\n{shown}")
        return f"{sum(self.asked.values())} requests, none failed; slowest {max(self.slowest.values()):.2f} s"

    def outage(self):
        """Fails if the APIService was ever unavailable; otherwise returns the number of failed requests."""
        if bad := [trouble for trouble in self.troubles if trouble[0] == "the APIService"]:
            raise Failure(f"the APIService was unavailable: {bad[0][2]}, {len(bad)} of {self.asked['the APIService']} times")
        return ", ".join(f"{self.failed(name)} of {self.asked[name]} requests for {name}" for name in ("discovery", "the metric"))
