//! Accept headers: the chosen media type equals that of a slow implementation of the rules, and clauses that accept
//! nothing have no effect.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use metriclet::internals::api::message::{JSON, PROTOBUF, YAML};
use metriclet::internals::api::negotiate::{Transforms, negotiate};

const OFFERED: [&str; 4] = [JSON, YAML, PROTOBUF, "text/html; charset=utf-8"];

fuzz_target!(|accept: &str| {
    for transforms in [Transforms::Ignored, Transforms::Refused] {
        let chosen = negotiate(Some(accept), &OFFERED, transforms);
        assert!(chosen.is_none_or(|chosen| OFFERED.contains(&chosen)), "{chosen:?}");
        assert_eq!(chosen, reference(accept, transforms), "{accept:?}");
        if !accept.trim().is_empty() {
            // Appended clauses of a type that is not offered, and those that accept nothing, have no effect.
            for nothing in ["image/png", "application/json;q=0", "*/*;q=0", ";;=,", ""] {
                assert_eq!(negotiate(Some(&format!("{accept},{nothing}")), &OFFERED, transforms), chosen, "{nothing}");
            }
            let all = format!("{accept},*/*;q=0.0015");
            assert!(negotiate(Some(&all), &OFFERED, transforms).is_some());
        }
        // Case is insignificant, except in parameters.
        if !accept.contains(';') {
            assert_eq!(negotiate(Some(&accept.to_ascii_uppercase()), &OFFERED, transforms), chosen);
        }
    }
});

/// Searches all clauses for each quality, and for each kind of clause.
fn reference(accept: &str, transforms: Transforms) -> Option<&'static str> {
    if accept.trim().is_empty() {
        return Some(JSON);
    }
    let clauses: Vec<(String, u16, bool)> =
        accept.split(',').map(clause).filter(|(_, quality, _)| *quality > 0).collect();
    let named = |media_type: &str| OFFERED.into_iter().find(|offer| offer.split(';').next() == Some(media_type));
    if !clauses.iter().any(|(media_type, ..)| media_type == "*/*" || named(media_type).is_some()) {
        return None;
    }
    let qualities: BTreeSet<u16> = clauses.iter().map(|(_, quality, _)| *quality).collect();
    for quality in qualities.into_iter().rev() {
        for stars in 0.. {
            let mut left =
                clauses.iter().filter(|(media_type, of, _)| *of == quality && media_type.matches('*').count() >= stars);
            if left.clone().next().is_none() {
                break;
            }
            let found = left.find_map(|(media_type, _, has_transform)| {
                if media_type.matches('*').count() != stars || (*has_transform && transforms == Transforms::Refused) {
                    return None;
                }
                match media_type.as_str() {
                    "*/*" => Some(JSON),
                    "application/*" => Some(JSON),
                    "text/*" => Some(OFFERED[3]),
                    _ => named(media_type),
                }
            });
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// The media type in lower case, the quality in thousandths, and whether the clause requests a transform.
fn clause(text: &str) -> (String, u16, bool) {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let (mut quality, mut has_transform) = (1_000, false);
    for part in parts {
        let Some((name, value)) = part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            continue;
        };
        match name {
            "q" => {
                let number = value.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
                quality = number.map_or(1_000, |number| (number * 1_000.0) as u16);
            }
            "as" if !value.is_empty() => has_transform = true,
            _ => {}
        }
    }
    (media_type, quality, has_transform)
}
