//! Numbers in the part of the syntax of Go's `ParseFloat` that both formats allow: decimals, `Inf`, `Infinity` and
//! `NaN` in any case; no hexadecimals, underscores, sign before NaN, or numbers too large for 64 bits.

use super::scan;

/// Every integer up to this one, and every power of ten in [`POWERS`], is exactly a float. So one multiplication or
/// division of the two rounds only once, and the result is exact to the last bit (Clinger's fast path).
const EXACT: u64 = 1 << 53;

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number that is validated but not yet converted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    /// ±digits × 10^exponent, if the digits fit.
    Short {
        negative: bool,
        digits: u64,
        exponent: i32,
    },
    /// Left to the standard library, which finds the nearest float for every decimal.
    Long(&'a str),
    Special(f64),
}

impl<'a> Number<'a> {
    /// Parses the longest number at the start of the text; returns the rest.
    #[inline]
    pub(super) fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (negative, unsigned) = sign(text);
        match unsigned.as_bytes().first()? {
            b'0'..=b'9' | b'.' => decimal(text, negative, unsigned),
            _ => special(text),
        }
    }

    /// The nearest 64-bit float.
    pub(super) fn value(self) -> f64 {
        match self.0 {
            Form::Short { negative, digits, exponent } => {
                let power = POWERS.get(exponent.unsigned_abs() as usize).copied().unwrap_or(1.0);
                let value = if exponent < 0 { digits as f64 / power } else { digits as f64 * power };
                if negative { -value } else { value }
            }
            // OK because the validated syntax is a subset of what parse accepts.
            Form::Long(text) => text.parse().unwrap_or(f64::NAN),
            Form::Special(value) => value,
        }
    }
}

/// Whether the text starts with a minus sign, and the text after its sign, if any.
#[inline(always)]
fn sign(text: &str) -> (bool, &str) {
    match scan::after(text, b'-') {
        Some(rest) => (true, rest),
        None => (false, scan::after(text, b'+').unwrap_or(text)),
    }
}

#[inline(always)]
fn decimal<'a>(text: &'a str, negative: bool, unsigned: &'a str) -> Option<(Number<'a>, &'a str)> {
    let (whole, rest) = digits(0, unsigned);
    let whole_length = unsigned.len() - rest.len();
    let (mantissa, fraction_length, rest) = match scan::after(rest, b'.') {
        Some(fraction) => {
            let (mantissa, rest) = digits(whole, fraction);
            (mantissa, fraction.len() - rest.len(), rest)
        }
        None => (whole, 0, rest),
    };
    if whole_length + fraction_length == 0 {
        return None;
    }
    let (power, rest) = match scan::after(rest, b'e').or_else(|| scan::after(rest, b'E')) {
        Some(after) => exponent(after)?,
        None => (0, rest),
    };
    let read = text.get(..text.len() - rest.len())?;

    let short = whole_length + fraction_length <= 19 && mantissa <= EXACT;
    let scale = power.saturating_sub(i32::try_from(fraction_length).unwrap_or(i32::MAX));
    if short && scale.unsigned_abs() < POWERS.len() as u32 {
        return Some((Number(Form::Short { negative, digits: mantissa, exponent: scale }), rest));
    }
    let magnitude = power.saturating_add(i32::try_from(whole_length).unwrap_or(i32::MAX));
    if magnitude > f64::MAX_10_EXP && !read.parse::<f64>().is_ok_and(f64::is_finite) {
        return None;
    }
    Some((Number(Form::Long(read)), rest))
}

/// Appends decimal digits to a number; it wraps after 19 digits, which the caller counts.
#[inline(always)]
fn digits(mut number: u64, text: &str) -> (u64, &str) {
    let mut length = 0;
    while let Some(byte) = text.as_bytes().get(length).filter(|byte| byte.is_ascii_digit()) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    (number, text.get(length..).unwrap_or_default())
}

/// The length of a plain number that ends its line: few digits, and no sign, as most numbers have.
#[inline(always)]
pub(super) fn plain(text: &[u8]) -> Option<usize> {
    let mut end = 0;
    let is_digit = |at: usize| text.get(at).is_some_and(|byte| byte.wrapping_sub(b'0') < 10);
    while is_digit(end) {
        end += 1;
    }
    if text.get(end) == Some(&b'.') && (end > 0 || is_digit(1)) {
        end += 1;
        while is_digit(end) {
            end += 1;
        }
    }
    let significant = end;
    if let Some(b'e' | b'E') = text.get(end)
        && let Some(b'+' | b'-') = text.get(end + 1)
        && is_digit(end + 2)
        && is_digit(end + 3)
    {
        end += 4;
    }
    // A number with more digits, or with an exponent of three digits, might be too large.
    ((1..=32).contains(&significant) && text.get(end) == Some(&b'\n')).then_some(end)
}

