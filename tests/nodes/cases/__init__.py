"""What is tested on nodes. Each case is a function that returns what it has seen, and leaves all as it was; or
raises DoesNotApply, where the cluster is one on which it can show nothing."""

from dataclasses import dataclass
from typing import Callable

from cases import develop, failures, installed, policy, scaling, updates


@dataclass
class Case:
    """One of them."""

    name: str
    title: str
    run: Callable


CASES = [
    Case("install", "`scripts/deploy` installs the production overlay: probes pass, pods are confined as the manifests say, and "
         "nothing but the start of pods is in the events", installed.install),
    Case("hpa-pods", "An HPA of type Pods follows what the pods have open", scaling.pods_value),
    Case("hpa-rate", "An HPA of type Pods follows a rate over Metriclet's own samples", scaling.pods_rate),
    Case("hpa-deployment", "An HPA of type Object follows all pods of a Deployment as one number", scaling.deployment),
    Case("hpa-object", "An HPA of type Object follows one page", scaling.page),
    Case("hpa-external", "An HPA of type External follows a page elsewhere", scaling.external),
    Case("hpa-zero", "An HPA scales to zero and back, and keeps its replicas when the page is gone", scaling.zero),
    Case("configmap", "An edit of the ConfigMap takes effect on both replicas; one with an error does not", updates.configuration),
    Case("certificate", "A renewed certificate in the Secret is served", updates.certificate),
    Case("token", "The projected token is renewed, and used", updates.token),
    Case("rollout", "A rollout fails no request", failures.rollout),
    Case("killed", "The APIService stays available when a replica is killed", failures.killed),
    Case("hangs", "The APIService stays available when a replica hangs and ignores SIGTERM", failures.hangs),
    Case("restarts", "Restarts of the kubelet and containerd fail no request", failures.programs),
    Case("reboot", "The APIService stays available when a node reboots", failures.reboot),
    Case("power-off", "The APIService stays available when a node is lost", failures.power),
    Case("dns", "Pods are scraped without DNS, and other sources say what is wrong", failures.dns),
    Case("develop", "The overlay of `scripts/develop` works on any node, and `scripts/remove` leaves nothing", develop.develop),
    # The last one: its rules stay in the kernel until the machines end.
    Case("policy", "The manifests' NetworkPolicy suffices where policies are enforced", policy.enforced),
]
