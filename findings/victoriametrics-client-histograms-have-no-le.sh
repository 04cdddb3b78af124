#!/bin/sh
# github.com/VictoriaMetrics/metrics v1.45.0 (Go module): its histograms have the label vmrange instead of le.
#
# Behaviour: NewHistogram exports req_seconds_bucket for each range that holds an observation, with a label such as
# vmrange="4.642e-01...5.275e-01". The buckets are not cumulative, there is none for +Inf, and no TYPE line. _sum and _count are
# as usual. NewPrometheusHistogram exports le.
# Why it matters: the names look like a Prometheus histogram. Outside VictoriaMetrics histogram_quantile() has no result, and an
# SLO such as sum(rate(req_seconds_bucket{le="0.5"}[5m])) / sum(rate(req_seconds_count[5m])) has none either.
# Source: VictoriaMetrics/metrics, histogram.go, Histogram.VisitNonZeroBuckets and marshalTo.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/VictoriaMetrics/metrics@v1.45.0
cat >main.go <<'END'
package main

import (
	"os"

	"github.com/VictoriaMetrics/metrics"
)

func main() {
	set := metrics.NewSet()
	seconds := set.NewHistogram("req_seconds")
	for _, value := range []float64{0.02, 0.5, 0.5, 3} {
		seconds.Update(value)
	}
	set.WritePrometheus(os.Stdout)
}
END
expect VictoriaMetrics/metrics 'req_seconds_bucket{vmrange="1.896e-02...2.154e-02"} 1
req_seconds_bucket{vmrange="4.642e-01...5.275e-01"} 2
req_seconds_bucket{vmrange="2.783e+00...3.162e+00"} 1
req_seconds_sum 4.02
req_seconds_count 4' "$(run_go)"
