"""Starts a cluster with nodes, installs Metriclet, runs cases, and prints their results.

scripts/test-nodes calls it: main.py STATE IMAGE ARCHIVE BUSYBOX VERSION FAMILIES [CASE...]
"""

import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from cases import CASES
from cluster import Cluster
from metriclet import Metriclet
from process import DoesNotApply, Failure, until
from programs import Programs
from report import Report
from workload import Workload


@dataclass
class Context:
    """The context of a case."""

    cluster: Cluster
    metriclet: Metriclet

    @property
    def api(self):
        """The client for kube-apiserver."""
        return self.cluster.api

    @property
    def kubectl(self):
        """Runs kubectl as an administrator."""
        return self.cluster.kubectl

    def settle(self):
        """Waits until nodes, DNS, Metriclet and its APIs are ready."""
        for node in self.cluster.nodes:
            until(f"{node.name} is ready", node.ready, 120)
        self.api.until_ready("kube-system", "coredns", 2)
        self.metriclet.settle()


def main(state, image, archive, busybox, version, families, *wanted):
    """Runs the cases; returns the exit code."""
    chosen = [case for case in CASES if not wanted or any(part in case.name for part in wanted)]
    if not chosen:
        print(f"no case has {' or '.join(wanted)} in its name; the cases are {', '.join(case.name for case in CASES)}", file=sys.stderr)
        return 64
    report = Report(version)
    report.say("starting a control plane and two nodes")
    cluster = Cluster(Path(state), Programs(Path(state), archive, busybox), [int(family) for family in families])
    report.say("the nodes are ready")
    metriclet = Metriclet(Path(state), cluster.plane, cluster.api, cluster.nodes, image)
    context = Context(cluster, metriclet)
    report.say("installing Metriclet with scripts/deploy")
    metriclet.install()
    shop = Workload(cluster, "shop")
    shop.begin(2)
    for case in chosen:
        report.begin(case)
        try:
            context.settle()
            shown = case.run(context)
            context.settle()
            report.passed(shown)
        except DoesNotApply as why:
            report.does_not_apply(why)
        except (Failure, OSError, KeyError, IndexError, ValueError, AssertionError) as error:
            report.failed(error, "" if isinstance(error, Failure) else traceback.format_exc())
    return report.finish(Path(state))


if __name__ == "__main__":
    since = time.monotonic()
    code = main(*sys.argv[1:])
    print(f"in {time.monotonic() - since:.0f} s")
    sys.exit(code)
