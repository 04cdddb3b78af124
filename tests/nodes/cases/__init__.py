"""The cases on nodes. Each case is a function that returns its result, and restores the initial state; or raises DoesNotApply in
a cluster in which it cannot show anything."""

from dataclasses import dataclass
from typing import Callable

from cases import develop, failures, installed, policy, replicas, scaling, updates


@dataclass
class Case:
    """A case."""

    name: str
    title: str
    run: Callable


CASES = [
    Case("install", "`scripts/deploy` installs the production overlay: probes succeed, pods are confined as in the "
         "manifests, and events warn of nothing but the start of pods", installed.install),
    Case("hpa-pods", "An HPA of type Pods scales on the pods' open requests", scaling.pods_value),
    Case("hpa-rate", "An HPA of type Pods scales on a rate over Metriclet's own samples", scaling.pods_rate),
    Case("hpa-deployment", "An HPA of type Object scales on one number for all pods of a Deployment", scaling.deployment),
    Case("hpa-object", "An HPA of type Object scales on one page", scaling.page),
    Case("hpa-external", "An HPA of type External scales on a metric without an object", scaling.external),
    Case("hpa-zero", "An HPA scales to zero and back, and keeps its replicas when the page is missing", scaling.zero),
    Case("configmap", "An edit of the ConfigMap takes effect on both replicas; one with an error does not", updates.configuration),
    Case("certificate", "A renewed certificate in the Secret is served", updates.certificate),
    Case("token", "The projected token is renewed, and used", updates.token),
    Case("rollout", "A rollout fails no request", failures.rollout),
    Case("killed", "The APIService stays available when a replica is killed", failures.killed),
    Case("replicas", "Replicas share their samples: once there is a rate, every response has one while replicas and nodes stop and "
         "start, and both replicas have the same", replicas.share_samples),
    Case("hangs", "The APIService stays available when a replica hangs and ignores SIGTERM", failures.hangs),
    Case("restarts", "Restarts of the kubelet and containerd fail no request", failures.programs),
    Case("reboot", "The APIService stays available when a node reboots", failures.reboot),
    Case("power-off", "The APIService stays available when a node is lost", failures.power),
    Case("dns", "Pods are scraped without DNS, and other sources report the cause", failures.dns),
    Case("develop", "The overlay of `scripts/develop` works on any node, and `scripts/remove` removes all objects", develop.develop),
    # The last case: its rules remain in the kernel until the machines end.
    Case("policy", "The manifests' NetworkPolicy suffices where policies are enforced", policy.enforced),
]
