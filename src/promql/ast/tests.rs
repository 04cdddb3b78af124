//! Tests of levels, calls and selectors of expressions.

use super::super::Limits;
use super::*;

const LIMITS: Limits = Limits { bytes: 4096, depth: 8, nodes: 64, regex: 64 * 1024 };

fn selector(text: &str) -> VectorSelector {
    Expr::parse(text, &LIMITS).unwrap().selectors().next().unwrap().clone()
}

#[test]
fn selects_series() {
    let get = |label: &str| match label {
        "code" => Some(Cow::Borrowed("200")),
        "path" => Some(Cow::Owned("/a\nb".to_owned())),
        _ => None,
    };
    for (text, expected) in [
        ("hits", true),
        ("misses", false),
        (r#"hits{code="200"}"#, true),
        (r#"hits{code!="200"}"#, false),
        (r#"hits{code=~"2.."}"#, true),
        (r#"hits{code=~"2"}"#, false),
        (r#"hits{code=~"2|200"}"#, true),
        (r#"hits{code!~"5.."}"#, true),
        (r#"hits{code!~"[12].+",path="x"}"#, false),
        (r#"hits{path=~"/a.b"}"#, true),
        (r#"hits{absent=""}"#, true),
        (r#"hits{absent=~".*"}"#, true),
        (r#"hits{absent=~".+"}"#, false),
        (r#"hits{absent!="x"}"#, true),
        (r#"{__name__="hits"}"#, true),
        (r#"{__name__=~"hit.?",code!=""}"#, true),
        (r#"{__name__=~"miss.*"}"#, false),
        (r#"{"hits",code="200"}"#, true),
    ] {
        assert_eq!(selector(text).matches("hits", get), expected, "{text}");
    }
}

#[test]
fn excludes_series_by_known_labels() {
    let get = |label: &str| (label == "code").then_some(Cow::Borrowed("200"));
    for (text, expected) in [
        ("hits", true),
        ("misses", false),
        (r#"hits{code="200",unknown="x"}"#, true),
        (r#"hits{unknown="",code=~"2.."}"#, true),
        (r#"hits{unknown="x",code="500"}"#, false),
        (r#"hits{code=~"5.."}"#, false),
        (r#"hits{code!="200"}"#, false),
        (r#"{__name__=~"miss.*"}"#, false),
    ] {
        assert_eq!(selector(text).may_match("hits", get), expected, "{text}");
    }
}
