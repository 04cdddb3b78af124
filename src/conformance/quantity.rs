//! Parses quantities exactly, digit by digit, as Kubernetes' own package does: the value that the HPA controller uses,
//! and the canonical text. Metriclet's own parser returns a float, which is too imprecise to judge servers.

/// The maximum length of a text: about three times the digits of the largest 64-bit number.
const LONGEST: usize = 64;

/// Decimal suffixes and their powers of ten.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// A quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// Thousandths, rounded away from zero like in the HPA controller; `None` beyond 64 bits, where that overflows.
    pub(crate) milli: Option<i64>,
    /// The canonical text of a decimal quantity; others are printed as they were parsed.
    pub(crate) canonical: Option<String>,
}

/// Parses a quantity; `None` if the text is not one.
pub(crate) fn read(text: &str) -> Option<Quantity> {
    if text.len() > LONGEST {
        return None;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // To Kubernetes a lone point or sign is zero.
    let is_sign = unsigned.len() < text.len() && suffix.is_empty();
    if fraction.contains('.') || (number.is_empty() && !is_sign) {
        return None;
    }
    let scale = Scale::of(suffix)?;
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let places = i32::try_from(fraction.len()).ok()?;
    let negative = text.starts_with('-');
    // More digits are beyond every bound, or below a billionth.
    let Ok(mantissa) = (if digits.is_empty() { Ok(0) } else { digits.parse::<i128>() }) else {
        return Some(Quantity { milli: None, canonical: None });
    };
    let exact = match scale {
        Scale::Ten(power) => Some(Decimal { mantissa, power: power - places }),
        Scale::Two(power) => mantissa
            .checked_shl(power)
            .filter(|shifted| shifted >> power == mantissa)
            .map(|mantissa| Decimal { mantissa, power: -places }),
    };
    let milli = exact.and_then(|exact| exact.rounded(-3)).map(|milli| if negative { -milli } else { milli });
    let canonical = match (scale, suffix.starts_with(['e', 'E']) && suffix.len() > 1) {
        (Scale::Ten(_), false) => exact.and_then(|exact| exact.canonical(negative)),
        _ => None,
    };
    Some(Quantity { milli: milli.and_then(|milli| milli.try_into().ok()), canonical })
}

/// The factor of a suffix.
#[derive(Clone, Copy)]
enum Scale {
    Ten(i32),
    Two(u32),
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
            return Some(Self::Ten(*power));
        }
        if let Some(at) = BINARY.iter().position(|known| *known == suffix) {
            return u32::try_from(at).ok().map(|at| Self::Two(10 * (at + 1)));
        }
        let exponent = suffix.strip_prefix(['e', 'E'])?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number
            .then(|| exponent.parse().ok().filter(|power| (-1_000..=1_000).contains(power)))
            .flatten()
            .map(Self::Ten)
    }
}

/// A non-negative number, `mantissa` × 10^`power`.
#[derive(Clone, Copy)]
struct Decimal {
    mantissa: i128,
    power: i32,
}

impl Decimal {
    /// The number in units of 10^`unit`, rounded up.
    fn rounded(self, unit: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let shift = self.power - unit;
        match u32::try_from(shift) {
            Ok(up) => 10_i128.checked_pow(up).and_then(|factor| self.mantissa.checked_mul(factor)),
            // If the power is too large for a divisor, the number is less than one unit and is rounded up to one.
            Err(_) => Some(
                10_i128
                    .checked_pow(shift.unsigned_abs())
                    .map_or(1, |divisor| self.mantissa / divisor + i128::from(self.mantissa % divisor != 0)),
            ),
        }
    }

    /// Kubernetes' canonical text of a DecimalSI, with the largest suffix that keeps the mantissa whole. `None` beyond
    /// the largest suffix.
    fn canonical(self, negative: bool) -> Option<String> {
        let mut mantissa = self.rounded(-9)?;
        if mantissa == 0 {
            return Some("0".to_owned());
        }
        let mut power = -9;
        while mantissa % 1_000 == 0 && power < 18 {
            mantissa /= 1_000;
            power += 3;
        }
        let (suffix, _) = DECIMAL.iter().find(|(_, known)| *known == power)?;
        Some(format!("{}{mantissa}{suffix}", if negative { "-" } else { "" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM_MILLI: &str = include_str!("../../tests/fixtures/quantity-from-milli.tsv");
    const PARSED: &str = include_str!("../../tests/fixtures/quantity-parse.tsv");

    fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
        table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| line.split('\t').collect())
    }

    #[test]
    fn accepts_kubernetes_canonical_texts() {
        let mut read_rows = 0;
        for row in rows(FROM_MILLI) {
            let quantity = read(row[1]).unwrap();
            assert_eq!(quantity.milli, Some(row[0].parse().unwrap()), "{row:?}");
            assert_eq!(quantity.canonical.as_deref(), Some(row[1]), "{row:?}");
            read_rows += 1;
        }
        assert!(read_rows > 200);
    }

    #[test]
    fn agrees_with_kubernetes_parser() {
        let mut read_rows = 0;
        for row in rows(PARSED) {
            let text: String = serde_json::from_str(row[0]).unwrap();
            let quantity = read(&text);
            assert_eq!(quantity.is_some(), row[1] == "ok", "{row:?}");
            // Kubernetes' number overflows beyond 64 bits, and if the text has more digits than 64 bits hold; ours
            // reports that.
            let digits = row.get(3).unwrap_or(&"0").trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let fits = digits.parse::<i64>().is_ok();
            if let Some(milli) = quantity.and_then(|quantity| quantity.milli).filter(|_| fits) {
                let theirs: i64 = row[2].parse().unwrap();
                // Kubernetes rounds some negative numbers towards zero, and beyond.
                let tolerated = if milli < 0 { 2 } else { 0 };
                assert!(milli.abs_diff(theirs) <= tolerated, "{row:?} {milli}");
            }
            read_rows += 1;
        }
        assert!(read_rows > 200);
    }

    #[test]
    fn recognizes_canonical_texts() {
        for (text, canonical) in [
            ("1.5", Some("1500m")),
            ("1500m", Some("1500m")),
            ("1000", Some("1k")),
            ("1200000", Some("1200k")),
            ("100u", Some("100u")),
            ("-0", Some("0")),
            ("+5", Some("5")),
            ("1e3", None),
            ("1E", Some("1E")),
            ("1Ki", None),
        ] {
            assert_eq!(read(text).unwrap().canonical.as_deref(), canonical, "{text}");
        }
        assert_eq!(read("9223372036854776").unwrap().milli, None);
    }
}
