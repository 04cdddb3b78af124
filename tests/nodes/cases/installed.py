"""The installation by scripts/deploy, as the kubelets report it."""

import os
from pathlib import Path

from metriclet import NAME, NAMESPACE
from process import Failure


def install(context):
    """The pods are ready, on different nodes, confined as in the manifests, and small; there are no unexpected warnings."""
    metriclet = context.metriclet
    pods = metriclet.pods()
    nodes = {pod["spec"]["nodeName"] for pod in pods.values()}
    expect("nodes of the two pods", nodes, {"node1", "node2"})
    processes = metriclet.processes()
    expect("pods with a process", set(processes), set(pods))
    for pod, (pid, node) in processes.items():
        confined(pid)
        mounted(pid)
        expect(f"restarts of {pod}", pods[pod]["status"]["containerStatuses"][0]["restartCount"], 0)
        expect(f"QoS class of {pod}", pods[pod]["status"]["qosClass"], "Burstable")
    sizes = [resident(context, pod, node) for pod, (_, node) in processes.items()]
    request = 32 * 1024 * 1024
    if max(sizes) > request:
        raise Failure(f"expected at most the request of {request} bytes of memory, found {sizes}")
    expect("warnings", [event for event in metriclet.events() if not harmless(event)], [])
    for apiservice in ("v1beta1", "v1beta2"):
        context.api.get(f"/apis/custom.metrics.k8s.io/{apiservice}")
    return f"working set {' and '.join(f'{size / 2**20:.1f} MiB' for size in sorted(sizes))} in the kubelets' cAdvisor"


def expect(what, found, expected):
    """Fails if the values differ."""
    if found != expected:
        raise Failure(f"{what}: expected {expected!r}, found {found!r}")


def harmless(event):
    """Whether docs/troubleshooting.md describes the warning as expected once while a pod starts."""
    reason, message = event
    return (reason == "Unhealthy" and message.startswith("Readiness probe failed")) or \
        (reason == "FailedMount" and "failed to sync" in message and "cache" in message)


def confined(pid):
    """Checks the security attributes of a process in the kernel."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    expect("user", status["Uid"].split(), ["65532"] * 4)
    expect("group", status["Gid"].split(), ["65532"] * 4)
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(capabilities, int(status[capabilities], 16), 0)
    expect("NoNewPrivs", status["NoNewPrivs"], "1")
    # 2: a seccomp filter, which is RuntimeDefault's.
    expect("Seccomp", status["Seccomp"], "2")


def mounted(pid):
    """The root is read-only; token, authority, configuration and certificate are mounted."""
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines()]
    options = {mount[4]: mount[5].split(",") for mount in mounts}
    for path in ("/", "/etc/metriclet", "/etc/metriclet-tls", "/var/run/secrets/kubernetes.io/serviceaccount"):
        if "ro" not in options.get(path, []):
            raise Failure(f"{path} of Metriclet: expected a read-only mount, found {options.get(path)}")
    root = f"/proc/{pid}/root"
    account = f"{root}/var/run/secrets/kubernetes.io/serviceaccount"
    for file in (f"{account}/token", f"{account}/ca.crt", f"{account}/namespace", f"{root}/etc/metriclet/metrics.yaml",
                 f"{root}/etc/metriclet-tls/tls.crt", f"{root}/etc/metriclet-tls/tls.key"):
        if os.stat(file).st_size == 0:
            raise Failure(f"{file} is empty")
    mode = os.stat(f"{root}/etc/metriclet-tls/tls.key")
    expect("owner and mode of the key", (mode.st_gid, mode.st_mode & 0o777), (65532, 0o440))


def resident(context, pod, node):
    """The working set of Metriclet's container, as reported by the kubelet."""
    summary = context.api.get(f"/api/v1/nodes/{node.name}/proxy/stats/summary")
    found = next(stats for stats in summary["pods"] if stats["podRef"] == {**stats["podRef"], "name": pod, "namespace": NAMESPACE})
    return next(c["memory"]["workingSetBytes"] for c in found["containers"] if c["name"] == "metriclet" and NAME in pod)
