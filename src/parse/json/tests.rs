use serde_json::json;

use super::jsonpath::TooMany;
use super::*;

const LIMITS: JsonLimits = JsonLimits { bytes: 128 };

#[test]
fn parses_and_prints() {
    for (text, printed) in [
        ("$.queue.depth", "$.queue.depth"),
        ("  $['a b'] ", "$['a b']"),
        ("sum($.queues[*].depth)", "sum($.queues[*].depth)"),
        ("MAX ( $..depth )", "max($..depth)"),
        ("count($.a[?@.b == ')'])", "count($.a[?@.b == ')'])"),
        ("$['in use']/$['of / all']", "$['in use'] / $['of / all']"),
        ("100*$.a/$.b - 1.50", "100 * $.a / $.b - 1.5"),
        ("(1 + $.a) * -($.b-$.c)", "(1 + $.a) * -($.b - $.c)"),
        ("$.a - ($.b - $.c)", "$.a - ($.b - $.c)"),
        ("($.a * $.b) + $.c", "$.a * $.b + $.c"),
        ("sum($.a[*].n) - $.a [0] .n", "sum($.a[*].n) - $.a [0] .n"),
        ("1e300 * $.*", "1e300 * $.*"),
        ("Last($.points[*][0]) * 2", "last($.points[*][0]) * 2"),
        ("- $.a", "-$.a"),
    ] {
        assert!(looks_like_json(text), "{text}");
        let expr = JsonExpr::parse(text, &LIMITS).unwrap();
        assert_eq!(expr.to_string(), printed);
        assert_eq!(JsonExpr::parse(printed, &LIMITS), Ok(expr));
    }
    for text in [
        "queue_depth",
        "sum(queue_depth)",
        "rate($.a)",
        "",
        "(",
        "sum",
        "/^(\\d+)$/",
        "sum(/x$/)",
        "q{a=\"$\"}",
        "sum by ($by) (q)",
    ] {
        assert!(!looks_like_json(text), "{text}");
    }
}

#[test]
fn rejects() {
    for (text, column, message) in [
        ("sum($.a", 8, "expected \")\" after the path, found the end (column 8)"),
        ("($.a", 5, "expected \")\" after the expression, found the end (column 5)"),
        ("$.a +", 6, "expected a JSONPath, which starts with $, or a number, found the end (column 6)"),
        ("$.a / b", 7, "expected sum, avg, min, max, count, first or last of a JSONPath, found \"b\" (column 7)"),
        ("sum($.a / 2)", 9, "expected \")\", found \"/ 2)\": write arithmetic outside of sum() (column 9)"),
        ("1 + 2", 1, "expected a JSONPath, which starts with $ (column 1)"),
        ("2x * $.a", 2, "expected +, -, *, / or the end, found \"x * $.a\" (column 2)"),
        (
            "$.in-use",
            5,
            "expected the JSONPath (RFC 9535) to continue, found \"-use\"; write $['in-use'], or spaces around an operator \
             (column 5)",
        ),
        (
            "$.bytes/1024",
            8,
            "expected the JSONPath (RFC 9535) to continue, found \"/1024\"; write $['bytes/1024'], or spaces around an \
             operator (column 8)",
        ),
        ("é", 1, "expected a JSONPath, which starts with $ (column 1)"),
        ("$[\"a\\u", 7, "expected a closing quote, found the end (column 7)"),
        ("$..a..b..c", 9, "expected at most 2 .. in one path, found more (column 9)"),
        (
            "count($[?$..zz])",
            10,
            "expected a path to one value after $ in a filter, found .. or *, which would search the page for each item (column 10)",
        ),
        ("$[0,1,2,3,4,5,6,7,8,9]", 20, "expected at most 8 commas in one path, found more (column 20)"),
    ] {
        let error = JsonExpr::parse(text, &LIMITS).unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (column, message), "{text}");
    }
    let nested = format!("$[?{}@.a", "(".repeat(16));
    assert!(JsonExpr::parse(&nested, &LIMITS).unwrap_err().message.starts_with("expected at most 16 open brackets"));
    assert!(
        JsonExpr::parse(&"$".repeat(129), &LIMITS)
            .unwrap_err()
            .message
            .starts_with("expected an expression of at most 128")
    );
    let error = JsonExpr::parse("sum($.a b)", &LIMITS).unwrap_err();
    assert_eq!(error.message, "expected the JSONPath (RFC 9535) to continue, found \" b\"; write $['a b'] (column 8)");
    for text in ["$.", "$.a b", "$[", "sum($.a).b)", "$.a\u{7f}"] {
        let error = JsonExpr::parse(text, &LIMITS).unwrap_err();
        assert!(error.column >= 2 && error.column <= text.chars().count() + 1, "{text}: {error:?}");
    }
}

