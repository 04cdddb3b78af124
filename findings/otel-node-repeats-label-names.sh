#!/bin/sh
# @opentelemetry/exporter-prometheus 0.223.0 (npm) writes a label twice, which makes the page invalid.
#
# Behaviour: characters that Prometheus' label names may not have become underscores, one attribute at a time. The attributes
# `http.method` and `http_method` both become the label http_method. The specification wants their values joined by `;`.
# opentelemetry-exporter-prometheus 0.66b2 for Python keeps one of the values and drops the other.
# Why it matters: services carry both spellings while they move to the semantic conventions. One such measurement, and Prometheus
# refuses the whole page, with all metrics of the process that have nothing to do with it.
# Source: exporter-prometheus, src/PrometheusSerializer.ts, stringify; the specification's "Prometheus and OpenMetrics
# Compatibility", "Metric Attributes".
# Seen: the output below, with what the parser of prometheus_client 0.26.0 (PyPI) says to it.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs node npm python3
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.0 \
    @opentelemetry/exporter-prometheus@0.223.0
python3 -m venv venv
venv/bin/pip install --quiet prometheus-client==0.26.0

cat >show.js <<'END'
const { MeterProvider } = require("@opentelemetry/sdk-metrics");
const { PrometheusExporter, PrometheusSerializer } = require("@opentelemetry/exporter-prometheus");

const exporter = new PrometheusExporter({ preventServerStart: true });
const meter = new MeterProvider({ readers: [exporter] }).getMeter("app");
meter.createCounter("requests").add(1, { "http.method": "GET", http_method: "HEAD" });
exporter.collect().then(({ resourceMetrics }) => {
  process.stdout.write(new PrometheusSerializer(undefined, false, undefined, true, true).serialize(resourceMetrics));
});
END
cat >parse.py <<'END'
from prometheus_client.parser import text_string_to_metric_families

page = open("page").read()
print("\n".join(line for line in page.splitlines() if line.startswith("requests")))
try:
    print(list(text_string_to_metric_families(page)))
except ValueError as error:
    print(error)
END
node show.js >page
expect OpenTelemetry 'requests_total{http_method="GET",http_method="HEAD"} 1
Invalid labels: http_method="GET",http_method="HEAD"' "$(venv/bin/python parse.py)"
