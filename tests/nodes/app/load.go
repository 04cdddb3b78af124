package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// load keeps count requests open until SIGTERM, each on its own connection, so that the Service chooses a pod for each; then it
// prints the numbers of successful and failed requests.
func load(url string, count int) string {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	var succeeded, failed atomic.Int64
	var workers sync.WaitGroup
	for range count {
		workers.Go(func() {
			for ctx.Err() == nil {
				if get(ctx, client, url) {
					succeeded.Add(1)
				} else if ctx.Err() == nil {
					failed.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
	workers.Wait()
	return fmt.Sprintf("%d succeeded, %d failed", succeeded.Load(), failed.Load())
}

func get(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}
