//! The type of a series: that of the family declared last, if the series belongs to it.

/// The type of a metric family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Not declared, or declared `unknown` (`untyped` in 0.0.4).
    #[default]
    Unknown,
    /// A value that can increase and decrease.
    Gauge,
    /// A value that only increases until its process restarts.
    Counter,
    /// A histogram: counters by upper bound. `_bucket`, `_sum`, `_count`.
    Histogram,
    /// A histogram of current values: `_bucket`, `_gsum`, `_gcount`. OpenMetrics only.
    GaugeHistogram,
    /// A summary: quantiles without a suffix, `_sum` and `_count`.
    Summary,
    /// Text in labels; the value is 1. OpenMetrics only.
    Info,
    /// One series per state, with the value 0 or 1. OpenMetrics only.
    StateSet,
}

impl Kind {
    /// Whether a series of this type only increases.
    pub fn is_counter(self, series: &str) -> bool {
        match self {
            // `_created` is a time, which changes only with the process.
            Self::Counter | Self::Histogram => !series.ends_with("_created"),
            Self::Summary => is_named_like_a_counter(series),
            Self::Unknown | Self::Gauge | Self::GaugeHistogram | Self::Info | Self::StateSet => false,
        }
    }

    /// The type in a TYPE line; `None` for [`Self::Unknown`], declared or not.
    pub fn as_str(self) -> Option<&'static str> {
        Some(match self {
            Self::Unknown => return None,
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        })
    }

    /// The suffixes of the family's series; the family's name without a suffix is always allowed.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Unknown | Self::Gauge | Self::StateSet => &[],
            Self::Counter => &["_total", "_created"],
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
            Self::Summary => &["_sum", "_count", "_created"],
            Self::Info => &["_info"],
        }
    }
}

/// Whether the suffix of a series' name is that of a counter, for series without a type.
pub fn is_named_like_a_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

/// The family declared last; neither format allows families to be interleaved.
#[derive(Debug, Default)]
pub(super) struct Family {
    name: String,
    kind: Kind,
}

impl Family {
    /// Starts a family.
    pub(super) fn declare(&mut self, name: &str, kind: Kind) {
        self.name.clear();
        self.name.push_str(name);
        self.kind = kind;
    }

    /// The type declared last, whether or not a series belongs to its family.
    pub(super) fn declared(&self) -> Kind {
        self.kind
    }

    /// The type of the series with this name.
    pub(super) fn kind_of(&self, series: &str) -> Kind {
        match series.strip_prefix(self.name.as_str()) {
            Some(suffix) if suffix.is_empty() || self.kind.suffixes().contains(&suffix) => self.kind,
            _ => Kind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_series_that_only_increase() {
        for (kind, name, expected) in [
            (Kind::Counter, "a_total", true),
            (Kind::Counter, "a_created", false),
            (Kind::Histogram, "a_bucket", true),
            (Kind::Histogram, "a_created", false),
            (Kind::Summary, "a_count", true),
            (Kind::Summary, "a", false),
            (Kind::Summary, "a_created", false),
            (Kind::GaugeHistogram, "a_gcount", false),
            (Kind::Unknown, "a_total", false),
        ] {
            assert_eq!(kind.is_counter(name), expected, "{kind:?} {name}");
        }
    }

    #[test]
    fn recognizes_the_names_of_a_family() {
        for (kind, family, names, others) in [
            (Kind::Counter, "a", &["a", "a_total", "a_created"][..], &["a_count", "a_total_total", "b", "", "aa"][..]),
            (Kind::Counter, "a_total", &["a_total"], &["a", "a_created"]),
            (Kind::Gauge, "a", &["a"], &["a_total", "a_sum"]),
            (Kind::Histogram, "a", &["a_bucket", "a_sum", "a_count", "a_created"], &["a_gsum", "a_total"]),
            (Kind::GaugeHistogram, "a", &["a_bucket", "a_gsum", "a_gcount"], &["a_sum", "a_count"]),
            (Kind::Summary, "a", &["a", "a_sum", "a_count", "a_created"], &["a_bucket"]),
            (Kind::Info, "a", &["a_info"], &["a_infos"]),
            (Kind::StateSet, "a", &["a"], &["a_info"]),
        ] {
            let mut declared = Family::default();
            assert_eq!(declared.kind_of("a"), Kind::Unknown);
            declared.declare("before", Kind::Gauge);
            declared.declare(family, kind);
            for name in names {
                assert_eq!(declared.kind_of(name), kind, "{name}");
            }
            for name in others {
                assert_eq!(declared.kind_of(name), Kind::Unknown, "{name}");
            }
        }
    }
}
