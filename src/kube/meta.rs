//! The types of `meta/v1` and `core/v1` in responses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::protobuf::{Fields, Message};
use crate::parse::quantity::Milli;
use crate::parse::selector::{Operator, Selector};

/// Seconds since 1970 UTC; prints as RFC 3339 in whole seconds with `Z`.
///
/// ```
/// use metriclet::internals::kube::meta::Time;
/// assert_eq!(Time(1_787_020_504).to_string(), "2026-08-18T02:35:04Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// The start of the year 1, which Kubernetes treats as unset.
    pub(crate) const NONE: Self = Self(-62_135_596_800);

    /// Converts Unix milliseconds, rounding down to seconds as Kubernetes does.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.div_euclid(1000))
    }

    /// A time of RFC 3339; fractions of a second are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse::<i64>().ok()
        };
        let (date, clock) = (text.get(..10)?, text.get(10..19)?);
        let is_shaped = date.bytes().enumerate().all(|(at, byte)| matches!(at, 4 | 7) == (byte == b'-'))
            && clock.starts_with(['T', 't', ' '])
            && clock.get(3..4) == Some(":")
            && clock.get(6..7) == Some(":");
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        if !is_shaped || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Days since 1970. A year starts in March, so that a leap day is its last.
        let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
        let days = years * 365 + leap_days + (months * 153 + 2) / 5 + day - 1 - 719_468;
        let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
        let rest = text.get(19..)?;
        let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
        let offset = match (zone, zone.split_at_checked(1)) {
            ("Z" | "z", _) => 0,
            (_, Some((sign @ ("+" | "-"), offset))) => {
                let (hours, minutes) = offset.split_once(':')?;
                let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
                let seconds = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
                if sign == "+" { seconds } else { -seconds }
            }
            _ => return None,
        };
        // Only years 0 to 9999 can be printed.
        Some(Self(seconds - offset)).filter(|time| (-62_167_219_200..=253_402_300_799).contains(&time.0))
    }

    /// Unix milliseconds.
    pub(crate) fn millis(self) -> i64 {
        self.0.saturating_mul(1000)
    }
}

/// Converts days to a civil date in eras of 400 years (146,097 days) of years that start in March.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let since_era_0 = days + 719_468;
        let era = since_era_0.div_euclid(146_097);
        let day_of_era = since_era_0.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        if !(0..=9_999).contains(&year) {
            return write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        }
        // Every item of every response has a timestamp; this takes a tenth of the time of formatting.
        let mut text = *b"0000-00-00T00:00:00Z";
        let (century, year) = (year / 100, year % 100);
        for (at, number) in [(0, century), (2, year), (5, month), (8, day), (11, hour), (14, minute), (17, second)] {
            if let Some([tens, ones]) = text.get_mut(at..at + 2) {
                *tens += (number / 10) as u8;
                *ones += (number % 10) as u8;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::NONE {
            return serializer.serialize_none();
        }
        serializer.collect_str(self)
    }
}

/// The nanoseconds are always zero.
impl Message for Time {
    fn fields(&self, fields: &mut Fields) {
        if *self != Self::NONE {
            fields.int(1, self.0);
            fields.int(2, 0);
        }
    }
}

/// A `resource.Quantity`.
impl Message for Milli {
    fn fields(&self, fields: &mut Fields) {
        fields.text(1, self);
    }
}

/// The object that a value describes: a `core/v1` ObjectReference, reduced to the keys in use. All items of an answer share
/// everything but the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectReference {
    /// `Pod`.
    pub kind: Arc<str>,
    /// Absent for cluster-scoped objects.
    pub namespace: Option<Arc<str>>,
    /// The object's name.
    pub name: String,
    /// `v1`, `apps/v1`.
    pub api_version: Arc<str>,
}

/// Includes the keys that are never set: uid, resourceVersion and fieldPath.
impl Message for ObjectReference {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.kind);
        fields.string(2, self.namespace.as_deref().unwrap_or_default());
        fields.string(3, &self.name);
        fields.string(4, "");
        fields.string(5, &self.api_version);
        fields.string(6, "");
        fields.string(7, "");
    }
}

