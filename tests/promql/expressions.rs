//! Expressions to compare: some written down, one for each thing that can go wrong, and some made up.

use super::pages::Random;

/// Of samples over time.
const OVER_TIME: [&str; 10] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
];

const RANGES: [&str; 6] = ["20s", "1m", "90s500ms", "2m30s", "5m", "20m"];

const AGGREGATIONS: [&str; 5] = ["sum", "avg", "min", "max", "count"];

/// One line each.
const WRITTEN: &str = r#"
http_requests_total
http_requests_total{code="200"}
http_requests_total{code!="200"}
http_requests_total{code=~"4..|5.."}
http_requests_total{code!~"2.*", pod=~"web-.*"}
{__name__=~"queue_.*"}
{pod="web-a", __name__!~".*_bucket"}
queue_depth{absent=""}
queue_depth{pod=~".+", absent!="x"}
nothing
sum(nothing)
count(nothing) + 1
sum(http_requests_total)
sum by (pod) (http_requests_total)
sum(http_requests_total) by (code, zone,)
sum by (absent) (http_requests_total)
sum by () (http_requests_total)
sum without () (http_requests_total)
sum without (pod, code) (http_requests_total)
sum by (__name__) ({__name__=~"queue_.*"})
count by (__name__, pod) ({pod!=""})
avg without (core) (temperature)
min by (pod) (temperature)
max by (pod) (temperature)
max(temperature)
min(temperature)
sum(temperature)
avg(temperature{core="0"})
count(temperature) by (core)
SUM BY (zone) (rate(http_requests_total[2m]))
sum(rate(http_requests_total{code!~"5.."}[1m])) by (pod)
sum by (pod) (rate(http_requests_total{code="503"}[5m])) / sum by (pod) (rate(http_requests_total[5m]))
sum(rate(http_requests_total[5m])) / count(queue_depth)
max(sum by (pod) (increase(http_requests_total[5m])))
avg by (zone) (irate(http_requests_total[2m]))
count(rate(http_requests_total[5m]) > 0)
rate(http_requests_total[5m]) > 1
rate(http_requests_total[5m]) * 60 == increase(http_requests_total[5m])
queue_depth / queue_limit
queue_depth - queue_limit
queue_depth + queue_limit * 2
(queue_depth + queue_limit) * 2
queue_depth * queue_limit / queue_limit
queue_depth / (queue_limit * queue_limit)
queue_depth - queue_limit - queue_depth
queue_depth - (queue_limit - queue_depth)
queue_depth / 0
queue_depth * 0
0 / queue_depth
-queue_depth
--queue_depth
+queue_depth
- queue_depth * 2
-(queue_depth + 1)
2 - -queue_depth
-sum(queue_depth)
-{__name__=~"queue_.*"}
queue_depth > 50
queue_depth >= 50 <= 75
50 < queue_depth
50 > queue_depth
queue_depth == queue_depth
queue_depth != queue_depth
queue_depth > queue_limit
queue_depth <= queue_limit
queue_depth < queue_limit + 10
temperature == temperature
temperature != temperature
temperature > 0
temperature != 0
temperature >= -Inf
temperature < Inf
temperature == NaN
temperature + NaN
temperature > 0 > 20
queue_depth > (queue_limit > 20)
queue_depth + on_nothing
queue_depth + http_requests_total
queue_depth + temperature
temperature + queue_depth
{__name__=~"queue_.*"} + queue_depth
queue_depth + {__name__=~"queue_.*"}
queue_depth > {__name__=~"queue_.*"}
{__name__=~"queue_.*"} > queue_depth
{__name__=~"queue_.*"} > 1000
nothing + {__name__=~"queue_.*"}
sum(queue_depth) + sum(queue_limit)
sum(queue_depth) > sum(queue_limit)
sum by (pod) (temperature) + queue_depth
http_requests_total{code="200"} / http_requests_total{code="404"}
sum without (code) (http_requests_total) / sum without (code) (http_requests_total{code="200"})
queue_depth * 0x10 + 010 - 1e-3 * .5
queue_depth + 1 / 3 * 3 - 2
queue_depth * (1 + 2 * 3 - 4 / 5)
queue_depth + -Inf
queue_depth * -0
abs(temperature)
abs(-queue_depth)
ceil(queue_depth)
floor(queue_depth)
ceil(-queue_depth / 3)
floor(-queue_depth / 3)
round(queue_depth)
round(-queue_depth)
round(queue_depth, 5)
round(queue_depth, 0.5)
round(queue_depth / 7, 0.1)
round(queue_depth, 0)
round(queue_depth, -2)
round(temperature, 1 + 1)
clamp(queue_depth, 20, 50)
clamp(queue_depth, 50, 20)
clamp(temperature, -Inf, Inf)
clamp(queue_depth, NaN, 20)
clamp_min(temperature, 0)
clamp_max(temperature, 0)
clamp_min(temperature, NaN)
clamp_max(temperature, NaN)
clamp_min(queue_depth, -5 + 2 * 20)
clamp_max(rate(http_requests_total[5m]), 0.5)
abs({__name__=~"queue_.*"})
rate({__name__=~"queue_.*"}[5m])
last_over_time({__name__=~"queue_.*"}[5m])
count by (__name__) (last_over_time({__name__=~"queue_.*"}[5m]))
last_over_time(queue_depth[5m]) == queue_depth
sum_over_time(queue_depth[5m]) / count_over_time(queue_depth[5m]) - avg_over_time(queue_depth[5m]) > 1
max_over_time(queue_depth[20m]) - min_over_time(queue_depth[20m])
rate(http_requests_total[2w])
rate(http_requests_total[1y])
increase(http_requests_total[1d2h3m4s500ms])
delta(temperature{core="0"}[20m])
rate(temperature[5m])
irate(temperature[20m])
histogram_quantile(0.9, latency_seconds_bucket)
histogram_quantile(0.5, rate(latency_seconds_bucket[5m]))
histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0.5, sum by (le, pod) (increase(latency_seconds_bucket[20m])))
histogram_quantile(0, latency_seconds_bucket)
histogram_quantile(1, latency_seconds_bucket)
histogram_quantile(1.5, latency_seconds_bucket)
histogram_quantile(-1, latency_seconds_bucket)
histogram_quantile(NaN, latency_seconds_bucket)
histogram_quantile(1 - 0.25, latency_seconds_bucket)
histogram_quantile(0.5, no_inf_bucket)
histogram_quantile(0.5, drift_bucket)
histogram_quantile(0.01, drift_bucket)
histogram_quantile(0.9, rate(drift_bucket[5m]))
histogram_quantile(0.5, drift_bucket{le!="none"})
histogram_quantile(0.5, only_inf_bucket)
histogram_quantile(0.5, odd_bucket)
histogram_quantile(0.2, odd_bucket)
histogram_quantile(0.9, odd_bucket - 40)
histogram_quantile(0.9, odd_bucket / 0)
histogram_quantile(0.5, odd_bucket * 0)
histogram_quantile(0.5, odd_bucket{le!="2"})
histogram_quantile(0.5, queue_depth)
histogram_quantile(0.5, latency_seconds_bucket{le=~"0.1|1|[+]Inf"})
histogram_quantile(0.5, {__name__=~"latency_seconds_bucket|drift_bucket"})
histogram_quantile(0.5, sum by (__name__, le) ({__name__=~"latency_seconds_bucket|no_inf_bucket"}))
max(histogram_quantile(0.9, rate(latency_seconds_bucket[2m30s]))) * 1000
avg(latency_seconds_bucket) by (le)
"#;

