//! Expressions: the printed text parses to the same expression, and limits hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::promql::{Expr, Limits};

const LIMITS: Limits = Limits { bytes: 512, depth: 8, nodes: 40, regex: 16 * 1024 };

fuzz_target!(|text: &str| {
    match Expr::parse(text, &LIMITS) {
        Ok(expr) => {
            assert!(text.len() <= LIMITS.bytes);
            let printed = expr.to_string();
            // Escapes may make it longer than the input, but neither deeper nor with more nodes.
            let roomy = Limits { bytes: 8 * LIMITS.bytes, ..LIMITS };
            assert_eq!(Expr::parse(&printed, &roomy).as_ref(), Ok(&expr), "{printed}");
            assert!(expr.selectors().count() <= LIMITS.nodes, "{printed}");
            for selector in expr.selectors() {
                assert!(selector.range.is_none_or(|range| !range.is_zero()), "{printed}");
                let _ = selector.matches("up", |label| (label.len() > 3).then(|| label.to_owned().into()));
            }
        }
        Err(error) => {
            assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{error:?}");
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
        }
    }
});
