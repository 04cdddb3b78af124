"""The installation by scripts/develop, on a node that is not Kind's."""

import json
import ssl
import urllib.request

from metriclet import NAME, NAMESPACE
from process import Failure, until

OVERLAY = "manifests/overlays/develop"


def develop(context):
    """The overlay develop: a host port, the sample app and its HPA. Runs scripts/remove before and after."""
    metriclet = context.metriclet
    remove(context)
    metriclet.deploy(OVERLAY)
    context.api.until_ready(NAMESPACE, NAME, 1)
    context.api.until_ready("default", "sample-queue", 1)
    answer = json.loads(metriclet.script("query", "namespaces/default/services/sample/queue_depth"))
    value = answer["items"][0]["value"]
    # One replica per three jobs.
    context.api.until_ready("default", "sample", -(-int(value) // 3))
    pod = next(iter(metriclet.pods().values()))
    address = pod["status"]["hostIP"]
    url = f"https://{f'[{address}]' if ':' in address else address}:8443/livez"
    with urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()) as live:
        if live.status != 200:
            raise Failure(f"{url}: {live.status}")
    page = context.api.get("/api/v1/namespaces/default/configmaps/sample-page")["data"]["metrics"]
    longer = page.replace('state="waiting"} 4', 'state="waiting"} 10')
    context.kubectl("patch", "configmap", "sample-page", "--type=merge", "-p", json.dumps({"data": {"metrics": longer}}))
    context.api.until_ready("default", "sample", 4, 240)
    context.kubectl("delete", "-k", "manifests/samples")
    remove(context)
    metriclet.install()
    return f"queue_depth {value}: {-(-int(value) // 3)} replicas of the sample; 12 after an edit of its page: 4; " \
        "port 8443 of the node responds"


def remove(context):
    """Runs scripts/remove, and checks that no objects of Metriclet remain."""
    context.metriclet.script("remove")
    until("the namespace is gone", lambda: context.api.ask(f"/api/v1/namespaces/{NAMESPACE}")[0] == 404, 120)
    label = "-l=app.kubernetes.io/part-of=metriclet"
    kinds = "apiservices,clusterroles,clusterrolebindings,roles,rolebindings,namespaces"
    left = context.kubectl("get", kinds, "-A", label, "-o", "name")
    if left.strip():
        raise Failure(f"expected nothing after scripts/remove, found {left}")
