//! Expressions that parse, their canonical text, and the messages of those that do not.

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
        range: None,
    };
    let expr = Expr::parse("sum by (c) (max(up{a='b'}))", &LIMITS).unwrap();
    assert_eq!(expr.selectors().collect::<Vec<_>>(), [&selector]);
    let inner = Expr::Aggregate(Aggregation::Max, Grouping::ALL, Box::new(Expr::Selector(selector)));
    assert_eq!(expr, Expr::Aggregate(Aggregation::Sum, Grouping::By(vec!["c".to_owned()]), Box::new(inner)));

    let expr = Expr::parse("rate(x[90s]) / -clamp(y, 1, 2) > max(z)", &LIMITS).unwrap();
    let ranges: Vec<_> = expr.selectors().map(|it| (it.name.as_deref().unwrap(), it.range)).collect();
    assert_eq!(ranges, [("x", Some(Duration::from_secs(90))), ("y", None), ("z", None)]);
    let Expr::Binary(BinaryOp::Greater, ratio, _) = expr else { panic!("{expr:?}") };
    let Expr::Binary(BinaryOp::Div, rate, clamp) = *ratio else { panic!("{ratio:?}") };
    assert!(matches!(*rate, Expr::Call(Function::Rate, _)), "{rate:?}");
    let Expr::Negate(clamp) = *clamp else { panic!("{clamp:?}") };
    let Expr::Call(Function::Clamp, arguments) = *clamp else { panic!("{clamp:?}") };
    assert_eq!(arguments[1..], [Expr::Number(Number(1.0)), Expr::Number(Number(2.0))]);
}

#[test]
fn names_what_it_does_not_evaluate() {
    for (text, column, what) in [
        ("idelta(x[1m])", 1, "idelta()"),
        ("sum(Rate(x[1m]))", 5, "Rate()"),
        ("topk(3, x)", 1, "topk()"),
        ("topk by (a) (3, x)", 1, "topk()"),
        ("time()", 1, "time()"),
        ("x * scalar(y)", 5, "scalar()"),
        ("x offset 5m", 3, "the modifier offset"),
        ("rate(x[5m] offset 5m)", 12, "the modifier offset"),
        ("x @ 1", 3, "the modifier @"),
        ("sum(x{a='é'} [5m:1m])", 14, "a subquery"),
        ("rate(x[5m:])", 7, "a subquery"),
        ("rate((x)[5m:1m])", 9, "a subquery"),
        ("rate(x[1m])[5m:1m]", 12, "a subquery"),
        ("(x == bool 1)", 7, "the modifier bool"),
        ("x + on(a) y", 5, "the modifier on"),
        ("x * Ignoring(a) group_left y", 5, "the modifier Ignoring"),
        ("x % 2", 3, "the operator %"),
        ("-x ^ 2", 4, "the operator ^"),
        ("x and on(a) y", 3, "the operator and"),
        ("1 + x OR y", 7, "the operator OR"),
        ("sum(x) unless y", 8, "the operator unless"),
        ("x atan2 y", 3, "the operator atan2"),
        ("'x'", 1, "a string"),
    ] {
        let message =
            format!("{what} at column {column} is not evaluated here; a prometheus source takes all of PromQL");
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message)), "{text}");
    }
}

#[test]
fn checks_what_expressions_give() {
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
    ] {
        let message = format!("expected {expected} at column {column}, found {found}");
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message)), "{text}");
    }
}

#[test]
fn says_where_and_what_is_wrong() {
    let everything = "would take every series: add a metric name, \
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
        ("x{a='b',é='y'}", 9, r#"no expression holds the character "é" of column 9"#),
        (
            "x{a=~'(b'}",
            6,
            r#"the regular expression "'(b'" at column 6 is not taken: found open group without closing ')'"#,
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
        ("x > 1 < 2 + (1 == 2)", 16, "== at column 16 compares two numbers, and there is no series to filter"),
        ("clamp(x, 1)", 11, r#"expected "," and another argument of clamp() at column 11, found ")""#),
        ("round(x, 1, 2)", 11, r#"expected ")" at column 11, found ",""#),
        ("abs()", 5, r#"expected a metric, a number, a function or "(" at column 5, found ")""#),
        ("sum by a (x)", 8, r#"expected "(" at column 8, found "a""#),
        ("sum by (a:b) (x)", 9, r#"expected a label name or ")" at column 9, found "a:b""#),
        ("sum by (a b) (x)", 11, r#"expected "," or ")" at column 11, found "b""#),
        ("sum by (a)", 11, r#"expected "(" at column 11, found the end"#),
        ("sum by (a) without (b) (x)", 12, "expected one by or without, found another at column 12"),
        ("sum by (a) (x) by (b)", 16, r#"expected the end of the expression at column 16, found "by""#),
        ("(((((x)))))", 5, "expected at most 4 nested parentheses or signs, found more at column 5"),
        ("sum(max(min(avg(abs(x)))))", 20, "expected at most 4 nested parentheses or signs, found more at column 20"),
        ("x * -----1", 9, "expected at most 4 nested parentheses or signs, found more at column 9"),
        ("a+b+c+d+e+f+g", 13, "expected an expression of at most 11 parts, found more at column 13"),
        (&"x".repeat(201), 1, "expected an expression of at most 200 bytes, found 201"),
    ] {
        assert_eq!(Expr::parse(text, &LIMITS), Err(error(column, message.to_owned())), "{text}");
    }
}
