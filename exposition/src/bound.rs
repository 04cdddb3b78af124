//! Bounds of buckets and quantiles in one spelling: `le="1"` and `le="1.0"` are the same bucket.
//!
//! When Prometheus 3 scrapes a page, it rewrites the labels `le` and `quantile` in OpenMetrics' number format, in
//! samples after a TYPE line of a histogram or summary, whatever their names. Doing the same gives matchers the same
//! meaning as in Prometheus.

use super::family::Kind;
use super::go_float;
use super::labels::Labels;

/// The labels' text with its bound rewritten; `None` if it is unchanged. `declared` is the type declared last.
#[inline]
pub(super) fn rewritten(declared: Kind, labels: &Labels<'_>) -> Option<String> {
    match declared {
        Kind::Histogram => with_canonical("le", labels),
        Kind::Summary => with_canonical("quantile", labels),
        _ => None,
    }
}

fn with_canonical(name: &str, labels: &Labels<'_>) -> Option<String> {
    let written = labels.get(name)?;
    let canonical = openmetrics(go_float::parse(&written)?);
    (canonical != written).then(|| labels.with(name, &canonical))
}

/// A number in OpenMetrics' format: like Go's `%g`, with `.0` appended to what looks like an integer.
fn openmetrics(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if number == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..6 if number.fract() == 0.0 => format!("{number}.0"),
        -4..6 => number.to_string(),
        power => format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_openmetrics() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (0.005, "0.005"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.99, "0.99"),
            (100.0, "100.0"),
            (123_456.0, "123456.0"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1e100, "1e+100"),
            (-2.5e-7, "-2.5e-07"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(openmetrics(number), expected);
        }
    }

    #[test]
    fn rewrites_only_the_label_of_the_type() {
        for (declared, raw, expected) in [
            (Kind::Histogram, r#"le="1""#, Some(r#"le="1.0""#)),
            (Kind::Histogram, r#"a="1", le = "+5e-3" ,quantile="1","#, Some(r#"a="1", le = "0.005" ,quantile="1","#)),
            (Kind::Histogram, r#""le"="1""#, Some(r#""le"="1.0""#)),
            (Kind::Histogram, r#"le="inf""#, Some(r#"le="+Inf""#)),
            (Kind::Histogram, r#"le="0x1p-2""#, Some(r#"le="0.25""#)),
            (Kind::Histogram, r#"le="1_000""#, Some(r#"le="1000.0""#)),
            (Kind::Histogram, r#"le="0.5""#, None),
            (Kind::Histogram, r#"le="""#, None),
            (Kind::Histogram, r#"le="x""#, None),
            (Kind::Histogram, r#"le="1e999""#, None),
            (Kind::Histogram, r#"quantile="1""#, None),
            (Kind::Summary, r#"quantile="1",le="1""#, Some(r#"quantile="1.0",le="1""#)),
            (Kind::Summary, r#"quantile="0.99""#, None),
            (Kind::Unknown, r#"le="1",quantile="1""#, None),
            (Kind::GaugeHistogram, r#"le="1""#, None),
            (Kind::Counter, r#"le="1""#, None),
        ] {
            assert_eq!(rewritten(declared, &Labels::checked(raw)).as_deref(), expected, "{declared:?} {raw}");
        }
    }
}
