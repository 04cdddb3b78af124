#!/bin/sh
# opentelemetry-sdk 1.45.2 (PyPI), with exporter-prometheus 0.66b2, gives a histogram in seconds buckets of 5, 10, 25 … 10,000.
#
# Behaviour: the bounds that the specification sets by default suit milliseconds, and the unit of the instrument does not change
# them. The conventions want durations in seconds. All latencies up to 5 s fall into one bucket, le="5.0".
# Why it matters: histogram_quantile() interpolates within that bucket. A service that answers in 20 ms has a p99 of 4.95 s, and
# one that answers in 4 s has the same. An HPA on it scales to the maximum, or never.
# Source: opentelemetry/sdk/metrics/_internal/aggregation.py, ExplicitBucketHistogramAggregation; the specification's Metrics SDK,
# "Explicit bucket histogram aggregation"; semantic conventions, "Metrics", "Instrument units".
# Seen: the output below: an interpolated p99 of 4.95 s for 20 ms and for 4 s.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-prometheus==0.66b2 prometheus-client==0.26.0

cat >show.py <<'END'
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

meter = MeterProvider([PrometheusMetricReader()]).get_meter("app")
duration = meter.create_histogram("request.duration", unit="s")
for _ in range(100):
    duration.record(0.02, {"path": "fast"})
    duration.record(4.0, {"path": "slow"})

buckets = {"fast": [], "slow": []}
for metric in REGISTRY.collect():
    for sample in metric.samples:
        if sample.name == "request_duration_seconds_bucket":
            buckets[sample.labels["path"]].append((float(sample.labels["le"]), sample.value))
for path, bounds in buckets.items():
    rank = 0.99 * bounds[-1][1]
    index = next(index for index, (_, count) in enumerate(bounds) if count >= rank)
    (below, before), (bound, count) = bounds[index - 1], bounds[index]
    quantile = below + (bound - below) * (rank - before) / (count - before)
    print(f"{path}: {count:.0f} of 100 in le={bound}, p99 {quantile:.2f} s")
END
expect OpenTelemetry 'fast: 100 of 100 in le=5.0, p99 4.95 s
slow: 100 of 100 in le=5.0, p99 4.95 s' "$(venv/bin/python show.py)"
