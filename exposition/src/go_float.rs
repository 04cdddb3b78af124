//! Numbers in the syntax of Go's `ParseFloat`: in addition to the formats' numbers, it accepts hexadecimal numbers, and
//! underscores between digits. Prometheus parses the bounds of buckets and quantiles with it.

use super::number::Number;

/// Parses a whole text as a number; `None` if it is not a number, or too large for 64 bits.
#[inline]
pub(super) fn parse(text: &str) -> Option<f64> {
    match Number::read(text) {
        Some((number, "")) => Some(number.value()),
        _ => unusual(text),
    }
}

#[inline(never)]
fn unusual(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) else {
        let joined = joined(text, u8::is_ascii_digit)?;
        return Number::read(&joined).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number.value());
    };
    // The prefix counts as a digit.
    let joined = joined(&format!("0{digits}"), u8::is_ascii_hexdigit)?;
    let value = hexadecimal(&joined)?;
    Some(if text.starts_with('-') { -value } else { value })
}

/// The text without its underscores, all of which must be between digits; `None` otherwise.
fn joined(text: &str, is_digit: impl Fn(&u8) -> bool) -> Option<String> {
    let bytes = text.as_bytes();
    let is_between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(&is_digit);
        digit(at.checked_sub(1)) && digit(at.checked_add(1))
    };
    text.bytes().enumerate().all(|(at, byte)| byte != b'_' || is_between(at)).then(|| text.replace('_', ""))
}

/// Parses `digits [ "." digits ] "p" [ sign ] digits`, without a leading sign.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // The leading zero replaces the prefix.
    if whole.len() + fraction.len() < 2 {
        return None;
    }
    let mut exponent = signed(power)?;
    let mut bits = 0u64;
    for (digit, is_fraction) in whole.chars().map(|c| (c, false)).chain(fraction.chars().map(|c| (c, true))) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits < 1 << 59 {
            bits = bits << 4 | digit;
            exponent -= if is_fraction { 4 } else { 0 };
        } else {
            // The digit is beyond 64 bits, and matters only for a tie.
            bits |= u64::from(digit != 0);
            exponent += if is_fraction { 0 } else { 4 };
        }
    }
    rounded(bits, exponent)
}

/// A decimal integer, clamped to ±10,000 as in Go: far beyond every float.
fn signed(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.bytes().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(10_000));
    Some(if text.starts_with('-') { -value } else { value })
}

/// The float nearest to `bits` × 2^`exponent`; ties round to even.
fn rounded(bits: u64, exponent: i64) -> Option<f64> {
    if bits == 0 {
        return Some(0.0);
    }
    let zeros = i64::from(bits.leading_zeros());
    let bits = u128::from(bits << zeros);
    // The exponent of the last bit that is kept: of 53 bits, or fewer for subnormal numbers.
    let last = (exponent - zeros + 11).max(-1074);
    let dropped = last - (exponent - zeros);
    if dropped > 64 {
        return Some(0.0);
    }
    let (kept, rest, half) = (bits >> dropped, bits & ((1 << dropped) - 1), 1 << (dropped - 1));
    let kept = kept + u128::from(rest > half || rest == half && kept & 1 == 1);
    let power = match u64::try_from(last + 1_023) {
        Ok(biased @ 1..=2_046) => f64::from_bits(biased << 52),
        Ok(2_047..) => return None,
        _ => f64::from_bits(1 << (last + 1_074)),
    };
    Some(kept as f64 * power).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_go_accepts() {
        for (text, expected) in [
            ("1", 1.0),
            ("-2.5e-3", -0.0025),
            ("inf", f64::INFINITY),
            ("1_000", 1_000.0),
            ("-1_000", -1_000.0),
            ("0_1", 1.0),
            ("1_0.5_0e0_1", 105.0),
            ("1e1_0", 1e10),
            ("0x1p-2", 0.25),
            ("0X1P-2", 0.25),
            ("0x.8p1", 1.0),
            ("0x1.p0", 1.0),
            ("0x1e3p0", 483.0),
            ("0xABCDEFp+0", 11_259_375.0),
            ("+0x1p2", 4.0),
            ("-0x1p2", -4.0),
            ("0x_1p0", 1.0),
            ("0x1_0p0", 16.0),
            ("0x1p1_0", 1_024.0),
            ("0x00000000000000000000001p0", 1.0),
            ("0x10000000000000000000000p0", 2f64.powi(88)),
            ("0x.00000000000000000000001p92", 1.0),
            ("0x0p0", 0.0),
            ("0x0p99999", 0.0),
            // Ties round to even, and the last bit breaks a tie.
            ("0x1.fffffffffffff7p0", 1.999_999_999_999_999_8),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000001p0", 1.000_000_000_000_000_2),
            ("0x1.00000000000018p0", 1.000_000_000_000_000_4),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1p-1022", f64::MIN_POSITIVE),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1p-1075", 0.0),
            ("0x1.1p-1075", 5e-324),
            ("0x1p-1080", 0.0),
            ("0x1p-99999", 0.0),
        ] {
            assert_eq!(parse(text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
        assert!(parse("nan").unwrap().is_nan());
    }

    #[test]
    fn rejects_what_go_rejects() {
        for text in [
            "",
            "-",
            "_",
            "_1",
            "1_",
            "1__0",
            "1_e5",
            "1e_5",
            "1._5",
            "._5",
            "in_f",
            "0b1",
            "0b_1",
            "0o7",
            "x",
            "1 ",
            " 1",
            "0x",
            "0x1",
            "0x1.8",
            "0xp1",
            "0x.p0",
            "0x1p",
            "0x1p+",
            "0x1p+-1",
            "0x1p0x1",
            "0x1_p0",
            "0x1p_0",
            "0x_p0",
            "0x1.8.0p0",
            "0x+1p0",
            "0xgp0",
            "--0x1p0",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p99999",
            "1e999",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