#[test]
fn calculates() {
    for (text, parts, value) in [
        ("$.a / $.b", &[1.0, 5.0][..], 0.2),
        ("$.a - $.b - $.c", &[9.0, 3.0, 1.0], 5.0),
        ("$.a - ($.b - $.c)", &[9.0, 3.0, 1.0], 7.0),
        ("1 + $.a * 2", &[3.0], 7.0),
        ("(1 + $.a) * 2", &[3.0], 8.0),
        ("-$.a * -2", &[3.0], 6.0),
        // A repeated path is one part.
        ("$.a * $.a", &[3.0], 9.0),
        ("$.a / $.b", &[1.0, 0.0], f64::INFINITY),
    ] {
        let expr = JsonExpr::parse(text, &LIMITS).unwrap();
        assert_eq!((expr.parts().len(), expr.value(parts)), (parts.len(), value), "{text}");
    }
    assert!(JsonExpr::parse("$.a / $.b", &LIMITS).unwrap().value(&[0.0, 0.0]).is_nan());
}

/// Limits on an expression.
#[test]
fn limits_expressions() {
    let parse = |text: &str| JsonExpr::parse(text, &JsonLimits { bytes: 4_096 });
    let paths = |count: usize| (0..count).map(|at| format!("$.a{at}")).collect::<Vec<_>>().join(" + ");
    assert_eq!(parse(&paths(16)).unwrap().parts().len(), 16);
    assert!(parse(&paths(17)).unwrap_err().message.starts_with("expected at most 16 JSONPaths, found more"));
    assert!(parse(&format!("{}$.a", "1+".repeat(31))).is_ok());
    assert!(parse(&format!("{}$.a", "1+".repeat(32))).unwrap_err().message.starts_with("expected at most 64 numbers"));
    assert!(parse(&format!("{}$.a{}", "(".repeat(16), ")".repeat(16))).is_ok());
    for deep in ["(", "-"] {
        let error = parse(&format!("{}$.a", deep.repeat(17))).unwrap_err();
        assert!(error.message.starts_with("expected at most 16 levels of nesting"), "{error}");
    }
}

#[test]
fn queries() {
    let page = json!({"queues": [{"depth": 3}, {"depth": "1500m"}, {"depth": null}], "a.b": 7});
    let depths = Path::parse("$.queues[*].depth", &LIMITS).unwrap();
    assert_eq!(depths.query(&page, 3).unwrap(), [&json!(3), &json!("1500m"), &json!(null)]);
    assert_eq!(depths.query(&page, 2), Err(TooMany { max: 2 }));
    assert_eq!(Path::member("a.b").query(&page, 1).unwrap(), [&json!(7)]);
    assert!(Path::member("x").query(&page, 1).unwrap().is_empty());
}

#[test]
fn reads_numbers() {
    let from_text = |text: &str| text.parse().ok();
    for (value, expected) in [
        (json!(3), Ok(3.0)),
        (json!(-2.5), Ok(-2.5)),
        (json!("7"), Ok(7.0)),
        (json!("x"), Err(NotANumber { found: "a string that is not a number" })),
        (json!(null), Err(NotANumber { found: "null" })),
        (json!(true), Err(NotANumber { found: "a boolean" })),
        (json!([1]), Err(NotANumber { found: "an array" })),
        (json!({}), Err(NotANumber { found: "an object" })),
    ] {
        assert_eq!(number(&value, from_text), expected, "{value}");
    }
}
