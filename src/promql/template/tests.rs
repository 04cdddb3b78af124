use super::super::MatchOp;
use super::*;

const LIMITS: Limits = Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 };

fn inject(text: &str) -> String {
    let shop = Matcher::new("namespace", MatchOp::Equal, "s\"hop", LIMITS.regex).unwrap();
    let get = Matcher::new("verb", MatchOp::NotEqual, "GET", LIMITS.regex).unwrap();
    let scope = Scope { matchers: vec![shop, get], by: Some("pod".to_owned()) };
    QueryTemplate::parse(text, false, &LIMITS).unwrap().inject(&scope)
}

#[test]
fn replaces_variables() {
    const IN: &str = r#"namespace="s\"hop",verb!="GET""#;
    for (text, expected) in [
        ("up{$matchers}", "up{IN}"),
        ("topk by ($by) (1, up{$matchers})", "topk by (pod) (1, up{IN})"),
        ("stddev(up{a=\"b\",$matchers}) BY (x, $by,)", "stddev(up{a=\"b\",IN}) BY (x, pod,)"),
        ("changes(a{$matchers,b!~\"c\"}[5m] offset 1m)", "changes(a{IN,b!~\"c\"}[5m] offset 1m)"),
        (
            "max_over_time(sum by ($by) (rate(a{$matchers}[1m]))[5m:30s] @ end())",
            "max_over_time(sum by (pod) (rate(a{IN}[1m]))[5m:30s] @ end())",
        ),
        (
            "a{$matchers} / on ($by) group_left (x) sum without (y) (b{$matchers}) or c{$matchers} % 2",
            "a{IN} / on (pod) group_left (x) sum without (y) (b{IN}) or c{IN} % 2",
        ),
        (
            "label_replace(a{$matchers}, \"x\", \"$1\", \"y\", '(.*)') # $by",
            "label_replace(a{IN}, \"x\", \"$1\", \"y\", '(.*)') # $by",
        ),
        ("a{or=\"b\",$matchers}", "a{or=\"b\",IN}"),
        ("{__name__=~\"a|b\", $matchers} > bool 0x1F * -Inf", "{__name__=~\"a|b\", IN} > bool 0x1F * -Inf"),
    ] {
        assert_eq!(inject(text), expected.replace("IN", IN), "{text}");
    }
    let nothing = QueryTemplate::parse("a{x=\"y\",$matchers}", false, &LIMITS).unwrap().inject(&Scope::default());
    assert_eq!(nothing, r#"a{x="y",namespace=~".*"}"#);
}

#[test]
fn rejects_misplaced_variables() {
    for (text, message) in [
        ("up", "expected $matchers in braces after \"up\" at column 1"),
        ("up{$matchers} + down", "expected $matchers in braces after \"down\" at column 17"),
        ("offset / up{$matchers}", "expected $matchers in braces after \"offset\" at column 1"),
        ("up{$matchers} and AND", "expected $matchers in braces after \"AND\" at column 19"),
        ("sum by ($by) (by)", "expected $matchers in braces after \"by\" at column 15"),
        ("up{$matchers} + down{a=\"b\"}", "expected $matchers in the braces at column 21"),
        ("up{$matchers} + {a=\"$matchers\"}", "expected $matchers in the braces at column 17"),
        ("up{a=$matchers}", "$matchers at column 6 is not among the matchers in the braces of a selector"),
        ("up{a $matchers}", "$matchers at column 6 is not among the matchers in the braces of a selector"),
        ("$matchers", "$matchers at column 1 is not among the matchers in the braces of a selector"),
        ("up{$by}", "$by at column 4 is not among the labels of by ( ) or on ( )"),
        ("sum without ($by) (x)", "$by at column 14 is not among the labels of by ( ) or on ( )"),
        ("a{$matchers} + ignoring ($by) b", "$by at column 26 is not among the labels of by ( ) or on ( )"),
        (
            "up{a=\"b\" or $matchers}",
            "or inside braces at column 10 is not supported: $matchers would restrict one alternative only; write a \
             selector for each",
        ),
        (
            "up{$matchers, a=\"b\" OR c=\"d\"}",
            "OR inside braces at column 21 is not supported: $matchers would restrict one alternative only; write a \
             selector for each",
        ),
        ("up{$matcher}", "expected $matchers or $by at column 4, found \"$matcher\""),
        ("up{$matchers", "the bracket at column 3 is not closed by }"),
        ("stddev(sum by ($by) (a{$matchers})", "the bracket at column 7 is not closed by )"),
        ("sum by ($by", "the bracket at column 5 is not closed by )"),
        ("a{$matchers}[5m", "the bracket at column 13 is not closed by ]"),
    ] {
        let found = QueryTemplate::parse(text, false, &LIMITS).unwrap_err();
        assert_eq!(found.to_string(), message, "{text}");
    }
}

#[test]
fn finds_aggregations_that_mix_objects() {
    for (text, mixes, by) in [
        ("changes(a{$matchers}[5m])", None, None),
        ("stddev by ($by) (a{$matchers})", None, Some(12)),
        ("stddev without (x) (a{$matchers})", None, None),
        ("stddev(a{$matchers})", Some(1), None),
        ("stddev(stddev by (x) (a{$matchers})) by ($by)", Some(15), Some(42)),
        ("1 - quantile(0.5, (a{$matchers}))", Some(5), None),
        ("max{$matchers}", None, None),
    ] {
        let written = QueryTemplate::parse(text, false, &LIMITS).unwrap();
        assert_eq!((written.mixes(), written.by()), (mixes, by), "{text}");
    }
}

#[test]
fn needs_no_variables_for_one_object() {
    for text in [
        "sum(a) or vector(0)",
        "scalar(a{b=\"c\"})",
        "time() - a",
        "sum(a offset 1w)",
        "max_over_time(sum(rate(a[1m]))[5m:])",
        "a{b=\"c\" or d=\"e\"}",
        "topk(1, a)",
    ] {
        let template = QueryTemplate::parse(text, true, &LIMITS).unwrap();
        assert_eq!((template.inject(&Scope::default()).as_str(), template.takes_matchers()), (text, false));
        assert!(QueryTemplate::parse(text, false, &LIMITS).is_err(), "{text}");
    }
    let some = QueryTemplate::parse("a{$matchers} or vector(0) or b", true, &LIMITS).unwrap();
    assert!(some.takes_matchers());
    for (text, message) in [
        ("sum(a", "the bracket at column 4 is not closed by )"),
        ("a{b=\"c\"", "the bracket at column 2 is not closed by }"),
        ("a[5m", "the bracket at column 2 is not closed by ]"),
        ("a{b=$matchers}", "$matchers at column 5 is not among the matchers in the braces of a selector"),
        (
            "a{b=\"c\" or $matchers}",
            "or inside braces at column 9 is not supported: $matchers would restrict one alternative only; write a \
             selector for each",
        ),
    ] {
        assert_eq!(QueryTemplate::parse(text, true, &LIMITS).unwrap_err().to_string(), message, "{text}");
    }
}
