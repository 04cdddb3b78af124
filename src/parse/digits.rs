//! Prints whole numbers that occur thousands of times in a response: `format!` takes five times as long.

/// The number of digits of `u64::MAX`.
pub(crate) const MOST: usize = 20;

/// The decimal digits of a number, written into `room`.
pub(crate) fn digits(mut number: u64, room: &mut [u8; MOST]) -> &str {
    let mut start = MOST;
    for (at, place) in room.iter_mut().enumerate().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
        start = at;
        if number == 0 {
            break;
        }
    }
    str::from_utf8(room.get(start..).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_those_of_the_number() {
        for number in (0..1_100).chain([u64::from(u16::MAX), u64::from(u32::MAX), u64::MAX - 1, u64::MAX]) {
            assert_eq!(digits(number, &mut [0; MOST]), number.to_string());
        }
    }
}
