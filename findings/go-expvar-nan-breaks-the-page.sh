#!/bin/sh
# Go 1.26.8, expvar: one Float that is NaN or infinite makes all of /debug/vars invalid JSON.
#
# Behaviour: expvar.Float prints its value as Go does, NaN or +Inf, which JSON does not have, while everything around it is JSON.
# expvar.Func has the same value left out: json.Marshal fails, its error is dropped, and the member has no value at all.
# Why it matters: a ratio whose divisor is 0, such as requests per job before the first job, hides all other numbers of the
# process from a reader of JSON, and the values come back by themselves when the ratio is defined again.
# Source: Go, src/expvar/expvar.go, Float.String and Func.String.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs go
export GOTOOLCHAIN=go1.26.8
cat >go.mod <<'END'
module finding

go 1.26
END
cat >main.go <<'END'
package main

import (
	"encoding/json"
	"expvar"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
)

func page(name string) {
	recorder := httptest.NewRecorder()
	expvar.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/debug/vars", nil))
	body := recorder.Body.String()
	line := ""
	for _, each := range strings.Split(body, "\n") {
		if strings.Contains(each, name) {
			line = strings.TrimSuffix(each, ",")
		}
	}
	fmt.Printf("%s %s valid=%v\n", recorder.Header().Get("Content-Type"), line, json.Valid([]byte(body)))
}

func main() {
	expvar.NewInt("queue_depth").Set(7)
	ratio := expvar.NewFloat("requests_per_job")
	ratio.Set(1.5)
	page("requests_per_job")
	ratio.Set(math.Inf(1))
	page("requests_per_job")
	ratio.Set(0)
	expvar.Publish("share", expvar.Func(func() any { return math.NaN() }))
	page("share")
}
END
expect expvar 'application/json; charset=utf-8 "requests_per_job": 1.5 valid=true
application/json; charset=utf-8 "requests_per_job": +Inf valid=false
application/json; charset=utf-8 "share":  valid=false' "$(run_go)"
