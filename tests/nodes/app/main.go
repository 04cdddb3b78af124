// The programs for pods and load in the tests on nodes:
//
//	app pause           holds the namespaces of a pod, as its first process
//	app serve           serves work and metrics on port 8080
//	app load URL COUNT  keeps COUNT requests open until SIGTERM
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	switch arguments := os.Args[1:]; {
	case len(arguments) == 1 && arguments[0] == "pause":
		pause()
	case len(arguments) == 1 && arguments[0] == "serve":
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(arguments) == 3 && arguments[0] == "load":
		count, err := strconv.Atoi(arguments[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(64)
		}
		fmt.Println(load(arguments[1], count))
	default:
		fmt.Fprintln(os.Stderr, "expected pause, serve, or load URL COUNT")
		os.Exit(64)
	}
}
