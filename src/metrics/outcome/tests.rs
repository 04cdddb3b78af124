use super::*;

const NOW: i64 = 1_787_020_504_000;
const SCRAPED: i64 = NOW - 1_000;
const POLICY: Policy = Policy {
    on_missing: OnMissing::Error,
    on_nan: OnNan::Error,
    allow_negative: false,
    max_age: Duration::from_secs(120),
    max_future: Duration::from_secs(30),
};
const LAST: ServedValue = ServedValue { value: Milli(7_000), at: NOW - 60_000, span: None };

fn number(value: f64) -> Finding {
    Finding::Number(Number { value, at: SCRAPED, newest: SCRAPED, span: None })
}

fn served(milli: i64) -> Verdict {
    Verdict::Serve(ServedValue { value: Milli(milli), at: SCRAPED, span: None })
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "tables read better")]
fn check(finding: Finding, policy: Policy, verdict: Verdict) {
    assert_eq!(judge(finding, &policy, SCRAPED, NOW, Some(LAST)), verdict);
}

#[test]
fn a_finite_number_is_served_to_the_nearest_milli_and_never_rounded_to_zero() {
    for (value, milli) in [(1.5, 1_500), (0.0004, 1), (1.0004, 1_000), (1.0006, 1_001), (1.001, 1_001)] {
        check(number(value), POLICY, served(milli));
    }
}

#[test]
fn zero_is_zero() {
    check(number(0.0), POLICY, served(0));
    check(number(-0.0), POLICY, served(0));
}

#[test]
fn nothing_is_missing_or_as_on_missing_says() {
    let nothing = || Finding::Nothing(MissingReason::NoSeries);
    check(nothing(), POLICY, Verdict::Missing(MissingReason::NoSeries));
    check(nothing(), Policy { on_missing: OnMissing::Number(Milli(0)), ..POLICY }, served(0));
    let last = |seconds| Policy { on_missing: OnMissing::Last(Duration::from_secs(seconds)), ..POLICY };
    check(nothing(), last(60), Verdict::Serve(LAST));
    check(nothing(), last(59), Verdict::Missing(MissingReason::NoSeries));
    assert_eq!(judge(nothing(), &last(60), SCRAPED, NOW, None), Verdict::Missing(MissingReason::NoSeries));
}

#[test]
fn several_are_refused() {
    check(Finding::Unusable(RefusalReason::Several), POLICY, Verdict::Refuse(RefusalReason::Several));
    // `onMissing` is about nothing being there, not about a rule that does not fit.
    let zero = Policy { on_missing: OnMissing::Number(Milli(0)), ..POLICY };
    check(Finding::Unusable(RefusalReason::Several), zero, Verdict::Refuse(RefusalReason::Several));
}

#[test]
fn nan_is_refused_or_as_on_nan_says() {
    check(number(f64::NAN), POLICY, Verdict::Refuse(RefusalReason::Nan));
    check(number(f64::NAN), Policy { on_nan: OnNan::Zero, ..POLICY }, served(0));
    let missing = Policy { on_nan: OnNan::Missing, ..POLICY };
    check(number(f64::NAN), missing, Verdict::Missing(MissingReason::Nan));
    check(number(f64::NAN), Policy { on_missing: OnMissing::Number(Milli(0)), ..missing }, served(0));
}

#[test]
fn infinite_out_of_range_and_negative_are_refused() {
    for (value, fault) in [
        (f64::INFINITY, RefusalReason::PositiveInfinity),
        (f64::NEG_INFINITY, RefusalReason::NegativeInfinity),
        (9_223_372_036_854_776.0, RefusalReason::OutOfRange),
        (-1e300, RefusalReason::OutOfRange),
        (-0.001, RefusalReason::Negative),
        (-0.0001, RefusalReason::Negative),
    ] {
        check(number(value), POLICY, Verdict::Refuse(fault));
    }
    check(number(-1.5), Policy { allow_negative: true, ..POLICY }, served(-1_500));
    check(number(9_223_372_036_854_774.0), POLICY, served(9_223_372_036_854_774_000));
}

#[test]
fn old_and_future_samples_are_as_nothing() {
    let at = |at| Finding::Number(Number { value: 1.0, at, newest: at, span: None });
    check(
        at(NOW - 120_000),
        POLICY,
        Verdict::Serve(ServedValue { value: Milli(1_000), at: NOW - 120_000, span: None }),
    );
    check(at(NOW - 120_001), POLICY, Verdict::Missing(MissingReason::Stale));
    check(at(NOW + 30_000), POLICY, Verdict::Serve(ServedValue { value: Milli(1_000), at: NOW + 30_000, span: None }));
    check(at(NOW + 30_001), POLICY, Verdict::Missing(MissingReason::Future));
    check(at(i64::MIN), POLICY, Verdict::Missing(MissingReason::Stale));
    check(at(i64::MAX), POLICY, Verdict::Missing(MissingReason::Future));
    check(at(NOW - 120_001), Policy { on_missing: OnMissing::Number(Milli(0)), ..POLICY }, served(0));
    // One sample out of time among several spoils the whole.
    let mixed = |at, newest| Finding::Number(Number { value: 1.0, at, newest, span: None });
    check(mixed(NOW, NOW + 30_001), POLICY, Verdict::Missing(MissingReason::Future));
    check(mixed(NOW - 120_001, NOW), POLICY, Verdict::Missing(MissingReason::Stale));
}

#[test]
fn nothing_left_tells_a_fault_before_an_absence_and_always_the_same() {
    use Verdict::{Missing, Refuse};
    assert_eq!(nothing_left([]), None);
    let (stale, several, nan) =
        (Missing(MissingReason::Stale), Refuse(RefusalReason::Several), Refuse(RefusalReason::Nan));
    let none = Missing(MissingReason::NoSeries);
    for (left_out, message) in [
        (vec![stale.clone()], stale.clone()),
        (vec![stale.clone(), none.clone()], none),
        (vec![stale.clone(), nan.clone(), several.clone()], several.clone()),
        (vec![several.clone(), stale, nan], several),
    ] {
        assert_eq!(nothing_left(left_out), Some(message));
    }
}
