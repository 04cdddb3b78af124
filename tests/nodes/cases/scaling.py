"""HPAs of each type on real pods, scaling up and down."""

from process import DoesNotApply, Failure, until
from workload import Workload


def pods_value(context):
    """One replica per ten open requests of the pods."""
    with Workload(context.cluster, "value") as workload:
        workload.scale_on({"type": "Pods", "pods": {
            "metric": {"name": "open_requests"}, "target": {"type": "AverageValue", "averageValue": "10"}}})
        workload.load(42, 1000)
        workload.reaches(5)
        said = workload.relieve()
        workload.reaches(1)
    return f"42 open requests: 5 replicas, and 1 without; load: {said}"


def pods_rate(context):
    """One replica per twenty requests per second, from Metriclet's own samples."""
    with Workload(context.cluster, "rate") as workload:
        workload.scale_on({"type": "Pods", "pods": {
            "metric": {"name": "requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "20"}}})
        workload.load(35, 500)
        workload.reaches(4)
        said = workload.relieve()
        workload.reaches(1)
    return f"35 requests of half a second: 4 replicas, and 1 without; load: {said}"


def deployment(context):
    """One number for all pods of a Deployment."""
    with Workload(context.cluster, "fleet") as workload:
        workload.scale_on(_object("apps/v1", "Deployment", "web", "all_open_requests"))
        workload.load(24, 1000)
        workload.reaches(3)
        workload.relieve()
        workload.reaches(1)
    return "24 open requests: 3 replicas, and 1 without"


def page(context):
    """One page, of the queue's Service."""
    with Workload(context.cluster, "object") as workload:
        workload.scale_on(_object("v1", "Service", "web", "jobs"))
        workload.set_jobs(35)
        workload.reaches(4)
        workload.set_jobs(3)
        workload.reaches(1)
    return "35 jobs: 4 replicas; 3 jobs: 1"


def external(context):
    """A metric of a broker, without an object in the cluster."""
    with Workload(context.cluster, "external") as workload:
        workload.scale_on({"type": "External", "external": {
            "metric": {"name": "jobs_elsewhere", "selector": {"matchLabels": {"queue": "mail"}}},
            "target": {"type": "AverageValue", "averageValue": "10"}}})
        workload.set_jobs(25)
        workload.reaches(3)
        workload.set_jobs(0)
        workload.reaches(1)
    return "25 jobs: 3 replicas; none: 1"


def zero(context):
    """Scales to zero replicas and back."""
    if int(context.api.get("/version")["minor"]) < 37:
        raise DoesNotApply("HPAs scale to zero from Kubernetes 1.37 on")
    with Workload(context.cluster, "zero") as workload:
        workload.scale_on(_object("v1", "Service", "web", "jobs"), minimum=0)
        workload.set_jobs(15)
        workload.reaches(2)
        workload.set_jobs(0)
        workload.has_scaled_to_zero()
        workload.set_jobs(1)
        workload.reaches(1)
        # The page is missing instead of 0: the HPA keeps its replicas.
        context.kubectl("-n", "zero", "scale", "deployment/queue", "--replicas=0")

        def fails():
            active, why = workload.condition("ScalingActive")
            if active != "False":
                raise Failure(f"ScalingActive {active}: {why}")
            return why
        why = until("the HPA notices that the queue is gone", fails, 60)
        context.api.until_ready("zero", "web", 1)
    return f"15 jobs: 2 replicas; none: 0; 1 job: 1. Without the page replicas remain unchanged, and the HPA says: “{why.split('metrics API: ')[-1]}”"


def _object(api_version, kind, name, metric):
    return {"type": "Object", "object": {
        "describedObject": {"apiVersion": api_version, "kind": kind, "name": name},
        "metric": {"name": metric}, "target": {"type": "AverageValue", "averageValue": "10"}}}
