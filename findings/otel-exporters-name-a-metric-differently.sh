#!/bin/sh
# The Prometheus exporters of OpenTelemetry for Go, Python and Node.js (0.69.0, 0.66b2, 0.223.0) name instruments differently.
#
# Behaviour: Go and Python append the unit to the name, Node.js does not. Only Go appends _ratio to a gauge of unit "1", although
# it counts things. Counters get _total everywhere.
# Why it matters: a rule written against one service has no series at another that uses the same instruments and conventions. With
# `or vector(0)` that reads 0. A queue's depth of 50 is called a ratio, which dashboards show as 5000 %.
# Source: go.opentelemetry.io/otel/exporters/prometheus, exporter.go; opentelemetry/exporter/prometheus/__init__.py;
# @opentelemetry/exporter-prometheus, src/PrometheusSerializer.ts.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs go node npm python3
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.0 \
    @opentelemetry/exporter-prometheus@0.223.0
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-prometheus==0.66b2 prometheus-client==0.26.0
go_modules github.com/prometheus/client_golang@v1.25.0 \
    go.opentelemetry.io/otel/exporters/prometheus@v0.69.0 \
    go.opentelemetry.io/otel/sdk/metric@v1.47.0

cat >show.js <<'END'
const { MeterProvider } = require("@opentelemetry/sdk-metrics");
const { PrometheusExporter, PrometheusSerializer } = require("@opentelemetry/exporter-prometheus");

const exporter = new PrometheusExporter({ preventServerStart: true });
const meter = new MeterProvider({ readers: [exporter] }).getMeter("app");
meter.createGauge("queue.depth", { unit: "1" }).record(50);
meter.createUpDownCounter("memory.used", { unit: "By" }).add(5);
meter.createCounter("busy.time", { unit: "ms" }).add(1);
exporter.collect().then(({ resourceMetrics }) => {
  console.log(new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics));
});
END
cat >show.py <<'END'
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

meter = MeterProvider([PrometheusMetricReader()]).get_meter("app")
meter.create_gauge("queue.depth", unit="1").set(50)
meter.create_up_down_counter("memory.used", unit="By").add(5)
meter.create_counter("busy.time", unit="ms").add(1)
print(generate_latest(REGISTRY).decode())
END
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

func main() {
	exporter, err := prometheus.New()
	if err != nil {
		log.Fatal(err)
	}
	meter := sdk.NewMeterProvider(sdk.WithReader(exporter)).Meter("app")
	depth, _ := meter.Int64Gauge("queue.depth", metric.WithUnit("1"))
	depth.Record(context.Background(), 50)
	used, _ := meter.Int64UpDownCounter("memory.used", metric.WithUnit("By"))
	used.Add(context.Background(), 5)
	busy, _ := meter.Int64Counter("busy.time", metric.WithUnit("ms"))
	busy.Add(context.Background(), 1)
	page := httptest.NewRecorder()
	promhttp.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(page.Body)
}
END
# The names of our samples, in the order of depth, memory and time.
names() {
    for name in queue memory busy; do sed -n "s/^\(${name}_[a-z_]*\).*/\1/p" "$1"; done | paste -s -d ' ' -
}
node show.js >node.page
venv/bin/python show.py >python.page
run_go >go.page
expect 'the exporter for Go' 'queue_depth_ratio memory_used_bytes busy_time_milliseconds_total' "$(names go.page)"
expect 'the exporter for Python' 'queue_depth memory_used_bytes busy_time_milliseconds_total' "$(names python.page)"
expect 'the exporter for Node.js' 'queue_depth memory_used busy_time_total' "$(names node.page)"
