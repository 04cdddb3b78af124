"""NetworkPolicies, enforced by kube-router."""

import json
import socket
import sys
import time

from metriclet import NAMESPACE
from process import DoesNotApply, Failure, run, until
from watch import Watch

SHOP = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/open_requests?labelSelector=app%3Dweb"
DENY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": []}}
ALLOW = {**DENY, "spec": {**DENY["spec"], "ingress": [{
    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}],
    "ports": [{"protocol": "TCP", "port": 8080}]}]}}


def enforced(context):
    """The manifests' policy allows only the traffic that Metriclet needs; a policy that isolates pods results in an error."""
    address = context.cluster.network.machines(context.cluster.network.CONTROL_PLANE)[0]
    if ":" in address:
        raise DoesNotApply("kube-router fails with IPv6, as it refers to sets of addresses that it has not made")
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        if not _connects(context, address, port):
            raise Failure(f"expected a connection from Metriclet's pod to {address}:{port}, because no policy is enforced yet; found none")
        for node in context.cluster.nodes:
            _start(node)
        until("the policy is enforced", lambda: not _connects(context, address, port), 90, 1)
    with Watch(context.api, SHOP) as watch:
        time.sleep(15)
        context.api.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/jobs")
        shown = watch.clean()
    context.kubectl("apply", "-f", "-", stdin=json.dumps(DENY))

    def why():
        status, body = context.api.ask(SHOP)
        return status != 200 and json.loads(body)["message"]
    said = until("Metriclet cannot scrape the pods", why, 90, 1)
    context.kubectl("apply", "-f", "-", stdin=json.dumps(ALLOW))
    until("Metriclet can scrape the pods", lambda: context.api.get(SHOP), 90, 1)
    context.kubectl("-n", "shop", "delete", "networkpolicy", "web")
    return f"with the manifests' policy: {shown}; with a policy that isolates the pods: “{said}”"


def _start(node):
    node.machine.background(
        "kube-router", node.programs.find("kube-router"), f"--kubeconfig={node.plane.kubeconfig}", f"--hostname-override={node.name}",
        "--run-router=false", "--run-service-proxy=false", "--run-firewall=true", "--iptables-sync-period=10s",
        f"--service-cluster-ip-range={node.network.all('services')[0]}")


def _connects(context, address, port):
    """Whether a process in the network namespace of each of Metriclet's pods can connect."""
    found = set()
    for pid, _ in context.metriclet.processes().values():
        code = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
        try:
            run("nsenter", "--target", str(pid), "--net", sys.executable, "-c", code)
            found.add(True)
        except Failure:
            found.add(False)
    if len(found) != 1:
        raise Failure(f"the pods differ: {found}")
    return found.pop()
