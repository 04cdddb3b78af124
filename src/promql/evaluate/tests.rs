//! Cases that the comparison with Prometheus (tests/promql) cannot cover: times, errors, and differences between
//! Prometheus' versions.

use super::*;
use crate::promql::Limits;

const NOW: i64 = 1_000_000;
const LIMITS: Limits = Limits { bytes: 4096, depth: 32, nodes: 256, regex: 64 * 1024 };

/// Series by name and labels; instant selectors get their last sample.
struct Fixed<'a> {
    expr: &'a Expr,
    series: Vec<Series>,
}

impl Data for Fixed<'_> {
    fn instant(&self, selector: usize, at: i64) -> Vec<Element> {
        let last = |Series { labels, samples }: Series| {
            let &Sample { at, value } = samples.iter().rev().find(|sample| sample.at <= at)?;
            Some(Element { labels, value, times: Times::of(at) })
        };
        self.picked(selector).into_iter().filter_map(last).collect()
    }

    fn range(&self, selector: usize, each: EachSeries<'_>) {
        self.picked(selector).iter().for_each(|series| each(&series.labels, &series.samples));
    }
}

impl Fixed<'_> {
    fn picked(&self, selector: usize) -> Vec<Series> {
        let selector = self.expr.selectors().nth(selector).unwrap();
        let picked = |series: &&Series| {
            selector.matches(series.labels.get(NAME_LABEL).unwrap(), |label| series.labels.get(label).map(Into::into))
        };
        self.series.iter().filter(picked).cloned().collect()
    }
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
    let samples = samples.iter().map(|&(before, value)| Sample { at: NOW - before * 1_000, value }).collect();
    Series { labels: Labels::new(labels.iter().copied()), samples }
}

fn run(text: &str, series: &[Series]) -> Result<Vec<Element>, EvalError> {
    let expr = Expr::parse(text, &LIMITS).unwrap_or_else(|error| panic!("{text}: {error}"));
    evaluate(&expr, &Fixed { expr: &expr, series: series.to_vec() }, NOW)
}

fn values(text: &str, series: &[Series]) -> Vec<f64> {
    run(text, series).unwrap().iter().map(|element| element.value).collect()
}

#[test]
fn excludes_the_start_of_a_range() {
    let x = series(&[("__name__", "x")], &[(61, 1.0), (60, 2.0), (59, 4.0), (0, 8.0), (-1, 16.0)]);
    assert_eq!(values("sum_over_time(x[1m])", std::slice::from_ref(&x)), [12.0]);
    assert_eq!(values("count_over_time(x[60s1ms])", std::slice::from_ref(&x)), [3.0]);
    assert_eq!(values("count_over_time(x[1s])", &[x]), [1.0]);
}

#[test]
fn limits_extrapolation_by_the_interval_and_by_zero() {
    // Samples are 10 s apart and start 50 s after the window does, at a value that extrapolates to 0 at 6 s before.
    // Half of the interval is less than that, and is the limit.
    let x = series(&[("__name__", "x")], &[(10, 6.0), (0, 16.0)]);
    let [rate] = values("rate(x[1m])", std::slice::from_ref(&x))[..] else { panic!() };
    assert!((rate - 15.0 / 60.0).abs() < 1e-12, "{rate}");
    // If it is more, the counter's zero is the limit.
    let x = series(&[("__name__", "x")], &[(10, 2.0), (0, 12.0)]);
    assert_eq!(values("increase(x[1m])", &[x]), [12.0]);
}

#[test]
fn needs_two_samples_for_a_rate() {
    let x = series(&[("__name__", "x")], &[(70, 1.0), (10, 2.0)]);
    for function in ["rate", "increase", "irate", "delta"] {
        assert_eq!(values(&format!("{function}(x[1m])"), std::slice::from_ref(&x)), [0.0; 0], "{function}");
        assert_eq!(values(&format!("{function}(x[2m])"), std::slice::from_ref(&x)).len(), 1, "{function}");
    }
    let twice = series(&[("__name__", "x")], &[(10, 1.0), (10, 2.0)]);
    assert_eq!(values("rate(x[1m])", std::slice::from_ref(&twice)), [0.0; 0]);
    assert_eq!(values("irate(x[1m])", &[twice]), [0.0; 0]);
}

#[test]
fn compensates_sums() {
    let big = [(30, 1e100), (20, 1.0), (10, -1e100)];
    let x = series(&[("__name__", "x")], &big);
    assert_eq!(values("sum_over_time(x[1m])", &[x]), [1.0]);
    let x: Vec<_> =
        big.iter().zip(["a", "b", "c"]).map(|(at, i)| series(&[("__name__", "x"), ("i", i)], &[*at])).collect();
    assert_eq!(values("sum(x)", &x), [1.0]);
    let x: Vec<_> = ["a", "b"].map(|i| series(&[("__name__", "x"), ("i", i)], &[(0, f64::MAX)])).into();
    assert_eq!(values("avg(x)", &x), [f64::MAX]);
}

