#!/bin/sh
# prometheus_client 0.26.0 (PyPI) in multiprocess mode serves 0 for a gauge that has a function.
#
# Behaviour: Gauge.set_function replaces how one process reports the gauge. Multiprocess mode reads the values of all processes
# from files, which hold the 0 that the gauge began with, and never calls the function. There is no error and no warning.
# Why it matters: the same code reports a queue's depth under a development server and 0 under gunicorn, where
# PROMETHEUS_MULTIPROC_DIR is set. The HPA scales down to its minimum at any load.
# Source: prometheus_client/metrics.py, Gauge.set_function; prometheus_client/multiprocess.py, MultiProcessCollector.
# Seen: queue_depth 7.0 from the process's own registry, and 0.0 from the multiprocess collector.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet prometheus-client==0.26.0

mkdir values
cat >show.py <<'END'
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest, multiprocess

gauge = Gauge("queue_depth", "Waiting", multiprocess_mode="livesum")
gauge.set_function(lambda: 7)

registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
for page in generate_latest(REGISTRY), generate_latest(registry):
    print([line for line in page.decode().splitlines() if line.startswith("queue_depth")])
END
expect prometheus_client "['queue_depth 7.0']
['queue_depth 0.0']" "$(PROMETHEUS_MULTIPROC_DIR=$PWD/values venv/bin/python show.py)"
