//! Timestamps in RFC 3339, in Kubernetes' form: UTC, whole seconds, `Z`.

/// Why a text is not such a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampError {
    /// The text is not RFC 3339, so clients reject the whole list.
    Unreadable,
    /// The text has an offset or a fraction of a second, which clients accept.
    Unusual,
}

/// Checks that a text is a timestamp in Kubernetes' form.
///
/// # Errors
/// The deviation.
pub(crate) fn check(text: &str) -> Result<(), TimestampError> {
    let (date_time, rest) = text.split_at_checked(19).ok_or(TimestampError::Unreadable)?;
    if !is_date_time(date_time.as_bytes()) {
        return Err(TimestampError::Unreadable);
    }
    if rest == "Z" {
        return Ok(());
    }
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return Err(TimestampError::Unreadable);
            }
            zone
        }
    };
    Err(if zone == "Z" || is_offset(zone.as_bytes()) { TimestampError::Unusual } else { TimestampError::Unreadable })
}

fn is_date_time(text: &[u8]) -> bool {
    let shape = text.iter().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        separator => byte == separator,
    });
    let number = |from: usize| {
        let digit = |at: usize| text.get(at).map_or(0, |digit| u32::from(digit.wrapping_sub(b'0')));
        10 * digit(from) + digit(from + 1)
    };
    let year = 100 * number(0) + number(2);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match number(5) {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    shape && (1..=days).contains(&number(8)) && number(11) < 24 && number(14) < 60 && number(17) < 60
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_timestamps() {
        use TimestampError::{Unreadable, Unusual};
        for (text, expected) in [
            ("2026-08-18T02:35:04Z", Ok(())),
            ("2024-02-29T23:59:59Z", Ok(())),
            ("2026-08-18T02:35:04.123Z", Err(Unusual)),
            ("2026-08-18T02:35:04+02:00", Err(Unusual)),
            ("2026-08-18T02:35:04.5-08:00", Err(Unusual)),
            ("2025-02-29T00:00:00Z", Err(Unreadable)),
            ("2026-04-31T00:00:00Z", Err(Unreadable)),
            ("2026-13-01T00:00:00Z", Err(Unreadable)),
            ("2026-08-18T24:00:00Z", Err(Unreadable)),
            ("2026-08-18 02:35:04Z", Err(Unreadable)),
            ("2026-08-18T02:35:04", Err(Unreadable)),
            ("2026-08-18T02:35:04.Z", Err(Unreadable)),
            ("2026-08-18T02:35:04+0200", Err(Unreadable)),
            ("2026-08-18", Err(Unreadable)),
            ("1787020504", Err(Unreadable)),
            ("", Err(Unreadable)),
            ("2026-08-18T02:35:0é", Err(Unreadable)),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }
}
