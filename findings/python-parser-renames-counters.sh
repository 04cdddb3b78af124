#!/bin/sh
# prometheus_client 0.26.0 (PyPI): its parser of the text format adds _total to the counters that lack it.
#
# Behaviour: text_string_to_metric_families returns the samples of a counter `jobs` under the name jobs_total, even if the page has
# a gauge jobs_total as well. Written by generate_latest again, the page has other names than before, and one series twice.
# Why it matters: an agent that merges the pages of several processes, or a sidecar that filters them, serves names that no process
# has. A rule for the process's own page finds nothing on theirs.
# Source: prometheus_client/parser.py, build_metric.
# Seen: jobs 5 becomes jobs_total 5.0, beside the gauge's jobs_total 7.0.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet prometheus-client==0.26.0

cat >show.py <<'END'
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

PAGE = """# TYPE jobs counter
jobs 5
# TYPE jobs_total gauge
jobs_total 7
"""


class Page:
    def collect(self):
        return text_string_to_metric_families(PAGE)


registry = CollectorRegistry()
registry.register(Page())
print("\n".join(line for line in generate_latest(registry).decode().splitlines() if not line.startswith("# HELP")))
END
expect prometheus_client '# TYPE jobs_total counter
jobs_total 5.0
# TYPE jobs_total gauge
jobs_total 7.0' "$(venv/bin/python show.py)"
