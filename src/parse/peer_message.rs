//! Messages between replicas: the selections that a replica samples, and the samples of one rule.
//!
//! All times are ages in milliseconds before the message, because the monotonic clock of samples is meaningless on
//! another machine. Numbers are little-endian; texts and lists are preceded by their length. The encoding is canonical:
//! a message that parses prints as the same bytes.

use std::fmt;

/// The first bytes of a message. Messages of other versions are ignored, as if their replica had no samples.
const VERSION: &[u8] = b"metriclet peer 1\n";

/// A whole message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerMessage<'a> {
    /// Identifies the process of a replica.
    pub instance: u64,
    pub rules: Vec<PeerRule<'a>>,
}

/// What is sampled for one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerRule<'a> {
    /// The hash of the rule and of its source, as configured.
    pub definition: u64,
    pub selections: Vec<PeerSelection<'a>>,
    /// The samples, if they were requested.
    pub objects: Vec<PeerObject<'a>>,
}

/// A sampled selection of objects.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerSelection<'a> {
    pub namespace: Option<&'a str>,
    pub label_selector: &'a str,
    pub name: Option<&'a str>,
    /// The age of its last request.
    pub requested: i32,
    /// The age of its first sample.
    pub since: i32,
    /// The time until its next sample.
    pub due: i32,
}

/// The samples of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerObject<'a> {
    pub name: &'a str,
    pub incarnation: &'a str,
    /// The age of the last attempt.
    pub tried: i32,
    /// Whether the last attempt failed.
    pub failed: bool,
    /// For an object of several pods: how many were scraped, how many failed, and whether some are about to run.
    pub pods: Option<(u32, u32, bool)>,
    /// The ages of the samples, oldest first.
    pub times: Vec<i32>,
    pub series: Vec<PeerSeries<'a>>,
}

/// The samples of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerSeries<'a> {
    /// Names and values, sorted by name; no value is empty.
    pub labels: Vec<(&'a str, &'a str)>,
    /// The age of the last page that contained it.
    pub seen: i32,
    /// Age and value, oldest first. A timestamp in the future has a negative age.
    pub samples: Vec<(i32, f64)>,
}

/// Limits on a message.
#[derive(Clone, Copy, Debug)]
pub struct PeerMessageLimits {
    pub bytes: usize,
    /// The number of rules, of selections, and of a rule's objects and series.
    pub entries: usize,
    /// The number of labels of a series.
    pub labels: usize,
}

/// Why bytes are not a valid message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMessageError {
    /// The message does not start with this version.
    Version,
    /// The message is truncated, or bytes follow its end.
    Length,
    /// The message exceeds a limit.
    Limit,
    /// A text is not UTF-8.
    Text,
    /// A flag that is neither 0 nor 1.
    Flag,
    /// Times or labels that are not sorted, or an empty label.
    Order,
}

impl PeerMessage<'_> {
    /// Encodes the message.
    pub fn print(&self) -> Vec<u8> {
        let mut out = VERSION.to_vec();
        out.extend_from_slice(&self.instance.to_le_bytes());
        list(&mut out, &self.rules, |out, rule| {
            out.extend_from_slice(&rule.definition.to_le_bytes());
            list(out, &rule.selections, |out, selection| {
                let PeerSelection { namespace, label_selector, name, requested, since, due } = selection;
                optional(out, *namespace);
                text(out, label_selector);
                optional(out, *name);
                [requested, since, due].into_iter().for_each(|age| out.extend_from_slice(&age.to_le_bytes()));
            });
            list(out, &rule.objects, print_object);
        });
        out
    }
}

fn print_object(out: &mut Vec<u8>, object: &PeerObject<'_>) {
    text(out, object.name);
    text(out, object.incarnation);
    out.extend_from_slice(&object.tried.to_le_bytes());
    out.push(object.failed.into());
    out.push(object.pods.is_some().into());
    if let Some((answered, failed, pending)) = object.pods {
        [answered, failed].iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        out.push(pending.into());
    }
    list(out, &object.times, |out, age| out.extend_from_slice(&age.to_le_bytes()));
    list(out, &object.series, |out, series| {
        list(out, &series.labels, |out, (name, value)| {
            text(out, name);
            text(out, value);
        });
        out.extend_from_slice(&series.seen.to_le_bytes());
        list(out, &series.samples, |out, (age, value)| {
            out.extend_from_slice(&age.to_le_bytes());
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        });
    });
}

