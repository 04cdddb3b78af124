#!/bin/sh
# statsd_exporter v0.31.0 (Go module): timers are scaled by their type, and counted wrongly if they are sampled.
#
# Behaviour: a counter with the sample rate 0.6 adds 1/0.6. A timer, histogram or distribution is observed int(1/0.6) times, which
# is once, and at a rate of 0.3 three times. Of these types `ms` alone is divided by a thousand, so 250|ms is 0.25 and 250|h is
# 250.
# Why it matters: the rate of a timer's _count, the usual requests per second, is 40 % too low at a rate of 0.6, and 10 % at 0.3.
# A client that sends histograms instead of timers makes latencies a thousand times as large without an error.
# Source: statsd_exporter, pkg/line/line.go, buildEvent and LineToEvents.
# Seen: the output below: events and their sum for each line.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/prometheus/client_golang@v1.24.1 github.com/prometheus/statsd_exporter@v0.31.0
cat >main.go <<'END'
package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/statsd_exporter/pkg/line"
)

func main() {
	parser := line.NewParser()
	parser.EnableDogstatsdParsing()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "lines"})
	errors := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "errors"}, []string{"reason"})
	for _, text := range []string{"jobs:1|c|@0.6", "wait:1000|ms|@0.6", "wait:1000|ms|@0.3", "wait:250|ms", "wait:250|h", "wait:250|d"} {
		events := parser.LineToEvents(text, *errors, counter, counter, counter, slog.Default())
		sum := 0.0
		for _, event := range events {
			sum += event.Value()
		}
		fmt.Printf("%s: %d, %.3f\n", text, len(events), sum)
	}
}
END
expect statsd_exporter 'jobs:1|c|@0.6: 1, 1.667
wait:1000|ms|@0.6: 1, 1.000
wait:1000|ms|@0.3: 3, 3.000
wait:250|ms: 1, 0.250
wait:250|h: 1, 250.000
wait:250|d: 1, 250.000' "$(run_go)"