#[test]
fn treats_small_differences_between_buckets_as_rounding() {
    let bucket = |le: &str, count: f64| series(&[("__name__", "b"), ("le", le)], &[(0, count)]);
    let tenth = 0.1 + 0.2;
    let buckets = [bucket("1", tenth), bucket("2", 0.3), bucket("4", 0.3), bucket("+Inf", tenth)];
    assert_eq!(values("histogram_quantile(1, b)", &buckets), [1.0]);
}

#[test]
fn returns_the_times_of_samples() {
    let x = series(&[("__name__", "x")], &[(90, 1.0), (50, 2.0), (10, 3.0)]);
    let y = series(&[("__name__", "y")], &[(40, 2.0), (30, 3.0)]);
    let z = series(&[("__name__", "z")], &[(5, 7.0)]);
    let times = |before: i64, newest: i64, span: Option<i64>| Times {
        at: NOW - before * 1_000,
        newest: NOW - newest * 1_000,
        span: span.map(|span| span * 1_000),
    };
    for (text, expected) in [
        ("x", times(10, 10, None)),
        ("rate(x[2m])", times(10, 10, Some(80))),
        ("rate(x[1m])", times(10, 10, Some(40))),
        ("irate(x[2m])", times(10, 10, Some(40))),
        ("last_over_time(y[2m])", times(30, 30, Some(10))),
        ("-rate(x[2m]) + rate(y[2m])", times(30, 10, Some(80))),
        ("sum(rate({__name__=~'x|y',__name__!='y'}[2m])) / z", times(10, 5, Some(80))),
        ("z > y", times(30, 5, None)),
        ("max(z) * 2", times(5, 5, None)),
        ("vector(1)", times(0, 0, None)),
        ("absent(z{a='b'} > 9)", times(0, 0, None)),
        ("vector(scalar(x))", times(10, 10, None)),
        ("z * scalar(rate(x[2m]))", times(10, 5, Some(80))),
        ("scalar(y) > bool z", times(30, 5, None)),
        ("clamp_max(z, scalar(y))", times(30, 5, None)),
        ("topk(scalar(y), z)", times(30, 5, None)),
        ("z * scalar({__name__=~'x|y'})", times(30, 5, None)),
        ("z + time()", times(5, 5, None)),
        ("z and on () {__name__=~'x|y'}", times(30, 5, None)),
        ("z unless on () y > 5", times(5, 5, None)),
        ("z > 8 or on () y", times(30, 30, None)),
        // The age of the sample does not include the offset.
        ("x offset 50s", times(0, 0, None)),
        ("x offset 45s", times(5, 5, None)),
        ("rate(x[1m] offset 40s)", times(10, 10, Some(40))),
        ("z - on () x offset 70s", times(20, 5, None)),
    ] {
        let elements = run(text, &[x.clone(), y.clone(), z.clone()]).unwrap();
        assert_eq!(elements.iter().map(|element| element.times).collect::<Vec<_>>(), [expected], "{text}");
    }
}

#[test]
fn rejects_series_with_equal_labels() {
    let of = |name: &str, i: &str| series(&[("__name__", name), ("i", i)], &[(20, 1.0), (0, 2.0)]);
    let all = [of("x", "1"), of("y", "1"), of("z", "2"), of("x", "2")];
    for (text, error) in [
        ("rate({__name__=~'x|y'}[1m])", EvalError::SameLabels),
        ("-{__name__=~'x|y'}", EvalError::SameLabels),
        ("{__name__=~'x|y'} * 2", EvalError::SameLabels),
        ("abs({i='1'})", EvalError::SameLabels),
        ("x + {__name__=~'x|y'}", EvalError::SeveralMatch(Side::Right)),
        ("{__name__=~'x|y'} + x", EvalError::SeveralMatch(Side::Left)),
        ("x / on () z", EvalError::SeveralMatch(Side::Left)),
        ("z / on () x", EvalError::SeveralMatch(Side::Right)),
        ("z / on () group_left () x", EvalError::SeveralMatch(Side::Right)),
        ("x / on () group_right () z", EvalError::SeveralMatch(Side::Left)),
        ("x / on () group_left (i) z", EvalError::SameResult),
        ("label_replace(x, 'i', '3', '', '')", EvalError::SameResult),
        ("topk(NaN, x)", EvalError::NotACount),
        ("bottomk(scalar(nothing), x)", EvalError::NotACount),
    ] {
        assert_eq!(run(text, &all), Err(error), "{text}");
    }
    assert_eq!(values("count(last_over_time({i='1'}[1m]))", &all), [2.0]);
    assert_eq!(values("nothing + {__name__=~'x|y'}", &all), [0.0; 0]);
    assert_eq!(values("{__name__=~'x|y'} > {i='2',__name__='z'}", &all), [0.0; 0]);
}

