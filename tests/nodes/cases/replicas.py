"""Two replicas share samples, so that there is always a rate while replicas start and stop."""

import os
import signal
import time

from metriclet import NAME, NAMESPACE
from process import Failure, until
from watch import Watch
from workload import Workload

NAMESPACE_OF_APP = "replicas"
RATE = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{NAMESPACE_OF_APP}/pods/*/requests_per_second?labelSelector=app%3Dweb"
# The range of the rule in seconds, and the interval of samples, a quarter of the range.
RANGE = 30
INTERVAL = RANGE / 4
# The number of requests that are always open, and the duration of each.
LOAD = 20
MILLISECONDS = 100


def share_samples(context):
    """Once there is a rate, every response has one while replicas change, and all replicas have the same rate."""
    with Workload(context.cluster, NAMESPACE_OF_APP) as workload:
        workload.load(LOAD, MILLISECONDS)
        until("there is a rate", lambda: context.metriclet.value(RATE.split("v1beta2/")[1]), 60)
        time.sleep(RANGE)
        apart = _apart(context, workload)
        shown = [_replaced(context), _lost(context)]
        context.metriclet.spread()
        time.sleep(RANGE / 2)
        apart = max(apart, _apart(context, workload))
    return f"{'; '.join(shown)}; two replicas differed by at most {apart:.0%} while the load changed"


def _replaced(context):
    """Rolls out, kills and scales replicas."""
    metriclet = context.metriclet
    with Watch(context.api, RATE) as watch:
        before = set(metriclet.pods())
        context.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{NAME}")
        context.api.until_ready(NAMESPACE, NAME, 2)
        until("the old processes have ended", lambda: not before & set(metriclet.processes()), 60)
        for pod, (pid, _) in metriclet.processes().items():
            restarts = metriclet.restarts(pod)
            os.kill(pid, signal.SIGKILL)
            until(f"{pod} has restarted", lambda name=pod, old=restarts: metriclet.restarts(name) > old, 60)
            context.api.until_ready(NAMESPACE, NAME, 2)
            time.sleep(5)
        for replicas in (1, 3, 1, 2):
            context.kubectl("-n", NAMESPACE, "scale", f"deployment/{NAME}", f"--replicas={replicas}")
            context.api.until_ready(NAMESPACE, NAME, replicas)
            until("no other runs", lambda count=replicas: len(metriclet.processes()) == count, 60)
            time.sleep(5)
    metriclet.spread()
    return f"through a rollout, two crashes and 1 → 3 → 1 replicas: {_never_without(watch)}"


def _lost(context):
    """The node without the scaled pod loses power, and is back after half of the range."""
    app = next(iter(context.api.pods(NAMESPACE_OF_APP, "app=web").values()))
    node = next(node for node in context.cluster.nodes if node.name != app["spec"]["nodeName"])
    lost = next(pod for pod, (_, on) in context.metriclet.processes().items() if on is node)
    restarts = context.metriclet.restarts(lost)
    with Watch(context.api, RATE) as watch:
        node.machine.power_off()
        until(f"{lost} is not ready", lambda: not _is_ready(context.metriclet.pods()[lost]), 120)
        time.sleep(RANGE / 2)
        node.power_on()
        until(f"{lost} runs again", lambda: context.metriclet.restarts(lost) > restarts, 180)
        context.settle()
    return f"through the loss of a node: {_never_without(watch)}"


def _is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _never_without(watch):
    """Fails if any replica responded without a rate; returns the number of requests that reached no replica."""
    name = "the metric"
    lacking = [why for failed, _, why in watch.troubles if failed == name and _is_of_replica(why)]
    if lacking:
        raise Failure(f"{len(lacking)} of {watch.asked[name]} requests returned no rate: {lacking[0]}")
    return f"of {watch.asked[name]} requests, {watch.failed(name)} reached no replica, and all others returned a rate"


def _is_of_replica(trouble):
    """Whether a replica responded, as opposed to an error of kube-apiserver or a timeout of this client."""
    return trouble[:1].isdigit() and not any(said in trouble for said in ("error trying to reach service", "service unavailable"))


def _apart(context, workload):
    """Doubles the load for a while and requests the rate from both replicas: they may differ by one sample. Returns the ratio."""
    addresses = [pod["status"]["podIP"] for pod in context.metriclet.pods().values()]
    highest, farthest = 0.0, 0.0
    more = workload.load(LOAD, MILLISECONDS)
    begun = time.monotonic()
    while time.monotonic() - begun < RANGE:
        rates = [_rate(context.metriclet.ask(address, RATE)) for address in addresses]
        highest, farthest = max(highest, *rates), max(farthest, max(rates) - min(rates))
        time.sleep(0.5)
    workload.end(more)
    # The increase of the rate by the additional load of one interval, times two, because the load is uneven.
    sample = 2 * LOAD * 1000 / MILLISECONDS * INTERVAL / RANGE
    if farthest > sample:
        raise Failure(f"expected rates of two replicas within {sample:.0f}/s, found {farthest:.1f}/s")
    time.sleep(RANGE)
    return farthest / highest


def _rate(items):
    """The rate of the only pod."""
    if len(items) != 1:
        raise Failure(f"expected the rate of one pod, found {items}")
    value = items[0]["value"]
    return float(value[:-1]) / 1000 if value.endswith("m") else float(value)
