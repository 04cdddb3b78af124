#!/bin/sh
# prometheus_client 0.26.0 (PyPI) in multiprocess mode keeps a gauge for every process that has ever run.
#
# Behaviour: a gauge without `multiprocess_mode` gets a label `pid`, and the values of processes that have ended stay on the page
# until their files are deleted. Nothing deletes them but mark_process_dead, and that only for the modes that begin with `live`.
# Why it matters: sum(queue_depth) grows with every worker that gunicorn recycles, and an HPA on it scales up for good.
# Source: prometheus_client/multiprocess.py, MultiProcessCollector and mark_process_dead; README, "Multiprocess Mode".
# Seen: three processes that have ended, each with a gauge of 5: three series, sum 15; a counter of 2 each: one series, 6.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet prometheus-client==0.26.0

mkdir values
export PROMETHEUS_MULTIPROC_DIR="$PWD/values"
cat >work.py <<'END'
from prometheus_client import Counter, Gauge

Gauge("queue_depth", "Waiting").set(5)
Counter("jobs", "Done").inc(2)
END
cat >show.py <<'END'
import re

from prometheus_client import CollectorRegistry, generate_latest, multiprocess

registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
lines = []
for line in generate_latest(registry).decode().splitlines():
    if not line.startswith("#"):
        lines.append(re.sub(r'pid="\d+"', 'pid="…"', line))
print("\n".join(sorted(lines)))
END
for _ in 1 2 3; do venv/bin/python work.py; done
expect prometheus_client 'jobs_total 6.0
queue_depth{pid="…"} 5.0
queue_depth{pid="…"} 5.0
queue_depth{pid="…"} 5.0' "$(venv/bin/python show.py)"
