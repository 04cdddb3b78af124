//! The type of a series: that of the family declared last, if the series belongs to it.

/// The type of a metric family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Not declared, or declared `unknown` (`untyped` in 0.0.4).
    #[default]
    Unknown,
    /// A value that goes up and down.
    Gauge,
    /// A value that only goes up until its process restarts.
    Counter,
    /// Counters by upper bound: `_bucket`, `_sum`, `_count`.
    Histogram,
    /// As a histogram, but of what is the case now: `_bucket`, `_gsum`, `_gcount`. OpenMetrics only.
    GaugeHistogram,
    /// Quantiles under the bare name, `_sum` and `_count`.
    Summary,
    /// Text in labels, the value is 1. OpenMetrics only.
    Info,
    /// One series a state, each 0 or 1. OpenMetrics only.
    StateSet,
}

impl Kind {
    /// Whether a series of this type only grows.
    pub fn is_counter(self, series: &str) -> bool {
        match self {
            Self::Counter | Self::Histogram => true,
            Self::Summary => is_named_like_a_counter(series),
            Self::Unknown | Self::Gauge | Self::GaugeHistogram | Self::Info | Self::StateSet => false,
        }
    }

    /// As a TYPE line has it; `None` if none has declared it.
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

    /// What may follow the family's name in the name of one of its series, besides nothing.
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

/// Whether a series is a counter by its name's ending, which is all there is to tell one without a type.
pub fn is_named_like_a_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

/// The family declared last. Families are not interleaved in either format, so one is enough.
#[derive(Debug, Default)]
pub(super) struct Family {
    name: String,
    kind: Kind,
}

impl Family {
    /// Starts the next family.
    pub(super) fn declare(&mut self, name: &str, kind: Kind) {
        self.name.clear();
        self.name.push_str(name);
        self.kind = kind;
    }

    /// The type declared last, whether or not a series belongs to its family.
    pub(super) fn declared(&self) -> Kind {
        self.kind
    }

    /// The type of a series with this name.
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
    fn knows_the_names_of_a_family() {
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
