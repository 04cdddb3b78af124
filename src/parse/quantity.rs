//! Kubernetes quantities: those that Metriclet serves, with at most three decimals, and those that it reads, with any
//! suffix.
//!
//! ```text
//! quantity = [ "+" | "-" ] ( digits [ "." [ digits ] ] | "." digits ) [ suffix ]
//! suffix   = "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
//!          | ( "e" | "E" ) [ "+" | "-" ] digits
//! ```

use std::fmt;

use super::escape::Escaped;

/// The maximum length of a quantity in bytes; a 64-bit float cannot represent more digits.
const MAX_LEN: usize = 64;

/// Decimal suffixes and their powers of ten.
const DECIMAL: [(&str, i32); 10] =
    [("", 0), ("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Binary suffixes and their powers of two.
const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A number of thousandths, the unit in which the HPA controller computes; prints as a quantity in canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(pub i64);

/// Why a number cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServable {
    /// NaN.
    NotANumber,
    /// An infinity.
    Infinite,
    /// The number is beyond ±9223372036854775.807, where the HPA controller's arithmetic overflows.
    OutOfRange,
}

/// A text that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantityError {
    found: String,
}

impl QuantityError {
    /// The error for this text.
    pub(super) fn of(text: &str) -> Self {
        Self { found: text.to_owned() }
    }
}

impl Milli {
    /// Rounds to the nearest thousandth, halves away from zero; a number other than zero never becomes zero.
    ///
    /// # Errors
    /// If the number has no representation in thousandths.
    pub fn from_f64(value: f64) -> Result<Self, NotServable> {
        if value.is_nan() {
            return Err(NotServable::NotANumber);
        }
        if value.is_infinite() {
            return Err(NotServable::Infinite);
        }
        let size = value.abs();
        // Numbers above 2^53 have no fraction; numbers above this bound do not fit into an i64 of thousandths.
        if size > 9_223_372_036_854_775.0 {
            return Err(NotServable::OutOfRange);
        }
        // Both parts are exact, whereas the whole number times 1000 would not be.
        let (whole, fraction) = (size.trunc(), size.fract());
        let milli = (whole as i64).checked_mul(1_000).and_then(|milli| milli.checked_add(thousandths(fraction)));
        match milli.ok_or(NotServable::OutOfRange)? {
            0 if value != 0.0 => Ok(Self(if value > 0.0 { 1 } else { -1 })),
            milli => Ok(Self(if value < 0.0 { -milli } else { milli })),
        }
    }
}

impl Milli {
    /// Its sign, the digits of its mantissa, and its suffix: its text in three parts.
    pub(crate) fn parts(self, buffer: &mut itoa::Buffer) -> [&str; 3] {
        let (mut mantissa, mut exponent) = (self.0.unsigned_abs(), -3);
        if mantissa == 0 {
            return ["", "0", ""];
        }
        // By whole thousands, so that the exponent is one that has a suffix.
        while mantissa % 1_000 == 0 {
            mantissa /= 1_000;
            exponent += 3;
        }
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(suffix, _)| suffix);
        [if self.0 < 0 { "-" } else { "" }, buffer.format(mantissa), suffix]
    }
}

/// Rounds a fraction from 0 to 1 to the nearest number of thousandths.
fn thousandths(fraction: f64) -> i64 {
    let product = fraction * 1_000.0;
    // If the rounded product seems to lie halfway, the rounding error decides.
    let lost = fraction.mul_add(1_000.0, -product);
    let rest = product.fract();
    let up = rest > 0.5 || (rest == 0.5 && lost >= 0.0);
    product.trunc() as i64 + i64::from(up)
}

