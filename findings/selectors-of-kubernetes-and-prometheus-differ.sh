#!/bin/sh
# k8s.io/apimachinery v0.37.2 and Prometheus 3.16 (Go modules) disagree about the empty value of a label.
#
# Behaviour: to Kubernetes `tier=` demands a label that is there and empty, and `tier!=` is true without the label. To Prometheus,
# where an empty label and none are the same, tier="" is true without the label, and tier!="" demands one that is not empty.
# Why it matters: suppose an adapter copies key, operator and value of metric.selector into a matcher. With `tier=` it adds up
# series that the HPA excluded, and with `tier!=` it drops series that the HPA wanted. The sum is wrong without an error.
# Source: apimachinery/pkg/labels/selector.go, Requirement.Matches; prometheus/model/labels/matcher.go; Prometheus' docs, "Instant
# vector selectors".
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/prometheus/prometheus@v0.316.0 k8s.io/apimachinery@v0.37.2
cat >main.go <<'END'
package main

import (
	"fmt"
	"log"

	prometheus "github.com/prometheus/prometheus/model/labels"
	kubernetes "k8s.io/apimachinery/pkg/labels"
)

func main() {
	for text, operator := range map[string]prometheus.MatchType{"tier=": prometheus.MatchEqual, "tier!=": prometheus.MatchNotEqual} {
		selector, err := kubernetes.Parse(text)
		if err != nil {
			log.Fatal(err)
		}
		matcher := prometheus.MustNewMatcher(operator, "tier", "")
		none := prometheus.EmptyLabels()
		fmt.Printf("without the label: Kubernetes %s %t, Prometheus %s %t\n",
			text, selector.Matches(kubernetes.Set{}), matcher, matcher.Matches(none.Get("tier")))
	}
}
END
expect 'a selector' 'without the label: Kubernetes tier!= true, Prometheus tier!="" false
without the label: Kubernetes tier= false, Prometheus tier="" true' "$(run_go | sort)"
