//! Prints texts and numbers for the page. Foreign text is escaped, and isolated from the direction of the surrounding text.

use std::fmt::{self, Write};

use super::report::{Count, PodWatchStatus};
use crate::kube::meta::Time;

/// Text for an element or a quoted attribute, cut if it is too long. Control characters, invisible characters and those that
/// change the direction of text are shown as their codes.
pub(super) struct HtmlText<'a> {
    pub(super) text: &'a str,
    /// The maximum number of characters.
    pub(super) longest: usize,
}

impl fmt::Display for HtmlText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in self.text.chars().enumerate() {
            if at == self.longest {
                return f.write_char('…');
            }
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A cell of our own documentation: supports code between backticks, and the text of links.
pub(super) struct Markdown<'a>(pub(super) &'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text| HtmlText { text, longest: usize::MAX };
        for (at, part) in self.0.split('`').enumerate() {
            if at % 2 == 1 {
                write!(f, "<code>{}</code>", text(part))?;
                continue;
            }
            for (at, part) in part.split('[').enumerate() {
                match part.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(')')?.1))) {
                    Some((name, rest)) if at > 0 => write!(f, "{}{}", text(name), text(rest))?,
                    _ => write!(f, "{}", text(part))?,
                }
            }
        }
        Ok(())
    }
}

/// The number of problems, as text.
pub(super) struct Problems(pub(super) usize);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no problems"),
            1 => f.write_str("1 problem"),
            count => write!(f, "{count} problems"),
        }
    }
}

/// Counts with their names, separated by commas.
pub(super) struct Counts<'a>(pub(super) &'a [Count]);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, Count { name, count }) in self.0.iter().enumerate() {
            write!(f, "{}{count} {}", if at == 0 { "" } else { ", " }, name.replace('_', " "))?;
        }
        Ok(())
    }
}

/// Watches of pods, separated by semicolons.
pub(super) struct PodWatchList<'a>(pub(super) &'a [PodWatchStatus]);

impl fmt::Display for PodWatchList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, PodWatchStatus { namespace, state, pods, last_contact }) in self.0.iter().enumerate() {
            let namespace = HtmlText { text: namespace, longest: 63 };
            let state = state.replace('_', " ");
            write!(f, "{}{namespace}: {state}, {pods} pods", if at == 0 { "" } else { "; " })?;
            last_contact.iter().try_for_each(|at| write!(f, ", last contact {at}"))?;
        }
        Ok(())
    }
}

/// A value with at most three decimals, like served values.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A size in its largest unit.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_024 => write!(f, "{bytes} B"),
            bytes @ 1_024..1_048_576 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{} MiB", bytes >> 20),
        }
    }
}

/// A time; without the date if that is the same as `day`'s.
pub(super) struct TimeOfDay {
    pub(super) time: Time,
    pub(super) day: Time,
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [time, day] = [self.time, self.day].map(|time| time.to_string());
        match (time.split_once('T'), day.split_once('T')) {
            (Some((date, time)), Some((day, _))) if date == day => f.write_str(time),
            _ => f.write_str(&time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_invisible_characters_as_codes() {
        let hidden = "\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}";
        for c in hidden.chars() {
            let text = format!("a{c}b");
            let shown = HtmlText { text: &text, longest: 3 }.to_string();
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        // Letters of a right-to-left script, a joined emoji, and a control character.
        for (text, expected) in
            [("שלום", "שלום"), ("\u{1f469}\u{200d}\u{1f680}", "\u{1f469}\u{200d}\u{1f680}"), ("\u{7}", "\\u{7}")]
        {
            assert_eq!(HtmlText { text, longest: 9 }.to_string(), expected);
        }
    }

    #[test]
    fn times_of_another_day_have_a_date() {
        let day = Time(1_790_000_000);
        for (time, expected) in [(1_790_000_001, "14:13:21Z"), (1_789_913_600, "2026-09-20T14:13:20Z")] {
            assert_eq!(TimeOfDay { time: Time(time), day }.to_string(), expected);
        }
    }
}
