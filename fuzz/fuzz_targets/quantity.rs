//! Quantities: thousandths are the nearest ones by exact arithmetic, and their text parses to the same number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::quantity::{self, Milli, NotServable};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        if let Ok(value) = quantity::parse(text) {
            assert!(value.is_finite() && text.len() <= 64, "{text}");
            check(value);
        }
    }
    if let Some(bits) = data.first_chunk::<8>() {
        check(f64::from_bits(u64::from_le_bytes(*bits)));
        let milli = Milli(i64::from_le_bytes(*bits));
        let printed = milli.to_string();
        assert!(printed.len() <= 21, "{printed}");
        let read = quantity::parse(&printed).expect("our own text is a quantity");
        assert_eq!(read, exact(milli.0), "{printed}");
    }
});

fn check(value: f64) {
    match Milli::from_f64(value) {
        Err(NotServable::NotANumber) => assert!(value.is_nan()),
        Err(NotServable::Infinite) => assert!(value.is_infinite()),
        Err(NotServable::OutOfRange) => assert!(value.abs() > 9_223_372_036_854_774.0),
        Ok(Milli(0)) => assert_eq!(value, 0.0),
        Ok(Milli(milli)) => {
            assert_eq!(milli < 0, value < 0.0);
            // The decimal expansion of a float is exact.
            let text = format!("{:.1100}", value.abs());
            let (whole, fraction) = text.split_once('.').expect("decimals were asked for");
            let cut: u128 = format!("{whole}{}", &fraction[..3]).parse().expect("digits");
            let up = fraction.as_bytes()[3] >= b'5';
            let nearest = (cut + u128::from(up)).max(1);
            assert_eq!(u128::from(milli.unsigned_abs()), nearest, "{value:e}");
        }
    }
}

/// The float nearest to this number of thousandths.
fn exact(milli: i64) -> f64 {
    format!("{milli}e-3").parse().expect("a number")
}