/// Our lists and texts are shorter than 4 GiB; a longer one would make an invalid message.
fn length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn optional(out: &mut Vec<u8>, optional: Option<&str>) {
    out.push(optional.is_some().into());
    optional.into_iter().for_each(|some| text(out, some));
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut print: impl FnMut(&mut Vec<u8>, &T)) {
    length(out, items.len());
    items.iter().for_each(|item| print(out, item));
}

impl<'a> PeerMessage<'a> {
    /// Parses a message.
    ///
    /// # Errors
    /// The first part of the bytes that is invalid in this version.
    pub fn parse(bytes: &'a [u8], limits: &PeerMessageLimits) -> Result<Self, PeerMessageError> {
        if bytes.len() > limits.bytes {
            return Err(PeerMessageError::Limit);
        }
        let mut rest = Rest(bytes.strip_prefix(VERSION).ok_or(PeerMessageError::Version)?);
        let message = Self {
            instance: u64::from_le_bytes(rest.array()?),
            rules: rest.list(limits.entries, |rest| {
                Ok(PeerRule {
                    definition: u64::from_le_bytes(rest.array()?),
                    selections: rest.list(limits.entries, Rest::selection)?,
                    objects: rest.list(limits.entries, |rest| rest.object(limits))?,
                })
            })?,
        };
        if rest.0.is_empty() { Ok(message) } else { Err(PeerMessageError::Length) }
    }
}

/// The bytes that remain to be parsed.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PeerMessageError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PeerMessageError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PeerMessageError> {
        self.take(N)?.try_into().map_err(|_| PeerMessageError::Length)
    }

    fn length(&mut self) -> Result<usize, PeerMessageError> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn age(&mut self) -> Result<i32, PeerMessageError> {
        self.array().map(i32::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, PeerMessageError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(PeerMessageError::Flag),
        }
    }

    fn text(&mut self) -> Result<&'a str, PeerMessageError> {
        let length = self.length()?;
        str::from_utf8(self.take(length)?).map_err(|_| PeerMessageError::Text)
    }

    fn optional(&mut self) -> Result<Option<&'a str>, PeerMessageError> {
        if self.flag()? { self.text().map(Some) } else { Ok(None) }
    }

    /// Allocates by the items that are present, not by the announced length.
    fn list<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, PeerMessageError>,
    ) -> Result<Vec<T>, PeerMessageError> {
        let length = self.length()?;
        if length > most {
            return Err(PeerMessageError::Limit);
        }
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn selection(&mut self) -> Result<PeerSelection<'a>, PeerMessageError> {
        let (namespace, label_selector, name) = (self.optional()?, self.text()?, self.optional()?);
        let (requested, since, due) = (self.age()?, self.age()?, self.age()?);
        Ok(PeerSelection { namespace, label_selector, name, requested, since, due })
    }

    fn object(&mut self, limits: &PeerMessageLimits) -> Result<PeerObject<'a>, PeerMessageError> {
        let (name, incarnation, tried, failed) = (self.text()?, self.text()?, self.age()?, self.flag()?);
        let pods = match self.flag()? {
            true => Some((u32::from_le_bytes(self.array()?), u32::from_le_bytes(self.array()?), self.flag()?)),
            false => None,
        };
        // Their number is bounded only by the length of the message: each takes several bytes.
        let times = self.list(limits.bytes, Self::age)?;
        let series = self.list(limits.entries, |rest| rest.series(limits))?;
        if !times.is_sorted_by(|earlier, later| earlier > later) || times.last().is_some_and(|last| *last < 0) {
            return Err(PeerMessageError::Order);
        }
        Ok(PeerObject { name, incarnation, tried, failed, pods, times, series })
    }

    fn series(&mut self, limits: &PeerMessageLimits) -> Result<PeerSeries<'a>, PeerMessageError> {
        let labels = self.list(limits.labels, |rest| Ok((rest.text()?, rest.text()?)))?;
        let seen = self.age()?;
        let samples =
            self.list(limits.bytes, |rest| Ok((rest.age()?, f64::from_bits(u64::from_le_bytes(rest.array()?)))))?;
        let are_labels = labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty());
        if !are_labels
            || !labels.is_sorted_by(|(left, _), (right, _)| left < right)
            || !samples.is_sorted_by(|(earlier, _), (later, _)| earlier > later)
        {
            return Err(PeerMessageError::Order);
        }
        Ok(PeerSeries { labels, seen, samples })
    }
}

