#!/bin/sh
# client_golang v1.25.0 (Go module) answers escaping=allow-utf-8 with quoted names in a page of version 0.0.4.
#
# Behaviour: text format 0.0.4 has no quoted names; 1.0.0 introduced them. Prometheus 3 asks for
# text/plain;version=1.0.0;escaping=allow-utf-8, and gets version=0.0.4 in the Content-Type, with {"queue.depth"} in the page. A
# request for 0.0.4 with that parameter gets the same. Without the parameter the name is queue_depth.
# Why it matters: a parser that chooses its grammar by the version refuses the page. One metric has two names, so that an
# expression that is right for Prometheus matches nothing in a reader that sends a plain Accept, and the other way round.
# Source: prometheus/common, expfmt/expfmt.go and encode.go, NegotiateIncludingOpenMetrics; client_golang, promhttp/http.go;
# Prometheus' docs, "Exposition formats" and "UTF-8 in Prometheus".
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/prometheus/client_golang@v1.25.0
cat >main.go <<'END'
package main

import (
	"fmt"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	registry := prometheus.NewRegistry()
	depth := prometheus.NewGauge(prometheus.GaugeOpts{Name: "queue.depth", Help: "Waiting"})
	depth.Set(4)
	registry.MustRegister(depth)
	for _, accept := range []string{
		"text/plain;version=0.0.4",
		"text/plain;version=0.0.4;escaping=allow-utf-8",
		"text/plain;version=1.0.0;escaping=allow-utf-8",
	} {
		request := httptest.NewRequest("GET", "/metrics", nil)
		request.Header.Set("Accept", accept)
		page := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, request)
		fmt.Printf("%s\n%s", page.Header().Get("Content-Type"), page.Body)
	}
}
END
expect client_golang 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores
# HELP queue_depth Waiting
# TYPE queue_depth gauge
queue_depth 4
text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8
# HELP "queue.depth" Waiting
# TYPE "queue.depth" gauge
{"queue.depth"} 4
text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8
# HELP "queue.depth" Waiting
# TYPE "queue.depth" gauge
{"queue.depth"} 4' "$(run_go)"