/// `meta/v1` LabelSelector, in the form to which Kubernetes converts a selector's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// The keys that must have exactly this value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// All other requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One requirement of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: &'static str,
    /// Empty for `Exists` and `DoesNotExist`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl Message for LabelSelector {
    fn fields(&self, fields: &mut Fields) {
        fields.map(1, &self.match_labels);
        for requirement in &self.match_expressions {
            fields.message(2, requirement);
        }
    }
}

impl Message for LabelSelectorRequirement {
    fn fields(&self, fields: &mut Fields) {
        fields.string(1, &self.key);
        fields.string(2, self.operator);
        fields.strings(3, &self.values);
    }
}

impl LabelSelector {
    /// Converts a selector to an object, which cannot express `>` and `<`.
    ///
    /// # Errors
    /// The key of the first requirement with `>` or `<`.
    pub fn from_selector(selector: &Selector) -> Result<Self, &str> {
        let mut object = Self::default();
        for requirement in selector.requirements() {
            let key = requirement.key();
            let operator = match requirement.operator() {
                Operator::Equals | Operator::DoubleEquals => match (requirement.values(), object.match_labels.get(key))
                {
                    ([value], None) => {
                        object.match_labels.insert(key.to_owned(), value.clone());
                        continue;
                    }
                    _ => "In",
                },
                Operator::In => "In",
                Operator::NotEquals | Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
                Operator::GreaterThan | Operator::LessThan => return Err(key),
            };
            let values = requirement.values().to_vec();
            object.match_expressions.push(LabelSelectorRequirement { key: key.to_owned(), operator, values });
        }
        Ok(object)
    }
}

/// Reads `null` as the default value, as Go does.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::selector::SelectorLimits;

    #[test]
    fn prints_times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_787_020_504, "2026-08-18T02:35:04Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "10000-01-01T00:00:00Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (-62_167_219_201, "-001-12-31T23:59:59Z"),
        ] {
            assert_eq!(Time(seconds).to_string(), text);
        }
        assert_eq!(Time::from_millis(-1), Time(-1));
        assert_eq!(Time::from_millis(1_999), Time(1));
    }

    #[test]
    fn reads_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00z", Some(951_782_400)),
            ("2026-08-18T02:35:04.987654321Z", Some(1_787_020_504)),
            ("2026-08-18T04:35:04+02:00", Some(1_787_020_504)),
            ("2026-08-17 21:05:04-05:30", Some(1_787_020_504)),
            ("0001-01-01T00:00:00Z", Some(Time::NONE.0)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("2026-08-18T02:35:04", None),
            ("9999-12-31T23:59:59-00:01", None),
            ("2026-13-18T02:35:04Z", None),
            ("2026-08-18", None),
            ("2026-08-18T02:35:0éZ", None),
            ("2026-08-18T02:35:04+2", None),
            ("", None),
        ] {
            assert_eq!(Time::parse(text), seconds.map(Time), "{text}");
        }
    }

    #[test]
    fn converts_selectors_to_objects() {
        let limits = SelectorLimits { bytes: 1024, requirements: 64 };
        for (text, json) in [
            ("", "{}"),
            ("verb=GET", r#"{"matchLabels":{"verb":"GET"}}"#),
            ("b==2,a=1", r#"{"matchLabels":{"a":"1","b":"2"}}"#),
            ("a=1,a=2", r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"a","operator":"In","values":["2"]}]}"#),
            ("k in (b,a)", r#"{"matchExpressions":[{"key":"k","operator":"In","values":["a","b"]}]}"#),
            ("k!=a", r#"{"matchExpressions":[{"key":"k","operator":"NotIn","values":["a"]}]}"#),
            ("k,!z", r#"{"matchExpressions":[{"key":"k","operator":"Exists"},{"key":"z","operator":"DoesNotExist"}]}"#),
        ] {
            let selector = Selector::parse(text, &limits).unwrap();
            let object = LabelSelector::from_selector(&selector).unwrap();
            assert_eq!(serde_json::to_string(&object).unwrap(), json, "{text}");
        }
        let selector = Selector::parse("a=1,n>5", &limits).unwrap();
        assert_eq!(LabelSelector::from_selector(&selector), Err("n"));
    }
}