/// Equal elements may arrive in any order, from a page and from a map.
#[test]
fn orders_equal_elements_by_labels() {
    let of = |i: &str, value: f64| series(&[("__name__", "x"), ("i", i)], &[(0, value)]);
    for all in [[of("1", 5.0), of("2", 5.0), of("3", f64::NAN)], [of("3", f64::NAN), of("2", 5.0), of("1", 5.0)]] {
        let labels = |text: &str| -> Vec<String> {
            let elements = run(text, &all).unwrap();
            elements.iter().map(|element| element.labels.get("i").unwrap().to_owned()).collect()
        };
        for function in ["topk", "bottomk"] {
            assert_eq!(labels(&format!("{function}(1, x)")), ["1"]);
            assert_eq!(labels(&format!("{function}(9, x)")), ["1", "2", "3"]);
        }
    }
}

#[test]
fn converts_times_with_the_clock_of_the_data() {
    struct Elsewhere;
    impl Data for Elsewhere {
        fn instant(&self, _: usize, _: i64) -> Vec<Element> {
            Vec::new()
        }
        fn range(&self, _: usize, _: EachSeries<'_>) {}
        fn unix(&self, at: i64) -> i64 {
            at + 500
        }
        fn seen(&self, now: i64) -> i64 {
            now - 7_000
        }
    }
    let evaluated = |text: &str| evaluate(&Expr::parse(text, &LIMITS).unwrap(), &Elsewhere, NOW).unwrap();
    let [time] = &evaluated("vector(time())")[..] else { panic!() };
    assert_eq!((time.value, time.times), (NOW as f64 / 1000.0 + 0.5, Times::of(NOW - 7_000)));
    let [absent] = &evaluated("absent(x{a='b'})")[..] else { panic!() };
    assert_eq!((absent.value, absent.times, absent.labels.get("a")), (1.0, Times::of(NOW - 7_000), Some("b")));
}

#[test]
fn rejects_ill_typed_trees() {
    use crate::promql::{Grouping, Number, VectorSelector};
    let number = || Expr::Number(Number(1.0));
    let range =
        Expr::Selector(VectorSelector { range: Some(std::time::Duration::from_secs(1)), ..VectorSelector::named("x") });
    let rate = |argument| Expr::Call(crate::promql::Function::Rate, vec![argument]);
    for expr in [
        number(),
        range.clone(),
        rate(number()),
        rate(Expr::Selector(VectorSelector::named("x"))),
        Expr::Aggregate(Aggregation::Sum, Grouping::ALL, vec![range]),
    ] {
        let data = Fixed { expr: &expr, series: vec![] };
        assert_eq!(evaluate(&expr, &data, NOW), Err(EvalError::IllTyped), "{expr}");
    }
}

/// The series of a block, passed as a block or one by one.
struct Blocked<'a> {
    block: Block<'a>,
    is_told: bool,
}

impl Data for Blocked<'_> {
    fn instant(&self, _: usize, _: i64) -> Vec<Element> {
        Vec::new()
    }

    fn range(&self, _: usize, each: EachSeries<'_>) {
        let Block { times, rows, width } = self.block;
        for series in 0..width {
            let sample =
                |(row, at): (usize, &i64)| Sample { at: *at, value: f64::from_bits(rows[row * width + series]) };
            let samples: Vec<Sample> = times.iter().enumerate().map(sample).collect();
            each(&Labels::new([("series", series.to_string())]), &samples);
        }
    }

    fn block(&self, _: usize) -> Option<Block<'_>> {
        self.is_told.then_some(self.block)
    }
}

#[test]
fn a_block_has_the_values_of_its_series() {
    let mut state = 7_u64;
    let mut random = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let expressions =
        ["sum(rate(x[1m]))", "max(increase(x[30s] offset 10s))", "avg(delta(x[2m]))", "count(rate(x[5s]))"];
    let expressions = expressions.map(|text| Expr::parse(text, &LIMITS).unwrap());
    for _ in 0..500 {
        let (width, mut at) = (random(4) as usize, NOW - 100_000);
        let times: Vec<i64> = (0..random(9)).map(|_| (at, at += random(30_000) as i64).0).collect();
        let value = |number: u64| match number {
            0 => f64::NAN,
            1 => f64::INFINITY,
            number => number as f64 / 7.0 - 1.0,
        };
        let rows: Vec<u64> = (0..times.len() * width).map(|_| value(random(40)).to_bits()).collect();
        let block = Block { times: &times, rows: &rows, width };
        for expr in &expressions {
            let [told, apart] = [true, false].map(|is_told| evaluate(expr, &Blocked { block, is_told }, NOW).unwrap());
            let bits =
                |elements: &[Element]| elements.iter().map(|of| (of.value.to_bits(), of.times)).collect::<Vec<_>>();
            assert_eq!(bits(&told), bits(&apart), "{expr} {block:?}");
        }
    }
}
