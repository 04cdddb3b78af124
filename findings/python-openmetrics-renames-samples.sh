#!/bin/sh
# prometheus_client 0.26.0 (PyPI), asked for OpenMetrics without an escaping parameter, renames metrics in their samples only.
#
# Behaviour: `Accept: application/openmetrics-text; version=1.0.0` is answered with `escaping=underscores`. A colon, which is legal
# in metric names, becomes an underscore in the samples, while HELP and TYPE keep it: the type of the samples is lost, and
# vLLM's vllm:num_requests_waiting is called vllm_num_requests_waiting. Text format and `escaping=allow-utf-8` keep the name.
# Why it matters: an expression that works on the text format matches nothing as soon as OpenMetrics is negotiated.
# Source: prometheus_client/exposition.py, choose_encoder; prometheus_client/openmetrics/exposition.py, generate_latest.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet prometheus-client==0.26.0

cat >show.py <<'END'
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

registry = CollectorRegistry()
Gauge("vllm:num_requests_waiting", "Waiting", registry=registry).set(3)
for accept in (
    "application/openmetrics-text; version=1.0.0",
    "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8",
    "text/plain; version=0.0.4",
):
    encoder, content_type = choose_encoder(accept)
    print(content_type.rsplit("; ", 1)[-1])
    lines = encoder(registry).decode().splitlines()
    print("\n".join(line for line in lines if "vllm" in line and not line.startswith("# HELP")))
END
expect prometheus_client "escaping=underscores
# TYPE vllm:num_requests_waiting gauge
vllm_num_requests_waiting 3.0
escaping=allow-utf-8
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting 3.0
charset=utf-8
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting 3.0" "$(venv/bin/python show.py)"