/// All that are written down, and every function of a range with every length.
pub(crate) fn written() -> Vec<String> {
    let lines = WRITTEN.lines().filter(|line| !line.is_empty()).map(str::to_owned);
    let functions = OVER_TIME.iter().flat_map(|function| RANGES.iter().map(move |range| (function, range)));
    let ranges = functions.flat_map(|(function, range)| {
        ["http_requests_total", "temperature"].map(|metric| format!("{function}({metric}[{range}])"))
    });
    lines.chain(ranges).collect()
}

/// An expression of some operators.
pub(crate) fn made_up(random: &mut Random) -> String {
    vector(random, 3)
}

/// Whatever gives one sample of each series. Functions that jump stand around what both compute to the last bit alone.
fn vector(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        return exact(random);
    }
    let depth = depth - 1;
    match random.below(10) {
        0 => exact(random),
        1 | 2 => over_time(random),
        3 | 4 => aggregation(random, |random| vector(random, depth)),
        5 => {
            let op = random.of(&["+", "*", "/"]);
            format!("({}) {op} ({})", vector(random, depth), vector(random, depth))
        }
        6 => match random.below(3) {
            0 => format!("{} * ({})", number(random), vector(random, depth)),
            1 => format!("({}) / {}", vector(random, depth), number(random)),
            _ => format!("-({})", vector(random, depth)),
        },
        7 => {
            let op = random.of(&["==", "!=", "<", "<=", ">", ">="]);
            match random.below(3) {
                0 => format!("{} {op} {}", exact(random), exact(random)),
                1 => format!("{} {op} {}", number(random), exact(random)),
                _ => format!("{} {op} {}", exact(random), number(random)),
            }
        }
        8 => {
            let of = exact(random);
            match random.below(6) {
                0 => format!("abs({of})"),
                1 => format!("ceil({of})"),
                2 => format!("floor({of})"),
                3 => format!("round({of}, {})", random.of(&["0.5", "2", "10"])),
                4 => format!("clamp({of}, {}, {})", number(random), number(random)),
                _ => format!("clamp_max({of}, {})", number(random)),
            }
        }
        _ => {
            let quantile = random.of(&["0", "0.1", "0.5", "0.95", "1"]);
            let buckets = random.of(&["latency_seconds_bucket", "drift_bucket", "odd_bucket", "no_inf_bucket"]);
            match random.below(3) {
                0 => format!("histogram_quantile({quantile}, {buckets})"),
                1 => format!("histogram_quantile({quantile}, sum by (le) (increase({buckets}[{}])))", range(random)),
                _ => format!("histogram_quantile({quantile}, rate({buckets}[{}]))", range(random)),
            }
        }
    }
}

