"""Failures of pods, nodes, programs of nodes, and DNS."""

import json
import os
import signal
import time

from metriclet import NAME, NAMESPACE
from process import Failure, until
from watch import Watch

SHOP = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/open_requests?labelSelector=app%3Dweb"


def rollout(context):
    """New pods replace the old ones, and no request fails."""
    with Watch(context.api, SHOP) as watch:
        before = set(context.metriclet.pods())
        context.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{NAME}")
        context.api.until_ready(NAMESPACE, NAME, 2)
        # The old pods drain for ten seconds.
        until("the old processes have ended", lambda: not before & set(context.metriclet.processes()), 60)
        shown = watch.clean()
    context.metriclet.spread()
    return shown


def killed(context):
    """Kills each process in turn; the kubelet starts another one in the same pod."""
    took = []
    with Watch(context.api, SHOP) as watch:
        for pod, (pid, _) in context.metriclet.processes().items():
            before = context.metriclet.restarts(pod)
            os.kill(pid, signal.SIGKILL)
            since = time.monotonic()
            until(f"{pod} has restarted", lambda name=pod, count=before: context.metriclet.restarts(name) > count, 60)
            context.api.until_ready(NAMESPACE, NAME, 2)
            took.append(time.monotonic() - since)
            time.sleep(5)
    return f"ready again after {' and '.join(f'{seconds:.1f} s' for seconds in took)}; failed meanwhile: {watch.outage()}"


def hangs(context):
    """Stops a process, so that it also ignores SIGTERM: the kubelet detects that and kills it."""
    pod, (pid, _) = next(iter(context.metriclet.processes().items()))
    with Watch(context.api, SHOP) as watch:
        os.kill(pid, signal.SIGSTOP)
        since = time.monotonic()
        until(f"{pod} is not ready", lambda: not _ready(context.metriclet.pods()[pod]), 60)
        unready = time.monotonic() - since
        context.kubectl("-n", NAMESPACE, "delete", "pod", pod, "--wait=false")
        until(f"{pod} is gone", lambda: pod not in context.metriclet.processes(), 120)
        gone = time.monotonic() - since
        context.api.until_ready(NAMESPACE, NAME, 2)
    context.metriclet.spread()
    return f"not ready after {unready:.0f} s, killed after {gone:.0f} s; failed meanwhile: {watch.outage()}"


def _ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def programs(context):
    """Restarts the kubelet and containerd on both nodes; pods continue to run."""
    before = {pod: pid for pod, (pid, _) in context.metriclet.processes().items()}
    with Watch(context.api, SHOP) as watch:
        for node in context.cluster.nodes:
            node.machine.end("kubelet")
            node.machine.end("containerd")
            time.sleep(5)
            node.start_containerd()
            node.start_kubelet()
            until(f"{node.name} is ready", node.ready, 120)
        time.sleep(20)
        shown = watch.clean()
    after = {pod: pid for pod, (pid, _) in context.metriclet.processes().items()}
    if after != before:
        raise Failure(f"expected the same processes as before, {before}, found {after}")
    return shown


def reboot(context):
    """A node loses power for ten seconds."""
    node = context.cluster.nodes[1]
    pod = next(pod for pod, (_, on) in context.metriclet.processes().items() if on is node)
    before = context.metriclet.restarts(pod)
    with Watch(context.api, SHOP) as watch:
        node.machine.power_off()
        time.sleep(10)
        node.power_on()
        since = time.monotonic()
        until(f"{pod} runs again", lambda: context.metriclet.restarts(pod) > before, 180)
        context.settle()
        took = time.monotonic() - since
    return f"its pod is ready {took:.0f} s after power-on; failed meanwhile: {watch.outage()}"


def power(context):
    """A node loses power and stays off: Kubernetes evicts its pods after five minutes."""
    node = context.cluster.nodes[1]
    lost = next(pod for pod, (_, on) in context.metriclet.processes().items() if on is node)
    with Watch(context.api, SHOP) as watch:
        node.machine.power_off()
        since = time.monotonic()
        until(f"{node.name} is not ready", lambda: not _is_ready(node), 120)
        noticed = time.monotonic() - since
        failed = watch.failed("the metric")
        until(f"{lost} is evicted", lambda: lost not in context.metriclet.pods(), 420, 1)
        evicted = time.monotonic() - since
        context.api.until_ready(NAMESPACE, NAME, 2)
        after = watch.failed("the metric") - failed
    node.power_on()
    until(f"{node.name} is ready", node.ready, 120)
    context.settle()
    context.metriclet.spread()
    return f"NotReady after {noticed:.0f} s, evicted after {evicted:.0f} s and replaced on the other node; " \
        f"failed: {watch.outage()}, {after} of the latter after NotReady"


def _is_ready(node):
    try:
        return node.ready()
    except Failure:
        return False


def dns(context):
    """Without DNS, pods are still scraped, and a source with a host name reports the cause."""
    path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/jobs"
    context.api.get(path)
    with Watch(context.api, SHOP) as watch:
        context.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=0")

        def why():
            status, body = context.api.ask(path)
            return status != 200 and body.decode()
        said = until("the source fails", why, 90, 1)
        since = time.monotonic()
        context.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=2")
        until("the source is back", lambda: context.api.get(path), 90, 0.5)
        took = time.monotonic() - since
        context.api.until_ready("kube-system", "coredns", 2)
        shown = watch.clean()
    return f"“{json.loads(said)['message']}”; back {took:.0f} s after DNS; pods' metrics meanwhile: {shown}"
