#!/bin/sh
# micrometer-registry-prometheus 1.17.2 (Maven): a gauge turns into NaN once the garbage collector takes its object.
#
# Behaviour: a Gauge refers to the object that it measures weakly, unless strongReference(true) is set. If nothing else refers to
# the object, such as a wrapper made for the gauge, the value is right until the next collection.
# Why it matters: the metric works in every test and at the first deployment, and becomes NaN under load. Averages and sums over
# all pods are NaN with it, in Prometheus too.
# Source: micrometer-core, io.micrometer.core.instrument.Gauge.Builder and internal.DefaultGauge.
# Seen: queue_depth 3.0, and NaN after a collection; the one with a strong reference stays 3.0.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
jars io.micrometer:micrometer-registry-prometheus:1.17.2

cat >Show.java <<'END'
import io.micrometer.core.instrument.Gauge;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;

public class Show {
  public static void main(String[] arguments) throws InterruptedException {
    var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    Gauge.builder("queue.depth", new ArrayList<>(List.of(1, 2, 3)), List::size).register(registry);
    Gauge.builder("queue.strong", new ArrayList<>(List.of(1, 2, 3)), List::size).strongReference(true).register(registry);
    print(registry);
    var collected = new WeakReference<>(new Object());
    while (collected.get() != null) {
      System.gc();
    }
    print(registry);
  }

  static void print(PrometheusMeterRegistry registry) {
    registry.scrape().lines().filter(line -> line.startsWith("queue")).forEach(System.out::println);
  }
}
END
expect Micrometer 'queue_depth 3.0
queue_strong 3.0
queue_depth NaN
queue_strong 3.0' "$(java -cp 'lib/*' Show.java 2>/dev/null)"
