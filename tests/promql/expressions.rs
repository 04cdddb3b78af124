//! Expressions to compare: a list with one for each possible mistake, and generated ones.

use super::pages::Random;

/// Functions of samples over time.
const OVER_TIME: [&str; 14] = [
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
    "stddev_over_time",
    "deriv",
    "changes",
    "resets",
];

const RANGES: [&str; 6] = ["20s", "1m", "90s500ms", "2m30s", "5m", "20m"];

const AGGREGATIONS: [&str; 6] = ["sum", "avg", "min", "max", "count", "stddev"];

const REGEXES: &[&str] = &["(.*)", "(w)eb-.|(d)b-.", "", ".+", "(.+)_(.+)", "[0-9]+", "(?i)WEB-(?P<x>.)"];

/// One expression per line.
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
queue_depth % 7
-queue_depth % 7
queue_depth % -7.5
queue_depth % 0
temperature % 10
temperature % Inf
temperature % queue_depth
17 % queue_depth
queue_depth ^ 2
queue_depth ^ 0.5
-queue_depth ^ 2
(-queue_depth) ^ 2
(-queue_depth) ^ 0.5
queue_depth ^ -1
temperature ^ 3
temperature ^ 0
1 ^ temperature
NaN ^ queue_depth
0 ^ temperature
2 ^ (queue_depth / 100) ^ 2
2 ^ 3 ^ 2 + queue_depth
-2 ^ 2 + queue_depth
2 ^ -1 * queue_depth
7 % 4 % 2 * queue_depth ^ 1
queue_depth / queue_limit ^ 2 * 3
queue_depth > bool 50
50 > bool queue_depth
temperature == bool temperature
temperature != bool NaN
temperature >= bool 0
queue_depth == bool queue_limit
queue_depth < bool queue_limit
{__name__=~"queue_.*"} > bool 50
queue_depth + (1 > bool 2)
queue_depth * (NaN == bool NaN)
sum(queue_depth > bool 50) / count(queue_depth)
queue_depth and queue_limit
queue_depth and queue_limit > 50
queue_depth and nothing
nothing and queue_depth
queue_depth and on (pod) temperature
queue_depth and on () nothing
queue_depth and on () queue_limit
queue_depth and ignoring (pod) queue_limit
temperature and on (pod) queue_depth > 50
temperature and ignoring (core) queue_depth
queue_depth or queue_limit
queue_depth or nothing
nothing or queue_depth
nothing or nothing
queue_depth > 50 or queue_limit
queue_depth > 50 or on (pod) queue_limit
queue_depth or on () queue_limit
queue_depth or ignoring (pod) queue_limit
temperature{core="0"} or on (pod) temperature
queue_depth or http_requests_total{code="200"}
sum(nothing) or vector(0)
sum(queue_depth) or vector(0)
queue_depth or vector(0)
queue_depth or on () vector(0)
queue_depth unless queue_limit
queue_depth unless nothing
nothing unless queue_depth
queue_depth unless queue_limit > 50
queue_depth unless on (pod) temperature > 0
temperature unless on (pod) queue_depth > 50
queue_depth unless on () nothing
queue_depth unless on () queue_depth
queue_depth or queue_limit and temperature unless nothing
queue_depth or queue_limit unless queue_depth > 50 and queue_limit < 20
{__name__=~"queue_.*"} and on (__name__) queue_depth
{__name__=~"queue_.*"} and {__name__=~"queue_.*"}
{__name__=~"queue_.*"} or {pod="web-a"}
{__name__=~"queue_.*"} unless queue_depth
queue_depth / on (pod) queue_limit
queue_depth / ignoring () queue_limit
queue_depth / on () queue_limit
queue_depth / on (absent) queue_limit
queue_depth{pod="web-a"} / on () queue_limit{pod="web-b"}
queue_depth / on (pod, absent) queue_limit
temperature{core="0"} - on (pod) temperature{core="1"}
temperature{core="0"} - ignoring (core) temperature{core="1"}
temperature{core="0"} > ignoring (core) temperature{core="1"}
temperature{core="0"} > on (pod) temperature{core="1"}
temperature{core="0"} > bool on (pod) temperature{core="1"}
temperature - on (pod) queue_depth
temperature - on (pod) group_left queue_depth
temperature - on (pod) group_left () queue_depth
temperature - ignoring (core) group_left queue_depth
queue_depth - on (pod) group_right temperature
queue_depth - on (pod) group_left temperature
temperature > on (pod) group_left queue_depth
queue_depth < on (pod) group_right temperature
queue_depth < bool on (pod) group_right temperature
temperature == bool ignoring (core) group_left queue_depth
http_requests_total / on (pod) group_left sum by (pod) (http_requests_total)
http_requests_total / ignoring (code) group_left sum without (code) (http_requests_total)
http_requests_total / ignoring (code, zone) group_left sum by (pod) (http_requests_total)
temperature * on (pod) group_left (zone) http_requests_total{code="200"}
queue_depth * on (pod) group_left (zone, absent) http_requests_total{code="200"}
temperature * on (pod) group_left (core) queue_depth
temperature * on (pod) group_left (absent) queue_depth
temperature{core="0"} * on (pod) group_left (core) queue_depth
http_requests_total * on (pod) group_left (code) temperature{core="0"}
http_requests_total{code="200"} * on (pod) group_right (zone) temperature
http_requests_total{code="200"} > on (pod) group_right (zone) temperature
queue_depth * on (pod) group_left (__name__) queue_limit
queue_depth > on (pod) group_left (__name__) queue_limit
queue_depth > bool on (pod) group_left (__name__) queue_limit
queue_depth + on (__name__) queue_depth
queue_depth + on (__name__, pod) queue_depth
queue_depth + on (__name__, pod) queue_limit
queue_depth == on (__name__, pod) queue_depth
queue_depth * on () group_left sum(queue_depth)
queue_depth / on () group_left () count(queue_depth)
sum(queue_depth) - on () group_right queue_depth
{__name__=~"queue_.*"} / on (pod) group_left queue_depth
{__name__=~"queue_.*"} > on (pod) group_left queue_depth
queue_depth / on (pod) group_left {__name__=~"queue_.*"}
time() - queue_depth
queue_depth * 0 + time()
vector(time())
vector(1)
vector(-Inf) + 1
vector(NaN)
vector(scalar(queue_depth))
vector(scalar(queue_depth{pod="web-a"}))
vector(scalar(sum(queue_depth)))
vector(scalar(nothing))
queue_depth / scalar(sum(queue_depth))
queue_depth > scalar(avg(queue_depth))
scalar(max(queue_depth)) - queue_depth
queue_depth + -scalar(max(queue_limit))
clamp_max(queue_depth, scalar(avg(queue_depth)))
clamp(queue_depth, scalar(min(queue_limit)), scalar(max(queue_limit)) / 2)
histogram_quantile(scalar(vector(0.5)), latency_seconds_bucket)
round(queue_depth, scalar(vector(5)))
absent(queue_depth)
absent(nothing)
absent(nothing{a="b", c!="d", e=~"f", g=""})
absent(nothing{a="b", a="c", d="e"})
absent(nothing{a="b", a="b"})
absent({__name__="nothing", a="b"})
absent(sum(nothing{a="b"}))
absent((nothing{a="b"}))
absent(nothing{a="b"} offset 5m)
absent(queue_depth > 1000)
absent(queue_depth{pod="web-z"}) or queue_depth
sum(absent(nothing)) * 5
label_replace(queue_depth, "host", "$1", "pod", "(.*)-.*")
label_replace(queue_depth, "host", "x-$1-y", "pod", "web-(.*)")
label_replace(queue_depth, "host", "${1}_$0", "pod", "web-(.*)")
label_replace(queue_depth, "host", "$1_", "pod", "web-(.*)")
label_replace(queue_depth, "host", "$$1$", "pod", "web-(.*)")
label_replace(queue_depth, "host", "${name}-$name", "pod", "web-(?P<name>.*)")
label_replace(queue_depth, "host", "$2$name${a-b}${1", "pod", "web-(.*)")
label_replace(queue_depth, "host", "$01 ${00} $é", "pod", "web-(.*)")
label_replace(queue_depth, "host", "all", "absent", "")
label_replace(queue_depth, "host", "all", "absent", ".+")
label_replace(queue_depth, "pod", "", "pod", "web-a")
label_replace(queue_depth, "pod", "", "pod", ".*")
label_replace(queue_depth, "pod", "$1", "pod", "(web).*")
label_replace(queue_depth, "pod", "$1", "pod", "(we)b-?(x)?.*")
label_replace(queue_depth, "__name__", "depth", "pod", ".*")
label_replace(queue_depth, "__name__", "$1", "__name__", "(queue).*")
label_replace({__name__=~"queue_.*"}, "kind", "$1", "__name__", "queue_(.*)")
sum by (kind) (label_replace({__name__=~"queue_.*"}, "kind", "$1", "__name__", "queue_(.*)"))
sum by (site) (label_replace(http_requests_total, "site", "$1$2", "pod", "(w)eb-.|(d)b-."))
label_replace(temperature{core="0"}, "core", "1", "", "") + temperature
topk(3, http_requests_total)
topk(1, sum by (pod) (http_requests_total))
topk by (pod) (1, http_requests_total)
topk without (code) (2, http_requests_total)
topk(2.9, sum by (pod) (http_requests_total))
topk(0, queue_depth)
topk(-1, queue_depth)
topk(1000, temperature)
topk(NaN, queue_depth)
topk(Inf, queue_depth)
topk(1e300, queue_depth)
sum(topk(3, temperature))
count(topk(7, temperature))
sum(bottomk(3, http_requests_total))
bottomk by (zone) (1, sum by (zone, pod) (http_requests_total))
max(bottomk(scalar(vector(2)), http_requests_total))
sum(bottomk(3, temperature))
max(bottomk by (pod) (1, temperature))
count(bottomk(1000, {__name__=~"queue_.*"}))
stddev(queue_depth)
stddev by (pod) (temperature)
stddev by (core) (temperature)
stddev(http_requests_total) by (code)
stddev without (pod) (queue_depth)
stddev(queue_depth{pod="web-a"})
stddev(nothing)
quantile(0.5, queue_depth)
quantile(0, queue_depth)
quantile(1, queue_depth)
quantile(0.9, temperature)
quantile(0.1, temperature)
quantile by (core) (0.5, temperature)
quantile without (core) (0.75, temperature)
quantile(-0.5, queue_depth)
quantile(1.5, queue_depth)
quantile(NaN, queue_depth)
quantile(Inf, queue_depth)
quantile(0.5, nothing)
quantile by (zone) (scalar(vector(0.3)), http_requests_total)
quantile_over_time(0.5, queue_depth[5m])
quantile_over_time(0.9, temperature[5m])
quantile_over_time(0, temperature[5m])
quantile_over_time(1, temperature[20m])
quantile_over_time(-1, queue_depth[5m])
quantile_over_time(2, queue_depth[5m])
quantile_over_time(NaN, queue_depth[5m])
quantile_over_time(scalar(vector(0.25)), queue_depth[5m])
quantile_over_time(0.5, {__name__=~"queue_.*"}[5m])
stddev_over_time(temperature{core="1"}[20m])
stddev_over_time(http_requests_total[1y])
deriv(queue_depth[5m])
deriv(queue_depth[20s])
deriv(temperature{core="1"}[20m])
deriv((queue_depth[5m]))
sum by (pod) (changes(temperature[20m]))
resets(http_requests_total[1y])
sum by (pod) (resets(latency_seconds_bucket[20m])) > 0
queue_depth offset 5m
queue_depth - queue_depth offset 5m
queue_depth offset 1w
sum(http_requests_total offset 3m30s)
rate(http_requests_total[5m] offset 5m)
rate(http_requests_total[5m]) / rate(http_requests_total[5m] offset 10m)
sum(rate(http_requests_total[2m])) > sum(rate(http_requests_total[2m] offset 2m))
max_over_time(temperature[5m] offset 1m)
deriv(queue_depth[5m] offset 90s500ms)
delta(queue_depth[5m] offset 1d)
changes(temperature[5m] offset 5m)
avg_over_time(queue_depth[1m] offset 30s) or queue_depth
"#;

