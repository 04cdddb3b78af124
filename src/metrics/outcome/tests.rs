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
fn serves_finite_numbers_to_the_nearest_milli_but_not_as_zero() {
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
fn treats_no_series_as_missing_or_applies_on_missing() {
    let nothing = || Finding::Nothing(MissingReason::NoSeries);
    check(nothing(), POLICY, Verdict::Missing(MissingReason::NoSeries));
    check(nothing(), Policy { on_missing: OnMissing::Number(Milli(0)), ..POLICY }, served(0));
    let last = |seconds| Policy { on_missing: OnMissing::Last(Duration::from_secs(seconds)), ..POLICY };
    check(nothing(), last(60), Verdict::Serve(LAST));
    check(nothing(), last(59), Verdict::Missing(MissingReason::NoSeries));
    assert_eq!(judge(nothing(), &last(60), SCRAPED, NOW, None), Verdict::Missing(MissingReason::NoSeries));
}

#[test]
fn rejects_several_series() {
    check(Finding::Unusable(RefusalReason::Several), POLICY, Verdict::Refuse(RefusalReason::Several));
    // `onMissing` applies to missing series, not to a rule that does not fit the page.
    let zero = Policy { on_missing: OnMissing::Number(Milli(0)), ..POLICY };
    check(Finding::Unusable(RefusalReason::Several), zero, Verdict::Refuse(RefusalReason::Several));
}

#[test]
fn rejects_nan_or_applies_on_nan() {
    check(number(f64::NAN), POLICY, Verdict::Refuse(RefusalReason::Nan));
    check(number(f64::NAN), Policy { on_nan: OnNan::Zero, ..POLICY }, served(0));
    let missing = Policy { on_nan: OnNan::Missing, ..POLICY };
    check(number(f64::NAN), missing, Verdict::Missing(MissingReason::Nan));
    check(number(f64::NAN), Policy { on_missing: OnMissing::Number(Milli(0)), ..missing }, served(0));
}

#[test]
fn rejects_infinite_out_of_range_and_negative_values() {
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
fn treats_old_and_future_samples_as_missing() {
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
    // One sample outside the allowed time spoils the whole value.
    let mixed = |at, newest| Finding::Number(Number { value: 1.0, at, newest, span: None });
    check(mixed(NOW, NOW + 30_001), POLICY, Verdict::Missing(MissingReason::Future));
    check(mixed(NOW - 120_001, NOW), POLICY, Verdict::Missing(MissingReason::Stale));
}

#[test]
fn reports_faults_before_missing_series_and_in_a_stable_order() {
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
