//! Suggestions for selectors that match nothing on a page.

use std::collections::BTreeMap;
use std::fmt;

use crate::parse::similar::Name;
use crate::parse::sort::sort_by;
use crate::promql::VectorSelector;

/// A selector of a rule that matches nothing on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmatched {
    /// The selector in PromQL.
    pub selector: String,
    pub hint: Hint,
}

/// The suggestion for a selector that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Names of metrics on the page, the most similar first.
    Names(Vec<String>),
    /// The metric exists on the page, but no series has this matcher's label.
    Label { name: String, matcher: String },
    /// The metric exists on the page, but no series has all of the labels.
    Labels { name: String },
}

/// The maximum number of names in a suggestion.
const NEAREST: usize = 3;

/// The maximum length of a name in a message.
const SHOWN: usize = 128;

/// The maximum size of all names of a suggestion, so that a message has room for its rule. One name always fits.
const SHOWN_TOGETHER: usize = 192;

/// The maximum size of names that are recorded before they are compared. 64 KiB, two thousand names, more than most
/// pages have.
const NOTED: usize = 64 * 1024;

/// The maximum number of comparisons between names of a page and those of selectors. 50,000 take some milliseconds; a
/// page has a few hundred names, and most selectors match.
const COMPARISONS: usize = 50_000;

/// The names of a page's metrics; only the most similar ones are kept.
pub(super) struct NearNames<'a> {
    /// The names that are not compared yet, concatenated.
    noted: Vec<u8>,
    /// The start of the last of these names. Samples of one metric follow each other.
    last: usize,
    /// The number of further comparisons.
    comparisons: usize,
    /// For each missing name, the similar names with their distances, the nearest first.
    nearest: BTreeMap<&'a str, Vec<(usize, String)>>,
}

impl Unmatched {
    /// The approximate size in memory in bytes.
    pub(crate) fn cost(&self) -> usize {
        let hint = match &self.hint {
            Hint::Names(names) => names.iter().map(|name| size_of::<String>() + name.len()).sum(),
            Hint::Label { name, matcher } => name.len() + matcher.len(),
            Hint::Labels { name } => name.len(),
        };
        size_of::<Self>() + self.selector.len() + hint
    }
}

impl<'a> NearNames<'a> {
    pub(super) fn new() -> Self {
        Self { noted: Vec::new(), last: 0, comparisons: COMPARISONS, nearest: BTreeMap::new() }
    }

    /// Records the name of a sample; `false` if the recorded names must be compared first.
    pub(super) fn note(&mut self, name: &str) -> bool {
        if self.noted.get(self.last..) == Some(name.as_bytes()) || name.len() > SHOWN {
            return true;
        }
        if self.noted.len() + name.len() >= NOTED {
            return false;
        }
        self.noted.push(b'\n');
        self.last = self.noted.len();
        self.noted.extend_from_slice(name.as_bytes());
        true
    }

    /// Compares the recorded names with these missing ones, and forgets them. Each missing name gets an equal share of
    /// the comparisons.
    pub(super) fn compare(&mut self, absent: impl Iterator<Item = &'a str>) {
        let mut absent: Vec<Name<'a>> = absent.map(Name::new).collect();
        sort_by(&mut absent, |a, b| a.written().cmp(b.written()));
        absent.dedup_by_key(|name| name.written());
        let noted = str::from_utf8(&self.noted).unwrap_or_default();
        let shown =
            noted.split('\n').filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        for name in shown.take(self.comparisons.checked_div(absent.len()).unwrap_or(0)) {
            self.comparisons -= absent.len();
            let there = Name::new(name);
            for meant in &absent {
                let Some(closeness) = meant.closeness(&there) else { continue };
                let nearest = self.nearest.entry(meant.written()).or_default();
                let place = nearest.partition_point(|(other, text)| (*other, text.as_str()) < (closeness, name));
                if place < NEAREST && nearest.get(place).is_none_or(|(_, text)| text != name) {
                    nearest.insert(place, (closeness, name.to_owned()));
                    nearest.truncate(NEAREST);
                }
            }
        }
        self.noted.clear();
        self.last = 0;
    }

