//! Tests of valid expressions and their canonical text, and of error messages.

use std::time::Duration;

use super::super::{Function, Grouping, MatchOp, Matcher, VectorSelector};
use super::*;

const LIMITS: Limits = Limits { bytes: 200, depth: 4, nodes: 11, regex: 4096 };

#[test]
fn parses_and_prints() {
    for (text, printed) in [
        ("up", "up"),
        (" ( (up ) )#", "up"),
        ("job:up:sum", "job:up:sum"),
        ("up{}", "up"),
        ("up{a='b',}", r#"up{a="b"}"#),
        ("up { a = `b` , c != \"d\"\n,e=~'f|g', h!~\"i\" }", r#"up{a="b",c!="d",e=~"f|g",h!~"i"}"#),
        ("{a=~'.+'}", r#"{a=~".+"}"#),
        ("{a='',b!=''}", r#"{a="",b!=""}"#),
        ("{__name__='up',by='x'}", r#"{__name__="up",by="x"}"#),
        ("{'up'}", "up"),
        ("{a='b','http.requests'}", r#"{"http.requests",a="b"}"#),
        ("{'on','a.b'='c'}", r#"{"on","a.b"="c"}"#),
        ("sum(up)", "sum(up)"),
        ("MAX ( sum((up{a='b'})) )", r#"max(sum(up{a="b"}))"#),
        ("avg(min(count(up)))", "avg(min(count(up)))"),
        ("sum(x)/sum(y)", "sum(x) / sum(y)"),
        ("sum BY(a,) (x)", "sum by (a) (x)"),
        ("min (x) Without ( a , 'b.c', by )", r#"min without (a, "b.c", by) (x)"#),
        ("sum by () (x)", "sum(x)"),
        ("sum without () (x)", "sum without () (x)"),
        ("rate(x[1h30m])", "rate(x[1h30m])"),
        ("last_over_time({a='b'} [ 90s ])", r#"last_over_time({a="b"}[1m30s])"#),
        ("increase(x[1w2d500ms])", "increase(x[1w2d500ms])"),
        ("histogram_quantile(.9,x)", "histogram_quantile(0.9, x)"),
        ("round(x)+round((x), 0x10)", "round(x) + round(x, 16)"),
        ("1 + 2*x - 3", "1 + 2 * x - 3"),
        ("(1 + 2)*x - (3 - y)", "(1 + 2) * x - (3 - y)"),
        ("a/(b*c)/d*e", "a / (b * c) / d * e"),
        ("a < b+1 == c", "a < b + 1 == c"),
        ("a < (b == c)", "a < (b == c)"),
        ("-a*b", "-a * b"),
        ("-(a*b)", "-(a * b)"),
        ("a - -b --1", "a - -b - -1"),
        ("+a*+(+b)", "a * b"),
        ("--x", "--x"),
        ("-(-(3))*x", "3 * x"),
        ("x*-0/+Inf-NaN", "x * -0 / Inf - NaN"),
        ("x*-iNF", "x * -Inf"),
        ("x>1e-3", "x > 0.001"),
        ("rate-rate(rate[1m])", "rate - rate(rate[1m])"),
        ("offset{by='x'}", r#"offset{by="x"}"#),
        ("1 - 2 ^ -x ^ 3 * 2", "1 - 2 ^ -x ^ 3 * 2"),
        ("x*-y % -2", "x * -y % -2"),
        ("a ^ b ^ c", "a ^ b ^ c"),
        ("a ^ (b ^ c)", "a ^ b ^ c"),
        ("(a ^ b) ^ c", "(a ^ b) ^ c"),
        ("-a ^ 2", "-a ^ 2"),
        ("(-a) ^ 2", "(-a) ^ 2"),
        ("(-2) ^ x ^ -0", "(-2) ^ x ^ -0"),
        ("-2 ^ x", "-2 ^ x"),
        ("a * (b % c)", "a * (b % c)"),
        ("a OR b And c unless d == e", "a or b and c unless d == e"),
        ("(a or b) and c", "(a or b) and c"),
        ("and and or or unless", "and and or or unless"),
        ("a == BOOL b", "a == bool b"),
        ("a + (1 > bool 2)", "a + (1 > bool 2)"),
        ("a / ON(x,) b", "a / on (x) b"),
        ("a or on() b", "a or on () b"),
        ("a * ignoring ( x, 'y.z' ) Group_Left b", r#"a * ignoring (x, "y.z") group_left () b"#),
        ("a > bool on (x) group_right(y) (b)", "a > bool on (x) group_right (y) b"),
        ("a * ignoring () group_left b", "a * ignoring () group_left () b"),
        ("a unless ignoring () b", "a unless b"),
        ("TOPK(3, x) by (a)", "topk by (a) (3, x)"),
        ("bottomk without (a) (1 + 2, x)", "bottomk without (a) (1 + 2, x)"),
        ("quantile(0.5, stddev(x))", "quantile(0.5, stddev(x))"),
        ("time() - x", "time() - x"),
        ("vector(scalar(x))", "vector(scalar(x))"),
        ("clamp_max(x, scalar(y))", "clamp_max(x, scalar(y))"),
        ("absent(x{a='b'})", r#"absent(x{a="b"})"#),
        ("label_replace(x, 'a', '$1', \"b\", `(.*)\\.d`)", r#"label_replace(x, "a", "$1", "b", "(.*)\\.d")"#),
        ("label_replace(x,'a','${name}','','')", r#"label_replace(x, "a", "${name}", "", "")"#),
        ("label_replace(x,'a','b','','')", r#"label_replace(x, "a", "b", "", "")"#),
        ("x offset 5m", "x offset 5m"),
        ("deriv(x{a='b'}[1m] OFFSET 1w)", r#"deriv(x{a="b"}[1m] offset 1w)"#),
        ("x offset 0s", "x"),
        ("quantile_over_time(0.5, x[5m])", "quantile_over_time(0.5, x[5m])"),
        ("sum", "sum"),
        ("count{a='b'}", r#"count{a="b"}"#),
        ("sum(by)", "sum(by)"),
    ] {
        let expr = Expr::parse(text, &LIMITS).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expr.to_string(), printed, "{text}");
        assert_eq!(Expr::parse(printed, &LIMITS), Ok(expr), "{text}");
    }
}

#[test]
fn parses_to_a_tree() {
    let selector = VectorSelector {
        name: Some("up".to_owned()),
        matchers: vec![Matcher::new("a", MatchOp::Equal, "b", LIMITS.regex).unwrap()],
        ..VectorSelector::default()
    };
    let expr = Expr::parse("sum by (c) (max(up{a='b'}))", &LIMITS).unwrap();
    assert_eq!(expr.selectors().collect::<Vec<_>>(), [&selector]);
    let inner = Expr::Aggregate(Aggregation::Max, Grouping::ALL, vec![Expr::Selector(selector)]);
    assert_eq!(expr, Expr::Aggregate(Aggregation::Sum, Grouping::By(vec!["c".to_owned()]), vec![inner]));

    let expr = Expr::parse("rate(x[90s]) / -clamp(y, 1, 2) > max(z)", &LIMITS).unwrap();
    let ranges: Vec<_> = expr.selectors().map(|it| (it.name.as_deref().unwrap(), it.range)).collect();
    assert_eq!(ranges, [("x", Some(Duration::from_secs(90))), ("y", None), ("z", None)]);
    let Expr::Binary(BinaryOp::Greater, _, operands) = expr else { panic!("{expr:?}") };
    let [ratio, _] = *operands;
    let Expr::Binary(BinaryOp::Div, _, operands) = ratio else { panic!("{ratio:?}") };
    let [rate, clamp] = *operands;
    assert!(matches!(rate, Expr::Call(Function::Rate, _)), "{rate:?}");
    let Expr::Negate(clamp) = clamp else { panic!("{clamp:?}") };
    let Expr::Call(Function::Clamp, arguments) = *clamp else { panic!("{clamp:?}") };
    assert_eq!(arguments[1..], [Expr::Number(Number(1.0)), Expr::Number(Number(2.0))]);
}

#[test]
fn names_unsupported_parts() {
    for (text, column, what) in [
        ("idelta(x[1m])", 1, "idelta()"),
        ("sum(Rate(x[1m]))", 5, "Rate()"),
        ("count_values('a', x)", 1, "count_values()"),
        ("group by (a) (x)", 1, "group()"),
        ("stdvar(x)", 1, "stdvar()"),
        ("limitk(3, x)", 1, "limitk()"),
        ("absent_over_time(x[5m])", 1, "absent_over_time()"),
        ("predict_linear(x[5m], 60)", 1, "predict_linear()"),
        ("x * timestamp(y)", 5, "timestamp()"),
        ("label_join(x, 'a', 'b')", 1, "label_join()"),
        ("sort(x)", 1, "sort()"),
        ("x offset -5m", 10, "a negative offset"),
        ("x @ 1", 3, "the modifier @"),
        ("x offset 5m @ 1", 13, "the modifier @"),
        ("sum(x{a='é'} [5m:1m])", 14, "a subquery"),
        ("rate(x[5m:])", 7, "a subquery"),
        ("rate((x)[5m:1m])", 9, "a subquery"),
        ("rate(x[1m])[5m:1m]", 12, "a subquery"),
        ("x atan2 y", 3, "the operator atan2"),
        ("x + 'y'", 5, "a string"),
        ("'x'", 1, "a string"),
    ] {
        let message =
            format!("{what} at column {column} is not supported here; a prometheus source supports all of PromQL");
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message)), "{text}");
    }
}

#[test]
fn checks_types() {
    const NUMBER: &str = "a number";
    const VECTOR: &str = "one sample of each series";
    const RANGE: &str = "a range such as x[5m]";
    for (text, column, expected, found) in [
        ("x[5m]", 1, VECTOR, RANGE),
        ("1", 1, VECTOR, NUMBER),
        ("-(1 + 2)", 1, VECTOR, NUMBER),
        ("rate(x)", 6, RANGE, VECTOR),
        ("rate(sum(x))", 6, RANGE, VECTOR),
        ("irate(1)", 7, RANGE, NUMBER),
        ("abs(x[5m])", 5, VECTOR, RANGE),
        ("abs(-1)", 5, VECTOR, NUMBER),
        ("sum(1)", 5, VECTOR, NUMBER),
        ("max(x[5m])", 5, VECTOR, RANGE),
        ("-x[5m]", 2, VECTOR, RANGE),
        ("1 + x[5m]", 5, VECTOR, RANGE),
        ("x[5m] > 1", 1, VECTOR, RANGE),
        ("clamp_min(x, y)", 14, NUMBER, VECTOR),
        ("round(1)", 7, VECTOR, NUMBER),
        ("histogram_quantile(x, y)", 20, NUMBER, VECTOR),
        ("histogram_quantile(1, y[5m])", 23, VECTOR, RANGE),
        ("time()", 1, VECTOR, NUMBER),
        ("scalar(x) + 1", 1, VECTOR, NUMBER),
        ("1 == bool 2", 1, VECTOR, NUMBER),
        ("vector(x)", 8, NUMBER, VECTOR),
        ("absent(1)", 8, VECTOR, NUMBER),
        ("topk(x, y)", 6, NUMBER, VECTOR),
        ("topk(1, 2)", 9, VECTOR, NUMBER),
        ("quantile_over_time(0.5, x)", 25, RANGE, VECTOR),
        ("deriv(x offset 5m)", 7, RANGE, VECTOR),
        ("label_replace(x[5m], 'a', '', 'b', '')", 15, VECTOR, RANGE),
        ("x and y[5m]", 7, VECTOR, RANGE),
    ] {
        let message = format!("expected {expected} at column {column}, found {found}");
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message)), "{text}");
    }
}

#[test]
fn describes_errors_with_their_column() {
    let everything = "selects every series: add a metric name, \
                      or a matcher that does not match an empty value";
    for (text, column, message) in [
        ("", 1, r#"expected a metric, a number, a function or "(" at column 1, found the end"#),
        ("sum()", 5, r#"expected a metric, a number, a function or "(" at column 5, found ")""#),
        ("sum(x", 6, r#"expected ")" at column 6, found the end"#),
        ("sum(x, y)", 6, r#"expected ")" at column 6, found ",""#),
        ("x y", 3, r#"expected the end of the expression at column 3, found "y""#),
        ("x)", 2, r#"expected the end of the expression at column 2, found ")""#),
        ("x{a}", 4, r#"expected =, !=, =~ or !~ at column 4, found "}""#),
        ("x{a==\"b\"}", 4, r#"expected =, !=, =~ or !~ at column 4, found "==""#),
        ("x{a=b}", 5, r#"expected a string at column 5, found "b""#),
        ("x{a='é' b='c'}", 9, r#"expected "," or "}" at column 9, found "b""#),
        ("x{,}", 3, r#"expected a label name or "}" at column 3, found ",""#),
        ("x{a:b='c'}", 3, r#"expected a label name or "}" at column 3, found "a:b""#),
        ("{''}", 2, r#"expected a label name or "}" at column 2, found "''""#),
        ("x{", 3, r#"expected a label name or "}" at column 3, found the end"#),
        ("on", 1, "expected a metric at column 1, found the keyword on"),
        ("x{'y'}", 3, "the metric is named a second time at column 3"),
        ("sum(x{__name__='y'})", 5, "the selector at column 5 names its metric twice"),
        ("{}", 1, &format!("the selector at column 1 {everything}")),
        ("sum({a=~'.*',b!='c'})", 5, &format!("the selector at column 5 {everything}")),
        ("x{a='b',é='y'}", 9, r#"unexpected character "é" at column 9"#),
        (
            "x{a=~'(b'}",
            6,
            r#"the regular expression "'(b'" at column 6 is not supported: found open group without closing ')'"#,
        ),
        ("x[5]", 3, r#"duration "5": expected a unit after each number: ms, s, m, h, d, w or y, at column 3"#),
        ("x[5m1h]", 3, r#"duration "5m1h": expected each unit once, the largest first, at column 3"#),
        ("x[0s]", 3, r#"expected a duration from 1ms to 292 years at column 3, found "0s""#),
        ("x[300y]", 3, r#"expected a duration from 1ms to 292 years at column 3, found "300y""#),
        ("x[]", 3, r#"expected a duration such as 5m at column 3, found "]""#),
        ("x[5m", 5, r#"expected "]" at column 5, found the end"#),
        ("rate((x)[5m])", 9, "the range at column 9 does not follow a selector"),
        ("x[5m][5m]", 6, "the range at column 6 does not follow a selector"),
        ("x > 5m", 5, r#"expected a number at column 5, found "5m""#),
        ("x + ", 5, r#"expected a metric, a number, a function or "(" at column 5, found the end"#),
        ("x == = 5", 6, r#"expected a metric, a number, a function or "(" at column 6, found "=""#),
        (
            "x > 1 < 2 + (1 == 2)",
            16,
            "== at column 16 compares two numbers, so there is no series to filter; write == bool for 1 or 0",
        ),
        ("x + bool y", 5, "bool at column 5 does not follow a comparison"),
        ("x and bool y", 7, "bool at column 7 does not follow a comparison"),
        ("x and 1", 3, "and at column 3 needs series on both sides, found a number"),
        ("1 unless x", 3, "unless at column 3 needs series on both sides, found a number"),
        ("x + on (a) 1", 5, "vector matching at column 5 needs series on both sides, found a number"),
        ("x * group_left y", 5, "group_left at column 5 needs on ( ) or ignoring ( ) before it"),
        ("x or on (a) group_right y", 13, "group_right at column 13 cannot be used with or"),
        (
            "x * on (a) group_left (b, a) y",
            12,
            r#"group_left at column 12 copies the label "a", which on ( ) already matches"#,
        ),
        ("x * on y", 8, r#"expected "(" at column 8, found "y""#),
        ("x * on (a) ignoring (b) y", 12, "expected a metric at column 12, found the keyword ignoring"),
        ("sum(x) offset 5m", 8, "the offset at column 8 does not follow a selector"),
        ("x offset 5m offset 1m", 13, "the offset at column 13 does not follow a selector"),
        ("x offset 5m[5m]", 12, "the range at column 12 does not follow a selector"),
        ("x offset y", 10, r#"expected a duration such as 5m at column 10, found "y""#),
        ("x offset 300y", 10, r#"expected a duration from 0s to 292 years at column 10, found "300y""#),
        ("time(x)", 6, r#"expected ")" at column 6, found "x""#),
        ("topk(x)", 6, "expected a number at column 6, found one sample of each series"),
        ("topk(1)", 7, r#"expected "," and another argument of topk() at column 7, found ")""#),
        ("label_replace(x)", 16, r#"expected "," and another argument of label_replace() at column 16, found ")""#),
        ("label_replace(x, a, '', 'b', '')", 18, r#"expected a string at column 18, found "a""#),
        ("label_replace(x, '', '', 'b', '')", 18, "expected a label name at column 18, found an empty string"),
        (
            "label_replace(x, 'a', '', 'b', '(')",
            32,
            r#"the regular expression "'('" at column 32 is not supported: found open group without closing ')'"#,
        ),
        ("clamp(x, 1)", 11, r#"expected "," and another argument of clamp() at column 11, found ")""#),
        ("round(x, 1, 2)", 11, r#"expected ")" at column 11, found ",""#),
        ("abs()", 5, r#"expected a metric, a number, a function or "(" at column 5, found ")""#),
        ("sum by a (x)", 8, r#"expected "(" at column 8, found "a""#),
        ("sum by (a:b) (x)", 9, r#"expected a label name or ")" at column 9, found "a:b""#),
        ("sum by (a b) (x)", 11, r#"expected "," or ")" at column 11, found "b""#),
        ("sum by (a)", 11, r#"expected "(" at column 11, found the end"#),
        ("sum by (a) without (b) (x)", 12, "expected one by or without, found another at column 12"),
        ("sum by (a) (x) by (b)", 16, r#"expected the end of the expression at column 16, found "by""#),
        ("(((((x)))))", 5, "expected at most 4 nested parentheses, signs or ^, found more at column 5"),
        (
            "sum(max(min(avg(abs(x)))))",
            20,
            "expected at most 4 nested parentheses, signs or ^, found more at column 20",
        ),
        ("x * -----1", 9, "expected at most 4 nested parentheses, signs or ^, found more at column 9"),
        ("a^b^c^d^e^f", 11, "expected at most 4 nested parentheses, signs or ^, found more at column 11"),
        ("a+b+c+d+e+f+g", 13, "expected an expression of at most 11 parts, found more at column 13"),
        (&"x".repeat(201), 1, "expected an expression of at most 200 bytes, found 201"),
    ] {
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message.to_owned())), "{text}");
    }
}
