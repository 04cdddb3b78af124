//! Other adapters on the page, and their comparisons with rules.

use std::fmt::{self, Write};

use super::html::Page;
use super::report::{AdapterStatus, ShadowStatus};
use super::text::Counts;

impl Page<'_> {
    pub(super) fn adapter(&self, f: &mut fmt::Formatter<'_>, adapter: &AdapterStatus) -> fmt::Result {
        if self.filter.wrong && !adapter.is_failing() {
            return Ok(());
        }
        let (class, state) = if adapter.is_failing { ("e", "fails") } else { ("o", "answers") };
        write!(
            f,
            "<section aria-label=\"Forwarded {group}\"><h2>Forwarded</h2><article><h3>{}</h3><p>{group}: \
             <b class={class}>{state}</b>",
            self.text(&adapter.name),
            group = adapter.group
        )?;
        adapter.since.iter().try_for_each(|since| write!(f, " since {since}"))?;
        adapter.last_answer.iter().try_for_each(|at| write!(f, ", last answer {at}"))?;
        write!(f, ", lists {} metrics; requests by code: {}", adapter.metrics, Counts(&adapter.codes))?;
        adapter.error.iter().try_for_each(|error| self.error(f, error))?;
        self.requests(f, adapter.requests.iter().filter(|request| self.shows(request)))?;
        f.write_str("</article></section>")
    }

    pub(super) fn shadow(&self, f: &mut fmt::Formatter<'_>, shadow: &ShadowStatus) -> fmt::Result {
        write!(f, "<p>shadowed: {}", Counts(&shadow.outcomes))?;
        if let Some(difference) = shadow.difference {
            write!(f, ", largest difference {:.2}%", difference * 100.0)?;
        }
        if let Some(error) = &shadow.error {
            write!(f, "<p class=e>the rule has no value: {}", self.text(error))?;
        }
        f.write_char(' ')
    }
}
