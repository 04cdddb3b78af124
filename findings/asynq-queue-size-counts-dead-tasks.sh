#!/bin/sh
# asynq v0.26.0 (Go module): the size of a queue counts tasks that nobody will work on.
#
# Behaviour: `size`, which the collector in asynq/x/metrics exports as asynq_queue_size ("Number of tasks in a queue"), adds up
# pending, active, scheduled, retried, aggregating and archived tasks. Archived ones have failed for good and stay for 90 days;
# scheduled ones may be due in a month.
# Why it matters: an HPA on asynq_queue_size keeps workers for work that is not there, and each task that fails for good adds to
# it. asynq_tasks_enqueued_total with state="pending", a gauge in spite of its name, is the backlog.
# Source: asynq, inspector.go, QueueInfo; asynq/x, metrics/metrics.go.
# Seen: with three tasks due in an hour and four dead ones, a size of 7 and nothing pending.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/alicebob/miniredis/v2@v2.40.0 \
    github.com/hibiken/asynq@v0.26.0 \
    github.com/hibiken/asynq/x@v0.0.0-20211219150637-8dfabfccb3be \
    github.com/prometheus/client_golang@v1.24.1
cat >main.go <<'END'
package main

import (
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/x/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	redis := asynq.RedisClientOpt{Addr: must(miniredis.Run()).Addr()}
	client, inspector := asynq.NewClient(redis), asynq.NewInspector(redis)
	task := asynq.NewTask("mail", nil)
	for range 3 {
		must(client.Enqueue(task, asynq.ProcessIn(time.Hour)))
	}
	for range 4 {
		dead := must(client.Enqueue(task))
		if err := inspector.ArchiveTask("default", dead.ID); err != nil {
			log.Fatal(err)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewQueueMetricsCollector(inspector))
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(page.Body)
}
END
run_go >page
expect asynq 'asynq_queue_size{queue="default"} 7
asynq_tasks_enqueued_total{queue="default",state="archived"} 4
asynq_tasks_enqueued_total{queue="default",state="pending"} 0
asynq_tasks_enqueued_total{queue="default",state="scheduled"} 3' "$(grep -E '^asynq_queue_size|="(archived|pending|scheduled)"' page)"
