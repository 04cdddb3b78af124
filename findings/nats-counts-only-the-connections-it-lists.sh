#!/bin/sh
# nats-server v2.15.3 (Go module): num_connections of /connz stops at 1,024.
#
# Behaviour: /connz lists 1,024 connections unless `limit` says otherwise, and num_connections is how many it lists. The number of
# all connections is `total`, and `connections` of /varz; in /connz `connections` is the list.
# Why it matters: a JSONPath $.num_connections is right in every test, and stands still at 1024 when the load comes. An HPA with a
# target of 100 for each pod asks for eleven pods at most, however many clients there are.
# Source: nats-server, server/monitor.go, DefaultConnListSize and Connz.
# Seen: with 1,100 clients, num_connections 1024 and total 1100; 1100 and 1100 with limit=2000.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/nats-io/nats-server/v2@v2.15.3
cat >main.go <<'END'
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func connect(address string) net.Conn {
	client, err := net.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(client, "CONNECT {}\r\nPING\r\n")
	for reply := bufio.NewScanner(client); reply.Scan() && reply.Text() != "PONG"; {
	}
	return client
}

func main() {
	nats, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, HTTPHost: "127.0.0.1", HTTPPort: -1, NoLog: true, NoSigs: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	nats.Start()
	if !nats.ReadyForConnections(time.Minute) {
		log.Fatal("nats-server does not listen")
	}
	var clients []net.Conn
	for range 1100 {
		clients = append(clients, connect(nats.Addr().String()))
	}
	for _, path := range []string{"/connz", "/connz?limit=2000"} {
		response, err := http.Get("http://" + nats.MonitorAddr().String() + path)
		if err != nil {
			log.Fatal(err)
		}
		var page struct {
			Listed int `json:"num_connections"`
			Total  int `json:"total"`
		}
		if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
			log.Fatal(err)
		}
		fmt.Println(path, "num_connections", page.Listed, "total", page.Total)
	}
	for _, client := range clients {
		client.Close()
	}
}
END
expect nats-server '/connz num_connections 1024 total 1100
/connz?limit=2000 num_connections 1100 total 1100' "$(run_go)"