impl fmt::Display for PeerMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "expected a message of this version, found another one",
            Self::Length => "expected a complete message, found one of another length",
            Self::Limit => "expected a message within the limits, found a larger one",
            Self::Text => "expected UTF-8, found another encoding",
            Self::Flag => "expected a flag of 0 or 1",
            Self::Order => "expected times and labels in order",
        })
    }
}

impl std::error::Error for PeerMessageError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PeerMessageLimits = PeerMessageLimits { bytes: 1_000, entries: 2, labels: 2 };

    fn message() -> PeerMessage<'static> {
        let series = PeerSeries {
            labels: vec![("__name__", "a_total"), ("pod", "web-0")],
            seen: 5,
            samples: vec![(15_005, 1.5), (5, f64::INFINITY), (-3, -0.0)],
        };
        let object = PeerObject {
            name: "shop?app=web",
            incarnation: "x",
            tried: 5,
            failed: true,
            pods: Some((2, 1, true)),
            times: vec![15_005, 5, 0],
            series: vec![series],
        };
        let selection = PeerSelection {
            namespace: Some("shop"),
            label_selector: "app=web",
            name: None,
            requested: 1,
            since: 15_005,
            due: -7,
        };
        let rule = PeerRule { definition: u64::MAX, selections: vec![selection], objects: vec![object] };
        PeerMessage { instance: 7, rules: vec![rule, PeerRule::default()] }
    }

    #[test]
    fn parses_its_own_output() {
        let message = message();
        assert_eq!(PeerMessage::parse(&message.print(), &LIMITS), Ok(message));
    }

    #[test]
    fn parses_only_complete_canonical_messages() {
        let printed = message().print();
        for length in 0..printed.len() {
            let expected = if length < VERSION.len() { PeerMessageError::Version } else { PeerMessageError::Length };
            assert_eq!(PeerMessage::parse(&printed[..length], &LIMITS), Err(expected), "{length}");
        }
        for at in 0..printed.len() {
            for bit in 0..8 {
                let mut other = printed.clone();
                other[at] ^= 1 << bit;
                if let Ok(read) = PeerMessage::parse(&other, &LIMITS) {
                    assert_eq!(read.print(), other, "{at}");
                }
            }
        }
        assert_eq!(PeerMessage::parse(&[&*printed, b"\0"].concat(), &LIMITS), Err(PeerMessageError::Length));
    }

    #[test]
    fn rejects_invalid_messages() {
        let with = |change: fn(&mut PeerMessage<'_>)| {
            let mut message = message();
            change(&mut message);
            PeerMessage::parse(&message.print(), &LIMITS).map(drop)
        };
        for (found, expected) in [
            (with(|message| message.rules.push(PeerRule::default())), PeerMessageError::Limit),
            (with(|message| message.rules[0].objects[0].times.reverse()), PeerMessageError::Order),
            (with(|message| message.rules[0].objects[0].times.push(-1)), PeerMessageError::Order),
            (with(|message| message.rules[0].objects[0].series[0].labels.reverse()), PeerMessageError::Order),
            (with(|message| message.rules[0].objects[0].series[0].labels[1].1 = ""), PeerMessageError::Order),
            (with(|message| message.rules[0].objects[0].series[0].samples.push((-3, 1.0))), PeerMessageError::Order),
            (with(|message| message.rules[0].objects[0].series[0].labels.push(("q", "1"))), PeerMessageError::Limit),
        ] {
            assert_eq!(found, Err(expected));
        }
        let small = PeerMessageLimits { bytes: 100, ..LIMITS };
        assert_eq!(PeerMessage::parse(&message().print(), &small), Err(PeerMessageError::Limit));
        let version = b"metriclet peer 2\n".to_vec();
        assert_eq!(PeerMessage::parse(&version, &LIMITS), Err(PeerMessageError::Version));
    }
}
