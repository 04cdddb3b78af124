//! Queries: a query restricted to a namespace is still an expression, and every selector in it has the namespace's matcher.
//!
//! The first line of the input is the name of the namespace, which is not checked here; the rest is the expression.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::promql::{Expr, Function, Grouping, Limits, MatchOp, Matcher, QueryTemplate, Scope};

const LIMITS: Limits = Limits { bytes: 512, depth: 8, nodes: 40, regex: 16 * 1024 };

fuzz_target!(|input: &str| {
    let (namespace, text) = input.split_once('\n').unwrap_or(("shop", input));
    let matcher = Matcher::new("namespace", MatchOp::Equal, namespace, LIMITS.regex).expect("no regular expression");
    let scope = Scope { matchers: vec![matcher.clone()], by: Some("pod".to_owned()) };
    // Each of forty selectors gets the namespace, each byte of which may be escaped to four.
    let roomy = Limits { bytes: 64 * 1024 + 256 * namespace.len(), ..LIMITS };
    let narrowed = |expr: &Expr| expr.selectors().all(|selector| selector.matchers.contains(&matcher));

    if let Ok(expr) = Expr::parse(text, &LIMITS) {
        match expr.inject(&scope) {
            Ok(injected) => {
                let printed = injected.to_string();
                assert_eq!(Expr::parse(&printed, &roomy).as_ref(), Ok(&injected), "{printed}");
                assert_eq!(expr.selectors().count(), injected.selectors().count(), "{printed}");
                assert!(narrowed(&injected) && keeps(&injected), "{printed}");
            }
            Err(dropped) => assert!(!keeps(&expr), "{expr}: {dropped}"),
        }
    }
    if let Ok(written) = QueryTemplate::parse(text, true, &LIMITS)
        && written.by().is_none()
        && !written.takes_matchers()
    {
        assert_eq!(written.inject(&scope), text);
    }
    if let Ok(written) = QueryTemplate::parse(text, false, &LIMITS) {
        let printed = written.inject(&scope);
        // If it is in the supported subset of PromQL, its structure is checked.
        if let Ok(expr) = Expr::parse(&printed, &roomy) {
            assert!(narrowed(&expr), "{printed}");
            assert!(written.mixes().is_some() || keeps_but_without(&expr), "{printed}");
        }
    }
});

/// Whether every part keeps the label that identifies pods.
fn keeps(expr: &Expr) -> bool {
    let keeps_label = |grouping: &Grouping| match grouping {
        Grouping::By(labels) => labels.iter().any(|label| label == "pod"),
        Grouping::Without(labels) => labels.iter().all(|label| label != "pod"),
    };
    match expr {
        Expr::Aggregate(_, grouping, _) if !keeps_label(grouping) => return false,
        Expr::Binary(_, matching, _) if !keeps_label(&matching.labels) => return false,
        Expr::Relabel(replace, _) if replace.target == "pod" => return false,
        Expr::Call(Function::Vector | Function::Absent, _) => return false,
        // The number is the same for all pods.
        Expr::Call(Function::Scalar, _) => return expr.selectors().next().is_none(),
        _ => {}
    }
    expr.children().iter().all(keeps)
}

/// Whether each aggregation keeps the label. Labels that `without`, `ignoring` and matching drop show only in the
/// server's response.
fn keeps_but_without(expr: &Expr) -> bool {
    let taken = match expr {
        Expr::Aggregate(_, Grouping::By(labels), _) => labels.iter().all(|label| label != "pod"),
        _ => false,
    };
    !taken && expr.children().iter().all(keeps_but_without)
}