/// All listed expressions, and every function of a range with every length.
pub(crate) fn written() -> Vec<String> {
    let lines = WRITTEN.lines().filter(|line| !line.is_empty()).map(str::to_owned);
    let functions = OVER_TIME.iter().flat_map(|function| RANGES.iter().map(move |range| (function, range)));
    let ranges = functions.flat_map(|(function, range)| {
        ["http_requests_total", "temperature"].map(|metric| format!("{function}({metric}[{range}])"))
    });
    lines.chain(ranges).collect()
}

/// A generated expression of a few operators.
pub(crate) fn generated(random: &mut Random) -> String {
    vector(random, 3)
}

/// An instant vector. Discontinuous functions are applied only to values that both compute exactly.
fn vector(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        return exact(random);
    }
    let depth = depth - 1;
    match random.below(16) {
        0 => exact(random),
        10 => format!("({}) {} ({})", vector(random, depth), set(random), vector(random, depth)),
        11 => {
            let (op, bool) = (random.of(&["==", "!=", "<", "<=", ">", ">="]), random.of(&["", "bool "]));
            format!("{} {op} {bool}{}{}", exact(random), matching(random), exact(random))
        }
        12 => {
            let op = random.of(&["+", "-", "*", "/", "%"]);
            format!("({}) {op} {}({})", vector(random, depth), matching(random), vector(random, depth))
        }
        13 => match random.below(6) {
            // Non-integers may differ in their last bit, which a remainder amplifies.
            0 => format!("{} % {}", exact(random), number(random)),
            1 => format!("({}) ^ {}", vector(random, depth), random.of(&["2", "0.5", "-1", "0", "3", "NaN", "-Inf"])),
            2 => format!("absent({})", exact(random)),
            3 => format!("vector(scalar({}))", vector(random, depth)),
            4 => format!("({}) * scalar({})", vector(random, depth), vector(random, depth)),
            _ => format!("({}) or vector({})", vector(random, depth), number(random)),
        },
        14 => {
            let of = vector(random, depth);
            let target = random.of(&["pod", "zone", "core", "new", "__name__", "le"]);
            let source = random.of(&["pod", "zone", "absent", "__name__", "code"]);
            let (text, regex) = (random.of(&["$1", "x-$2", "", "${1}y", "$0"]), random.of(REGEXES));
            format!("label_replace({of}, \"{target}\", \"{text}\", \"{source}\", \"{regex}\")")
        }
        15 => match random.below(4) {
            // The choice among equal values depends on their order.
            0 => format!("max({} by ({}) (1, {}))", random.of(&["topk", "bottomk"]), labels(random), exact(random)),
            1 => format!("sum({}({}, {}))", random.of(&["topk", "bottomk"]), random.below(8), exact(random)),
            2 => {
                let share = random.of(&["0", "0.1", "0.5", "0.95", "1", "-1", "2", "NaN"]);
                format!("quantile by ({}) ({share}, {})", labels(random), vector(random, depth))
            }
            _ => {
                let share = random.of(&["0", "0.1", "0.5", "0.95", "1", "-1", "2", "NaN"]);
                format!("quantile_over_time({share}, {}[{}]{})", selector(random), range(random), offset(random))
            }
        },
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

/// Samples and their sums, which are exact: quarters, NaN and infinities.
fn exact(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("sum by ({}) ({})", labels(random), selector(random)),
        1 => format!("{}({}[{}])", random.of(&["last_over_time", "max_over_time"]), selector(random), range(random)),
        _ => format!("{}{}", selector(random), offset(random)),
    }
}

fn over_time(random: &mut Random) -> String {
    let function = random.of(&OVER_TIME);
    format!("{function}({}[{}]{})", selector(random), range(random), offset(random))
}

fn offset(random: &mut Random) -> &'static str {
    random.of(&["", "", "", " offset 1m", " offset 7m30s"])
}

fn set(random: &mut Random) -> String {
    let op = random.of(&["and", "or", "unless"]);
    match random.below(3) {
        0 => format!("{op} on ({})", labels(random)),
        1 => format!("{op} ignoring ({})", labels(random)),
        _ => op.to_owned(),
    }
}

/// A vector matching clause with a trailing space.
fn matching(random: &mut Random) -> String {
    let labels = match random.below(4) {
        0 => return String::new(),
        1 => format!("ignoring ({}) ", random.of(&["code", "core", "core, code, zone", "le", "pod", ""])),
        2 => "on (pod, code) ".to_owned(),
        _ => format!("on ({}) ", random.of(&["pod", "pod", "pod, core", "__name__, pod", ""])),
    };
    let group =
        random.of(&["", "group_left () ", "group_right () ", "group_left (zone) ", "group_right (zone, absent) "]);
    labels + group
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
