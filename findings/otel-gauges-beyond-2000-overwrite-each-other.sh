#!/bin/sh
# @opentelemetry/sdk-metrics 2.12.0 (npm): beyond 2,000 sets of attributes, the values of a gauge overwrite each other.
#
# Behaviour: each instrument keeps 2,000 sets of attributes at most, and records all others under one set,
# otel_metric_overflow="true". For counters that loses the attributes only; the series of a gauge holds whichever value came last.
# The page has no warning but that label. opentelemetry-sdk 1.45.2 for Python does the same.
# Why it matters: sum(queue_depth) over 3,000 tenants lacks the backlog of a third of them, and the service of such a tenant has
# no series of its own. max() misses its backlog too.
# Source: sdk-metrics, src/state/DeltaMetricProcessor.ts; the specification's Metrics SDK, "Cardinality limits".
# Seen: 3,000 tenants with a backlog of 10 each, 30,000 in all, are exported as 2,000 series with a sum of 20,000.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.0 \
    @opentelemetry/exporter-prometheus@0.223.0

cat >show.js <<'END'
const { MeterProvider } = require("@opentelemetry/sdk-metrics");
const { PrometheusExporter, PrometheusSerializer } = require("@opentelemetry/exporter-prometheus");

const exporter = new PrometheusExporter({ preventServerStart: true });
const meter = new MeterProvider({ readers: [exporter] }).getMeter("app");
const gauge = meter.createGauge("queue.depth");
const counter = meter.createCounter("jobs");
for (let tenant = 0; tenant < 3000; tenant++) {
  gauge.record(10, { tenant });
  counter.add(10, { tenant });
}
exporter.collect().then(({ resourceMetrics }) => {
  const page = new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics);
  for (const name of ["queue_depth", "jobs_total"]) {
    const lines = page.split("\n").filter((line) => line.startsWith(`${name}{`));
    const sum = lines.reduce((total, line) => total + Number(line.split(" ").pop()), 0);
    console.log(name, lines.length, "series, sum", sum);
    console.log(lines.filter((line) => line.includes("overflow")).join("\n"));
  }
});
END
expect OpenTelemetry 'queue_depth 2000 series, sum 20000
queue_depth{otel_metric_overflow="true"} 10
jobs_total 2000 series, sum 30000
jobs_total{otel_metric_overflow="true"} 10010' "$(node show.js)"
