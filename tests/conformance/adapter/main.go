// The test adapter of the Go library that most adapters are built on: its own
// provider, whose values are set over HTTP. Its main program takes these at
// port 8080 of all addresses; this one at the address that it is told.
package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/emicklei/go-restful/v3"
	"k8s.io/component-base/logs"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver/metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/custom-metrics-apiserver/test-adapter/provider"
)

func main() {
	logs.InitLogs()
	defer logs.FlushLogs()

	adapter := &cmd.AdapterBase{Name: "test-adapter"}
	values := adapter.Flags().String("values-address", "127.0.0.1:0", "where values are written; the port is logged")
	logs.AddFlags(adapter.Flags())
	must("parse flags", adapter.Flags().Parse(os.Args))
	client, err := adapter.DynamicClient()
	must("make a client", err)
	mapper, err := adapter.RESTMapper()
	must("make a RESTMapper", err)
	fake, service := provider.NewFakeProvider(client, mapper)
	adapter.WithCustomMetrics(fake)
	adapter.WithExternalMetrics(fake)
	must("register metrics", metrics.RegisterMetrics(legacyregistry.Register))

	listener, err := net.Listen("tcp", *values)
	must("listen for values", err)
	klog.Infof("values are written to http://%s", listener.Addr())
	restful.DefaultContainer.Add(service)
	go func() {
		server := &http.Server{ReadHeaderTimeout: 3 * time.Second}
		klog.Fatal(server.Serve(listener))
	}()
	must("serve", adapter.Run(context.Background()))
}

func must(what string, err error) {
	if err != nil {
		klog.Fatalf("cannot %s: %v", what, err)
	}
}
