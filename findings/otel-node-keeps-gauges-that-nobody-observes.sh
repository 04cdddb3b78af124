#!/bin/sh
# @opentelemetry/sdk-metrics 2.12.0 (npm), with exporter-prometheus 0.223.0, keeps gauges that are no longer observed.
#
# Behaviour: the callback of an observable gauge observes the queues that exist. OpenTelemetry's specification tells SDKs to leave
# out attributes that the last callback did not observe. The SDK for Node.js merges each collection into the one before, so a
# queue that is gone keeps its last value for the life of the process. The SDK for Python leaves it out.
# Why it matters: sum(queue_depth) contains the backlog of every queue or tenant that was ever deleted, and an HPA on it does not
# scale down again.
# Source: sdk-metrics, src/state/TemporalMetricProcessor.ts, for cumulative temporality; the specification's Metrics SDK,
# "Observations inside asynchronous callbacks".
# Seen: with the queue "a" deleted, the page still gives it 5.
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
const queues = new Map([["a", 5], ["b", 7]]);
meter.createObservableGauge("queue.depth").addCallback((result) => {
  for (const [queue, depth] of queues) result.observe(depth, { queue });
});
const show = async () => {
  const { resourceMetrics } = await exporter.collect();
  const page = new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics);
  console.log(page.split("\n").filter((line) => line.startsWith("queue_depth")).join("\n"));
};
const main = async () => {
  await show();
  queues.delete("a");
  queues.set("b", 8);
  await show();
};
main();
END
expect OpenTelemetry 'queue_depth{queue="a"} 5
queue_depth{queue="b"} 7
queue_depth{queue="a"} 5
queue_depth{queue="b"} 8' "$(node show.js)"