/// Parses `[+-]digits`, clamped to ±10,000 as in Go: far beyond every float.
fn exponent(text: &str) -> Option<(i32, &str)> {
    let (negative, unsigned) = sign(text);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = unsigned.split_at_checked(length).filter(|_| length > 0)?;
    let value = digits.bytes().fold(0i32, |sum, digit| (sum * 10 + i32::from(digit - b'0')).min(10_000));
    Some((if negative { -value } else { value }, rest))
}

fn special(text: &str) -> Option<(Number<'_>, &str)> {
    for (name, value) in [
        ("nan", f64::NAN),
        ("+infinity", f64::INFINITY),
        ("+inf", f64::INFINITY),
        ("-infinity", f64::NEG_INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
    ] {
        if let Some((head, rest)) = text.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name)
        {
            return Some((Number(Form::Special(value)), rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(f64, &str)> {
        Number::read(text).map(|(number, rest)| (number.value(), rest))
    }

    #[test]
    fn parses_what_go_accepts() {
        for text in [
            "0",
            "-0",
            "+1",
            "0042",
            "1.",
            ".5",
            "-.5e1",
            "1e5",
            "1E+05",
            "7.31e-07",
            "1.63840000e+07",
            "4.200723e+6",
            "0.1",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "1341298465647914",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "123456789012345678901234567890",
            "0.000000000000000000000000001",
            "1e22",
            "1e23",
            "9007199254740993e22",
            "1e-22",
            "1e-23",
            "1.7976931348623157e308",
            "-1.7976931348623157e308",
            "5e-324",
            "2.2250738585072011e-308",
            "1e-400",
            "1e-99999999999",
            "0e99999999999",
            "00000000000000000000000000000001",
            "0.3",
            "8.3835e-05",
            "0.6990000000000001",
            "2.55707492352e+11",
            "3.141592653589793238462643383279",
        ] {
            let expected: f64 = text.parse().unwrap();
            let (value, rest) = read(text).unwrap();
            assert_eq!((value.to_bits(), rest), (expected.to_bits(), ""), "{text}");
        }
        for (text, value) in [("Inf", 1.0), ("+inf", 1.0), ("-INF", -1.0), ("infinity", 1.0), ("-Infinity", -1.0)] {
            assert_eq!(read(text), Some((value * f64::INFINITY, "")), "{text}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert!(read(text).unwrap().0.is_nan(), "{text}");
        }
    }

    #[test]
    fn rejects_what_go_rejects() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "+nan",
            "-NaN",
            "in",
            "true",
            "é",
            "1e309",
            "-1e400",
            "1.7976931348623159e308",
            "1e99999999999",
            "\r",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(read(&"9".repeat(400)).is_none());
    }

    #[test]
    fn returns_the_rest() {
        for (text, value, rest) in [
            ("1 2", 1.0, " 2"),
            ("1_000", 1.0, "_000"),
            ("0x10", 0.0, "x10"),
            ("1p5", 1.0, "p5"),
            ("1.2.3", 1.2, ".3"),
            ("1\r", 1.0, "\r"),
        ] {
            assert_eq!(read(text), Some((value, rest)), "{text}");
        }
        assert_eq!(read("infin"), Some((f64::INFINITY, "in")));
    }

    #[test]
    fn plain_numbers_are_numbers() {
        for text in ["0", "7", "12.5", "0.001", ".5", "5.", "123456789012345", "1.5e+06", "1e-07", "1E+22", "2.e+99"] {
            assert_eq!(plain(format!("{text}\nnext").as_bytes()), Some(text.len()), "{text}");
            assert_eq!(read(text).unwrap().1, "", "{text}");
        }
        for text in ["", ".", "-1", "+1", "x", "NaN", "1e05", "1e+100", "e+01", ".e+01", "1 2", "1x", "1.5.5"] {
            assert!(plain(format!("{text}\n").as_bytes()).is_none(), "{text}");
        }
        assert!(plain(format!("{}\n", "1".repeat(33)).as_bytes()).is_none());
        assert!(plain(b"1").is_none());
    }

    #[test]
    fn finds_the_nearest_float_for_every_length() {
        for whole in 0..22 {
            for fraction in 0..22 {
                for power in [-30, -22, -1, 0, 1, 22, 30] {
                    let text = format!("{}1.{}7e{power}", "9".repeat(whole), "3".repeat(fraction));
                    assert_eq!(read(&text), Some((text.parse().unwrap(), "")), "{text}");
                }
            }
        }
    }
}
