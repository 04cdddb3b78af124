// Prints the samples that Prometheus' own parser reads from pages: textparse openmetrics|prometheus PAGE...
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func main() {
	for _, path := range os.Args[2:] {
		b, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		var p textparse.Parser
		if os.Args[1] == "openmetrics" {
			p = textparse.NewOpenMetricsParser(b, labels.NewSymbolTable())
		} else {
			p = textparse.NewPromParser(b, labels.NewSymbolTable(), false)
		}
		fmt.Println("page")
		for {
			e, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				fmt.Println("refused")
				break
			}
			if e != textparse.EntrySeries {
				continue
			}
			_, ts, v := p.Series()
			var l labels.Labels
			p.Labels(&l)
			var parts []string
			name := ""
			l.Range(func(x labels.Label) {
				if x.Name == "__name__" {
					name = x.Value
				} else if x.Value != "" {
					parts = append(parts, hex.EncodeToString([]byte(x.Name))+"="+hex.EncodeToString([]byte(x.Value)))
				}
			})
			sort.Strings(parts)
			// This parser reads blanks before a name as part of it; in the format they have no meaning.
			t := "-"
			if ts != nil {
				t = strconv.FormatInt(*ts, 10)
			}
			fmt.Println(hex.EncodeToString([]byte(strings.TrimLeft(name, " \t"))), strings.Join(parts, ","), num(v), t)
		}
	}
}

func num(v float64) string {
	if v != v {
		return "NaN"
	}
	return fmt.Sprintf("%x", math.Float64bits(v))
}
