#!/bin/sh
# micrometer-registry-prometheus 1.17.2 (Maven): the end of its name decides what a gauge reports.
#
# Behaviour: a gauge whose name ends with `.info` becomes an info metric, which is 1 whatever its value. The endings `.total`,
# `.created` and `.bucket` are removed. If a counter has the name that is left, whichever of the two is registered later is not on
# the page, and only a line in the log says so.
# Why it matters: `pool.info` or `backlog.info` is 1 at any load. A gauge `jobs.total` makes the counter jobs_total vanish, and a
# rate of it has no series, so that nothing scales.
# Source: micrometer-registry-prometheus, PrometheusMeterRegistry.newGauge and applyToCollector; prometheus-metrics-model,
# PrometheusNaming.
# Seen: backlog.info of 500 reads 1, queue.total reads queue, and the counter jobs of 7 is missing.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
jars io.micrometer:micrometer-registry-prometheus:1.17.2

cat >Show.java <<'END'
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;

public class Show {
  public static void main(String[] arguments) {
    var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    registry.gauge("backlog.info", 500);
    registry.gauge("queue.total", 42);
    registry.gauge("jobs.total", 5);
    registry.counter("jobs").increment(7);
    registry.scrape().lines().filter(line -> !line.startsWith("# HELP")).forEach(System.out::println);
  }
}
END
expect Micrometer '# TYPE backlog_info gauge
backlog_info 1
# TYPE jobs gauge
jobs 5.0
# TYPE queue gauge
queue 42.0' "$(java -cp 'lib/*' Show.java 2>/dev/null)"
