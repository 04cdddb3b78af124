#!/bin/sh
# VictoriaMetrics v1.150.0 and Prometheus 3.16 (Go modules) give different numbers for the same increase() over the same samples.
#
# Behaviour: VictoriaMetrics subtracts the last sample before the window, and does not extrapolate. The first value of a new
# series is an increase from 0 to it, if it is small. Prometheus uses the samples within the window, extrapolates to its edges,
# and needs two.
# Why it matters: a counter that grows by 2 a second has an increase of 60 in 20 s, and of 30 in 10 s, in VictoriaMetrics. When a
# pod has just started, VictoriaMetrics counts its first jobs, and Prometheus does not. A target that was tuned on one server
# scales differently on the other, though the rule is the same.
# Source: VictoriaMetrics, app/vmselect/promql/rollup.go, rollupDelta; prometheus, promql/functions.go, extrapolatedRate.
# Seen: the output below; jobs_total grows by 30 every 15 s, and new_total has had the value 5 since one scrape ago.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/VictoriaMetrics/VictoriaMetrics@v1.150.0 github.com/prometheus/prometheus@v0.316.0
cat >main.go <<'END'
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
)

const now = 1_700_000_400

type sample struct {
	name    string
	seconds int64
	value   float64
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func prometheus(samples []sample, queries []string) []string {
	db, err := tsdb.Open("prometheus", nil, nil, tsdb.DefaultOptions(), nil)
	check(err)
	appender := db.Appender(context.Background())
	for _, s := range samples {
		_, err := appender.Append(0, labels.FromStrings("__name__", s.name), s.seconds*1000, s.value)
		check(err)
	}
	check(appender.Commit())
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1000, Timeout: time.Minute})
	var answers []string
	for _, text := range queries {
		query, err := engine.NewInstantQuery(context.Background(), db, nil, text, time.Unix(now, 0))
		check(err)
		vector, err := query.Exec(context.Background()).Vector()
		check(err)
		answer := "none"
		if len(vector) > 0 {
			answer = fmt.Sprint(vector[0].F)
		}
		answers = append(answers, answer)
	}
	return answers
}

func victoriametrics(samples []sample, queries []string) []string {
	server := exec.Command("./victoria-metrics", "-httpListenAddr=127.0.0.1:0", "-storageDataPath=victoria-metrics-data",
		"-retentionPeriod=100y", "-search.latencyOffset=0s")
	output, err := server.StderrPipe()
	check(err)
	check(server.Start())
	defer server.Wait()
	defer server.Process.Signal(os.Interrupt)
	base := ""
	started := regexp.MustCompile(`started server at (http://[^/]+)/`)
	lines := bufio.NewScanner(output)
	for base == "" && lines.Scan() {
		if found := started.FindStringSubmatch(lines.Text()); found != nil {
			base = found[1]
		}
	}
	go func() {
		for lines.Scan() {
		}
	}()
	var page strings.Builder
	for _, s := range samples {
		fmt.Fprintln(&page, s.name, strconv.FormatFloat(s.value, 'f', -1, 64), s.seconds*1000)
	}
	_, err = http.Post(base+"/api/v1/import/prometheus", "text/plain", strings.NewReader(page.String()))
	check(err)
	_, err = http.Get(base + "/internal/force_flush")
	check(err)
	var answers []string
	for _, text := range queries {
		response, err := http.PostForm(base+"/api/v1/query", url.Values{"query": {text}, "time": {fmt.Sprint(now)}})
		check(err)
		var result struct{ Data struct{ Result []struct{ Value [2]any } } }
		check(json.NewDecoder(response.Body).Decode(&result))
		answer := "none"
		if len(result.Data.Result) > 0 {
			answer = fmt.Sprint(result.Data.Result[0].Value[1])
		}
		answers = append(answers, answer)
	}
	return answers
}

func main() {
	var samples []sample
	for i := range int64(21) {
		samples = append(samples, sample{"jobs_total", now - 300 + 15*i, float64(30 * i)})
	}
	samples = append(samples, sample{"new_total", now - 15, 5}, sample{"new_total", now, 5})
	queries := []string{"increase(jobs_total[20s])", "increase(jobs_total[1m])", "increase(new_total[1m])", "increase(jobs_total[10s])"}
	ours, theirs := prometheus(samples, queries), victoriametrics(samples, queries)
	for i, text := range queries {
		fmt.Println(text, "Prometheus", ours[i], "VictoriaMetrics", theirs[i])
	}
}
END
GOPATH=$folder/go GOFLAGS='-mod=mod -trimpath' go build github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics 2>/dev/null
expect increase 'increase(jobs_total[20s]) Prometheus 40 VictoriaMetrics 60
increase(jobs_total[1m]) Prometheus 120 VictoriaMetrics 120
increase(new_total[1m]) Prometheus 0 VictoriaMetrics 5
increase(jobs_total[10s]) Prometheus none VictoriaMetrics 30' "$(run_go)"
