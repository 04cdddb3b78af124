//! Durations: the printed text parses to the same duration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::duration::{format, parse};

fuzz_target!(|text: &str| {
    let Ok(duration) = parse(text) else { return };
    let printed = format(duration);
    assert!(printed.len() <= 32, "{printed}");
    assert_eq!(parse(&printed), Ok(duration), "{printed}");
});
