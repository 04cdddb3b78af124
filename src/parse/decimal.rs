//! Quantities with exact arithmetic, as the HPA controller computes: thousandths in 64 bits, rounded away from zero,
//! and the float to which it converts a tolerance.

use super::quantity::{Milli, QuantityError};

/// The maximum length of a quantity in bytes: about three times the digits of the largest 64-bit number.
const MAX_LEN: usize = 64;

/// Suffixes with their powers of ten and two.
const SUFFIXES: [(&str, i32, u32); 16] = [
    ("", 0, 0),
    ("n", -9, 0),
    ("u", -6, 0),
    ("m", -3, 0),
    ("k", 3, 0),
    ("M", 6, 0),
    ("G", 9, 0),
    ("T", 12, 0),
    ("P", 15, 0),
    ("E", 18, 0),
    ("Ki", 0, 10),
    ("Mi", 0, 20),
    ("Gi", 0, 30),
    ("Ti", 0, 40),
    ("Pi", 0, 50),
    ("Ei", 0, 60),
];

/// A quantity: `mantissa` × 10^`power`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    power: i32,
}

impl Decimal {
    /// Parses a quantity.
    ///
    /// # Errors
    /// If the text is not a quantity, or is too long.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Self::read(text).ok_or_else(|| QuantityError::of(text))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let (ten, two) = match SUFFIXES.iter().find(|(known, ..)| *known == suffix) {
            Some((_, ten, two)) => (*ten, *two),
            None => (suffix.strip_prefix(['e', 'E'])?.parse::<i16>().ok()?.into(), 0),
        };
        let size = format!("{whole}{fraction}").parse::<i128>().ok()?.checked_mul(1_i128.checked_shl(two)?)?;
        let power = ten.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { mantissa: if text.starts_with('-') { -size } else { size }, power }.shortened())
    }

    /// Removes trailing zeros from the mantissa.
    fn shortened(mut self) -> Self {
        while self.mantissa != 0 && self.mantissa % 10 == 0 {
            self = Self { mantissa: self.mantissa / 10, power: self.power + 1 };
        }
        self
    }

    /// The value in thousandths, rounded away from zero and clamped to 64 bits.
    pub fn milli(self) -> Milli {
        let Self { mut mantissa, mut power } = self;
        let mut inexact = false;
        while power < -3 && mantissa != 0 {
            inexact |= mantissa % 10 != 0;
            mantissa /= 10;
            power += 1;
        }
        if inexact {
            mantissa += self.mantissa.signum();
        }
        while power > -3 && mantissa.unsigned_abs() <= i64::MAX.unsigned_abs().into() && mantissa != 0 {
            mantissa *= 10;
            power -= 1;
        }
        let bounds = (i64::MIN.into(), i64::MAX.into());
        Milli(i64::try_from(mantissa.clamp(bounds.0, bounds.1)).unwrap_or_default())
    }

    /// The float that Go's client computes from the canonical text: an integer times a power of a thousand.
    pub fn canonical_float(self) -> f64 {
        let Self { mut mantissa, mut power } = self;
        // Fractions below a billionth are rounded up.
        while power < -9 && mantissa != 0 {
            let rest = mantissa % 10;
            mantissa = mantissa / 10 + rest.signum();
            power += 1;
        }
        while power % 3 != 0 {
            mantissa = mantissa.saturating_mul(10);
            power -= 1;
        }
        let base = mantissa as f64;
        if power < 0 { base * (1.0 / 10_f64.powi(-power)) } else { base * 10_f64.powi(power) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_away_from_zero() {
        for (text, milli) in [
            ("0", 0),
            ("20", 20_000),
            ("0.5", 500),
            ("1500m", 1_500),
            ("1.0001", 1_001),
            ("-1.0001", -1_001),
            ("1n", 1),
            ("1500u", 2),
            ("1Ki", 1_024_000),
            ("1.5Ki", 1_536_000),
            ("1e3", 1_000_000),
            ("1E-3", 1),
            ("2E", 2_000_000_000_000_000_000_i64.saturating_mul(1_000)),
            ("9223372036854775807m", i64::MAX),
            ("1e30", i64::MAX),
            ("-1e30", i64::MIN),
            ("1e-30", 1),
            (".5", 500),
            ("5.", 5_000),
        ] {
            assert_eq!(Decimal::parse(text).map(Decimal::milli), Ok(Milli(milli)), "{text}");
        }
        for text in ["", ".", "1.2.3", "m", "1x", "1e", "e3", "--1", "1 ", &"9".repeat(65), &"9".repeat(60)] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn converts_tolerances_to_floats() {
        for (text, float) in [
            ("0", 0.0),
            ("0.1", 0.1),
            ("100m", 0.1),
            ("0.05", 0.05),
            ("0.0125", 12_500.0 * 1e-6),
            ("1", 1.0),
            ("2500m", 2.5),
            ("1n", 1e-9),
            ("1e-10", 1e-9),
        ] {
            assert_eq!(Decimal::parse(text).map(Decimal::canonical_float), Ok(float), "{text}");
        }
    }
}
