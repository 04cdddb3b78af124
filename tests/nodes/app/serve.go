package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// The time within which kube-proxies learn that a pod is terminating.
const drain = 2 * time.Second

// serve handles these paths until SIGTERM:
//
//	/work?ms=N    responds after N milliseconds
//	/set?jobs=N   sets the gauge jobs
//	/metrics      open and started requests, and jobs
func serve() error {
	var open, begun, jobs atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		milliseconds, err := strconv.Atoi(r.FormValue("ms"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		begun.Add(1)
		open.Add(1)
		defer open.Add(-1)
		select {
		case <-time.After(time.Duration(milliseconds) * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/set", func(w http.ResponseWriter, r *http.Request) {
		number, err := strconv.ParseInt(r.FormValue("jobs"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		jobs.Store(number)
	})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprintf(w, "# TYPE open_requests gauge\nopen_requests %d\n", open.Load())
		fmt.Fprintf(w, "# TYPE requests_total counter\nrequests_total %d\n", begun.Load())
		fmt.Fprintf(w, "# TYPE jobs gauge\njobs{service=\"web\",queue=\"mail\"} %d\n", jobs.Load())
	})

	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	stopped := make(chan error, 1)
	go func() {
		<-stop
		time.Sleep(drain)
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(deadline)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return <-stopped
}
