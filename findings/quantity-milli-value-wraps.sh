#!/bin/sh
# k8s.io/apimachinery v0.37.2 (Go module): Quantity.MilliValue wraps around without an error.
#
# Behaviour: the HPA controller reads a custom metric's value by MilliValue, thousandths in an int64. A quantity that is valid, prints
# and compares well, but is larger than 9223372036854775, gives 0 or a negative number. Smaller than a thousandth it is rounded up
# to 1, and parsing rounds up to a billionth.
# Why it matters: a byte counter of 10P (or a limit that an exporter reports as 2^63-1) scales a workload as if it were nothing. An
# adapter has to refuse such values itself.
# Source: apimachinery/pkg/api/resource/quantity.go, MilliValue, ScaledValue and ParseQuantity.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules k8s.io/apimachinery@v0.37.2
cat >main.go <<'END'
package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	for _, text := range []string{"9223372036854775", "9223372036854776", "10P", "9223372036854775807", "0.5m", "0.0000000001"} {
		quantity := resource.MustParse(text)
		fmt.Println(text, "is", quantity.String(), "and", quantity.MilliValue(), "thousandths")
	}
}
END
expect apimachinery '9223372036854775 is 9223372036854775 and 9223372036854775000 thousandths
9223372036854776 is 9223372036854776 and -9223372036854775616 thousandths
10P is 10P and 0 thousandths
9223372036854775807 is 9223372036854775807 and -1000 thousandths
0.5m is 500u and 1 thousandths
0.0000000001 is 1n and 1 thousandths' "$(run_go)"
