//! Number literals, parsed as in Prometheus.

use super::super::lexer::{Token, error};
use super::super::{Expr, ExpressionError, Number, Type};
use super::{Parser, Typed};
use crate::parse::escape::Escaped;

/// Whether a word is a number.
pub(super) fn is_special(word: &str) -> bool {
    word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("nan")
}

impl Parser<'_> {
    pub(super) fn number(&mut self) -> Result<Typed, ExpressionError> {
        let Token { text, column, .. } = self.token;
        let Some(number) = value(text) else {
            return Err(error(column, format!("expected a number at column {column}, found {}", Escaped::new(text))));
        };
        self.advance()?;
        self.node(Typed { expr: Expr::Number(Number(number)), result_type: Type::Scalar, column })
    }
}

/// A hexadecimal integer, an octal integer after a 0, or a decimal number.
fn value(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().map(|number| number as f64);
    }
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|digit| matches!(digit, b'0'..=b'7')) {
        return i64::from_str_radix(text, 8).ok().map(|number| number as f64);
    }
    // Rust parses decimals as Prometheus does, except those that are out of range: infinite here, an error there.
    text.parse().ok().filter(|number: &f64| number.is_finite() || is_special(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_as_prometheus_does() {
        for (text, number) in [
            ("0", 0.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("2.5e+1", 25.0),
            ("0x1F", 31.0),
            ("0XE", 14.0),
            ("010", 8.0),
            ("08", 8.0),
            ("00", 0.0),
            ("010.5", 10.5),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ] {
            assert_eq!(value(text), Some(number), "{text}");
        }
        assert!(value("nan").unwrap().is_nan());
        for text in
            ["1e", "1s", "5m", "0x", "0xg", "0x1.8", "0x10000000000000000", "1.2.3", ".", "1e999", "1_000", "1x"]
        {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