/// Samples as they are, and their sums: quarters, or no numbers at all.
fn exact(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("sum by ({}) ({})", labels(random), selector(random)),
        1 => format!("{}({}[{}])", random.of(&["last_over_time", "max_over_time"]), selector(random), range(random)),
        _ => selector(random),
    }
}

fn over_time(random: &mut Random) -> String {
    let function = random.of(&OVER_TIME);
    format!("{function}({}[{}])", selector(random), range(random))
}

fn aggregation(random: &mut Random, of: impl Fn(&mut Random) -> String) -> String {
    let (aggregation, of) = (random.of(&AGGREGATIONS), of(random));
    match random.below(4) {
        0 => format!("{aggregation}({of})"),
        1 => format!("{aggregation} without ({}) ({of})", labels(random)),
        _ => format!("{aggregation} by ({}) ({of})", labels(random)),
    }
}

fn labels(random: &mut Random) -> &'static str {
    random.of(&["pod", "code", "zone, pod", "le", "absent", "pod, core", "__name__, pod"])
}

fn range(random: &mut Random) -> &'static str {
    random.of(&RANGES)
}

fn number(random: &mut Random) -> &'static str {
    random.of(&["0", "1", "-1", "2.5", "50", "100", "1e3", "-Inf", "Inf", "NaN"])
}

fn selector(random: &mut Random) -> String {
    let name =
        random.of(&["http_requests_total", "queue_depth", "queue_limit", "temperature", "latency_seconds_bucket"]);
    let matcher =
        random.of(&["", "", "{pod=\"web-a\"}", "{pod=~\"web-[abd]\"}", "{pod!=\"web-c\"}", "{code!~\"2..\"}"]);
    format!("{name}{matcher}")
}