/// The 64-bit float nearest to a quantity.
///
/// # Errors
/// If the text is not a quantity, or exceeds the range of 64-bit floats.
pub fn parse(text: &str) -> Result<f64, QuantityError> {
    let fail = || QuantityError::of(text);
    if text.len() > MAX_LEN {
        return Err(fail());
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (digits, suffix) = unsigned.split_at(end);
    let number = text.get(..text.len() - suffix.len()).unwrap_or_default();
    if !digits.bytes().any(|b| b.is_ascii_digit()) || digits.matches('.').count() > 1 {
        return Err(fail());
    }
    let decimal = |exponent: &str| format!("{number}e{exponent}").parse::<f64>().ok();
    let value = if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        decimal(&power.to_string())
    } else if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        // Multiplication by a power of two is exact.
        number.parse::<f64>().ok().map(|value| value * 2_f64.powi(*power))
    } else {
        let exponent = suffix.strip_prefix(['e', 'E']).ok_or_else(fail)?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        whole.then(|| decimal(exponent)).flatten()
    };
    value.filter(|value| value.is_finite()).ok_or_else(fail)
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts(&mut itoa::Buffer::new()).iter().try_for_each(|part| f.write_str(part))
    }
}

impl fmt::Display for NotServable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a number",
            Self::Infinite => "infinite",
            Self::OutOfRange => "beyond ±9223372036854775.807",
        })
    }
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a quantity such as 1500m, 2.5 or 10k, found {}", Escaped::new(&self.found))
    }
}

impl std::error::Error for NotServable {}
impl std::error::Error for QuantityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_thousandth_but_not_to_zero() {
        for (value, expected) in [
            (0.0, Ok(0)),
            (-0.0, Ok(0)),
            (1.0, Ok(1_000)),
            (1.001, Ok(1_001)),
            (-1.5, Ok(-1_500)),
            (0.0005, Ok(1)),
            (0.0004, Ok(1)),
            (-1e-300, Ok(-1)),
            (f64::MIN_POSITIVE, Ok(1)),
            (0.0014999, Ok(1)),
            (0.0015, Ok(2)),
            // Slightly less than half a thousandth: the product with 1000 rounds to the half.
            (0.0024999999999999996, Ok(2)),
            (0.9995, Ok(1_000)),
            (1.0625, Ok(1_063)),
            (9_007_199_254_740_993.0, Ok(9_007_199_254_740_992_000)),
            (9_223_372_036_854_774.0, Ok(9_223_372_036_854_774_000)),
            (-9_223_372_036_854_774.0, Ok(-9_223_372_036_854_774_000)),
            (9_223_372_036_854_776.0, Err(NotServable::OutOfRange)),
            (-1e300, Err(NotServable::OutOfRange)),
            (f64::NAN, Err(NotServable::NotANumber)),
            (f64::NEG_INFINITY, Err(NotServable::Infinite)),
        ] {
            assert_eq!(Milli::from_f64(value), expected.map(Milli), "{value:?}");
        }
        // Every thousandth rounds to itself.
        for milli in (-20_000..20_000).chain(9_007_199_254_740..9_007_199_254_900) {
            assert_eq!(Milli::from_f64(milli as f64 / 1_000.0), Ok(Milli(milli)));
        }
    }

    #[test]
    fn prints_canonically() {
        for (milli, text) in [
            (0, "0"),
            (1, "1m"),
            (-1_500, "-1500m"),
            (10_000_000, "10k"),
            (1_200_000_000, "1200k"),
            (1_000_000_000_000_000_000, "1P"),
            (i64::MAX, "9223372036854775807m"),
            (i64::MIN, "-9223372036854775808m"),
        ] {
            assert_eq!(Milli(milli).to_string(), text);
        }
    }

    #[test]
    fn reads_quantities() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("-1.5", Some(-1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1500m", Some(1.5)),
            ("0.1", Some(0.1)),
            ("1e3", Some(1e3)),
            ("1E-3", Some(1e-3)),
            ("1E", Some(1e18)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("", None),
            (".", None),
            ("-", None),
            ("1..2", None),
            ("NaN", None),
            ("inf", None),
            ("1K", None),
            ("1 k", None),
            ("1e", None),
            ("1e1.5", None),
            ("1e999", None),
            ("--1", None),
            ("5Mm", None),
            ("\u{663}", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
        assert_eq!(
            parse("ten\n").unwrap_err().to_string(),
            r#"expected a quantity such as 1500m, 2.5 or 10k, found "ten\n""#
        );
    }
}