    /// The names that are similar to this one.
    pub(super) fn hint(&self, meant: &str) -> Option<Hint> {
        let mut left = SHOWN_TOGETHER;
        let fitting = self.nearest.get(meant)?.iter().map_while(|(_, name)| {
            left = left.checked_sub(name.len())?;
            Some(name.clone())
        });
        Some(Hint::Names(fitting.collect()))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names(names) => {
                for (at, name) in names.iter().enumerate() {
                    f.write_str(match at {
                        0 => "did you mean ",
                        _ if at + 1 == names.len() => " or ",
                        _ => ", ",
                    })?;
                    VectorSelector::named(name).fmt(f)?;
                }
                f.write_str("?")
            }
            Self::Label { name, matcher } => {
                write!(f, "{} is on the page, but not with {matcher}", VectorSelector::named(name))
            }
            Self::Labels { name } => {
                write!(f, "{} is on the page, but not with all of these labels", VectorSelector::named(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Page, PageBody, Query, WantedValues};
    use super::*;
    use crate::config::limits::Limits;
    use crate::config::model::Format;
    use crate::promql::{self, Expr};

    /// The suggestions of a page for rules with these values.
    fn hints(page: &str, values: &[&str]) -> Vec<Vec<String>> {
        let limits = promql::Limits { bytes: 1_000, depth: 8, nodes: 32, regex: 4_096 };
        let wants = values.iter().zip(0..).map(|(value, id)| {
            let expr = Expr::parse(value, &limits).unwrap();
            WantedValues {
                id,
                query: Query::Series { selectors: expr.selectors().cloned().collect(), or_number: false, age: None },
            }
        });
        let wants: Vec<WantedValues> = wants.collect();
        let mut body = PageBody { reader: &mut page.as_bytes(), delimited: true, max_bytes: None, known: None };
        let page = Page::read(&mut body, Some(Format::Prometheus), &wants, 0, &Limits::default()).unwrap();
        let text = |unmatched: &Unmatched| format!("{}: {}", unmatched.selector, unmatched.hint);
        wants.iter().map(|want| page.unmatched(want.id).iter().map(text).collect()).collect()
    }

    #[test]
    fn suggests_the_most_similar_name() {
        let lines = [
            "requests_in_flight 1\n",
            "requests_total 1\n",
            "request_total 1\n",
            "requests_total{a=\"1\"} 1\n",
            "REQUESTS_TOTAL 1\n",
            "requests_totals 1\n",
            "up 1\n",
        ];
        let (page, turned): (String, String) = (lines.concat(), lines.iter().rev().copied().collect());
        for (value, expected) in [
            ("requests:total", vec!["requests:total: did you mean REQUESTS_TOTAL, requests_total or request_total?"]),
            ("requests_totl", vec!["requests_totl: did you mean REQUESTS_TOTAL, requests_total or request_total?"]),
            ("requests_in_fligth", vec!["requests_in_fligth: did you mean requests_in_flight?"]),
            ("rate(requests_inflght[1m])", vec!["requests_inflght[1m]: did you mean requests_in_flight?"]),
            (
                "sum(up) / sum(request_totals)",
                vec!["request_totals: did you mean request_total, requests_totals or REQUESTS_TOTAL?"],
            ),
            ("other_total", vec![]),
            ("{__name__=\"requestS_total\"}", vec![]),
        ] {
            for page in [&page, &turned] {
                assert_eq!(hints(page, &[value])[0], expected, "{value}");
            }
        }
    }

    #[test]
    fn names_a_label_that_is_missing_everywhere() {
        let page = "jobs{queue=\"a\",host=\"x\"} 1\njobs{queue=\"b\",host=\"y\"} 1\njobz 1\n";
        for (value, expected) in [
            ("jobs{queue=\"c\"}", vec!["jobs{queue=\"c\"}: jobs is on the page, but not with queue=\"c\""]),
            (
                "jobs{queue=~\"a|b\",host=\"z\"}",
                vec!["jobs{queue=~\"a|b\",host=\"z\"}: jobs is on the page, but not with host=\"z\""],
            ),
            (
                "jobs{queue=\"a\",host=\"y\"}",
                vec!["jobs{queue=\"a\",host=\"y\"}: jobs is on the page, but not with all of these labels"],
            ),
            // The second selector has a series in the end.
            (
                "jobs{queue=\"c\"} + jobs{host=\"y\"}",
                vec!["jobs{queue=\"c\"}: jobs is on the page, but not with queue=\"c\""],
            ),
            ("jobs + jobs{host=\"y\"}", vec![]),
        ] {
            assert_eq!(hints(page, &[value]), [expected], "{value}");
        }
    }

    /// Names at the end of a page count, and the comparisons are shared equally among many rules.
    #[test]
    fn reads_large_pages() {
        let many: String = (0..20_000).map(|at| format!("name_{at}_of_a_large_page 1\n")).collect();
        let page = format!("requests_total 1\n{many}jobs_total 1\n{} 1\n", "long".repeat(SHOWN));
        assert_eq!(hints(&page, &["job_total"]), [["job_total: did you mean jobs_total?"]]);
        assert_eq!(hints(&page, &["long".repeat(SHOWN - 1).as_str()]), [[""; 0]]);
        let long = "a_".repeat(SHOWN / 2 - 2);
        let names = [format!("{long}ab"), format!("{long}ac")];
        let two = format!("{} 1\n{} 1\n", names[1], names[0]);
        assert_eq!(hints(&two, &[&format!("{long}a")]), [[format!("{long}a: did you mean {}?", names[0])]]);
        let meant: Vec<String> = (0..200).map(|at| format!("request_total{{a=\"{at}\"}} + other{at}")).collect();
        let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
        for (at, hints) in hints(&page, &meant).iter().enumerate() {
            assert_eq!(*hints, [format!("request_total{{a=\"{at}\"}}: did you mean requests_total?")]);
        }
    }
}
