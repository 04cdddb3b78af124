#!/bin/sh
# Prometheus 3.16 (Go module v0.316.0) stores le="1" as it is, or as le="1.0", depending on another metric's TYPE line.
#
# Behaviour: since 3.0 the bounds of histograms and the quantiles of summaries are stored as floats, "1.0". The parser of the text
# format decides by the last TYPE line, whatever metric it names. Series without a TYPE line of their own keep "1" at the top of a
# page or below a gauge, and get "1.0" below a histogram; so does every label le below a histogram, also that of a gauge.
# Why it matters: a bucket selected by {le="1"} matches at one scrape and not at the next, once another metric is added, or the
# order of the page changes. The stored name of a series changes with it, and rate() has a gap.
# Source: prometheus, model/textparse/promparse.go, PromParser.Labels and Next.
# Seen: the output below; the same two lines of req_seconds_bucket each time.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules github.com/prometheus/prometheus@v0.316.0
cat >main.go <<'END'
package main

import (
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

const buckets = `req_seconds_bucket{le="1"} 1
req_seconds_bucket{le="+Inf"} 2
`

func main() {
	for _, above := range []string{"", "# TYPE depth gauge\n", "# TYPE wait_seconds histogram\n", "# TYPE wait_seconds summary\n"} {
		parser, err := textparse.New([]byte(above+buckets), "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("below %q:", above)
		for {
			entry, err := parser.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			if entry == textparse.EntrySeries {
				var series labels.Labels
				parser.Labels(&series)
				fmt.Printf(" %q", series.Get("le"))
			}
		}
		fmt.Println()
	}
}
END
expect Prometheus 'below "": "1" "+Inf"
below "# TYPE depth gauge\n": "1" "+Inf"
below "# TYPE wait_seconds histogram\n": "1.0" "+Inf"
below "# TYPE wait_seconds summary\n": "1" "+Inf"' "$(run_go)"
