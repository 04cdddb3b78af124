//! Label selectors: the canonical text is stable, and matching agrees with a slow interpretation of that text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::selector::{Selector, SelectorLimits};

const LIMITS: SelectorLimits = SelectorLimits { bytes: 512, requirements: 16 };
const VALUES: [&str; 8] = ["", "a", "b", "1", "2", "10", "-3", "x.y"];

fuzz_target!(|text: &str| {
    let Ok(selector) = Selector::parse(text, &LIMITS) else { return };
    assert!(text.len() <= LIMITS.bytes && selector.requirements().len() <= LIMITS.requirements);
    let printed = selector.to_string();
    assert!(printed.len() <= text.len() + selector.requirements().len() * 3, "{printed}");
    assert_eq!(Selector::parse(&printed, &LIMITS).as_ref(), Ok(&selector), "{printed}");
    assert_eq!(selector.is_everything(), printed.is_empty());
    let own = selector.requirements().iter().flat_map(|requirement| requirement.values()).map(String::as_str);
    for value in own.chain(VALUES).map(Some).chain([None]) {
        let slow = selector.requirements().iter().all(|requirement| oracle(&requirement.to_string(), value));
        assert_eq!(selector.matches(|_| value), slow, "{printed} on {value:?}");
    }
});

/// Whether a label with this value satisfies one requirement, interpreted from its canonical text.
fn oracle(requirement: &str, label: Option<&str>) -> bool {
    let listed = |list: &str| label.is_some_and(|label| list.split(',').any(|value| value == label));
    let integers = |value: &str| Some((label?.parse::<i64>().ok()?, value.parse::<i64>().ok()?));
    if requirement.starts_with('!') {
        return label.is_none();
    }
    if let Some((_, list)) = requirement.split_once(" in (") {
        return listed(list.trim_end_matches(')'));
    }
    if let Some((_, list)) = requirement.split_once(" notin (") {
        return !listed(list.trim_end_matches(')'));
    }
    if let Some((_, value)) = requirement.split_once("!=") {
        return label != Some(value);
    }
    if let Some((_, value)) = requirement.split_once("==").or_else(|| requirement.split_once('=')) {
        return label == Some(value);
    }
    if let Some((_, value)) = requirement.split_once('>') {
        return integers(value).is_some_and(|(label, value)| label > value);
    }
    if let Some((_, value)) = requirement.split_once('<') {
        return integers(value).is_some_and(|(label, value)| label < value);
    }
    label.is_some()
}
