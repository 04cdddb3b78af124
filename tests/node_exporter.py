"""Reads a page of metrics with Prometheus' own Python parser.

Prints one JSON object a series of the page on standard input: its name, its labels, whether it is of a histogram, and
its value as a HorizontalPodAutoscaler can take it: in exact thousandths, rounded to the nearest (halves away from zero)
but never to 0, or in words why it cannot.
"""

import json
import math
import sys
from fractions import Fraction

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.utils import floatToGoString

LARGEST = 2**63 - 1


def thousandths(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exact = abs(Fraction(value)) * 1000
    if exact > LARGEST:
        return "out of range"
    nearest = max(math.floor(exact + Fraction(1, 2)), 1 if value else 0)
    return str(-nearest if value < 0 else nearest)


for family in text_string_to_metric_families(sys.stdin.buffer.read().decode("utf-8")):
    for sample in family.samples:
        labels = dict(sample.labels)
        # Prometheus 3's notation in a scraped page.
        if family.type == "summary" and "quantile" in labels:
            labels["quantile"] = floatToGoString(labels["quantile"])
        series = {
            "name": sample.name,
            "labels": labels,
            "histogram": family.type == "histogram",
            "value": thousandths(sample.value),
        }
        print(json.dumps(series))
