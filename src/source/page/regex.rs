//! A page of text, searched by regular expressions.

use std::time::Instant;

use super::{BodyError, Found, Page, PageBody, PageItem, PartValue, Query, Refusal, WantedValues, document, number};
use crate::config::limits::Limits;
use crate::config::model::Format;
use crate::parse::regex::Pattern;

pub(super) fn read(
    body: &mut PageBody<'_>,
    wants: &[WantedValues],
    at: i64,
    limits: &Limits,
) -> Result<Page, BodyError> {
    let bytes = document::lines(body, limits)?;
    // Numbers are ASCII in every encoding of such pages.
    let text = String::from_utf8_lossy(&bytes);
    let deadline = Instant::now() + limits.page.search;
    let found = |query: &Query| match query {
        Query::Text(_) if Instant::now() >= deadline => Found::Refused(Refusal::TooSlow),
        Query::Text(pattern) => matches(pattern, &text, deadline, limits),
        Query::Series { .. } | Query::Named { .. } => Found::Refused(Refusal::WrongFormat("series", Format::Text)),
        Query::Json { .. } => Found::Refused(Refusal::WrongFormat("JSON", Format::Text)),
        Query::Number => Found::Refused(Refusal::WrongFormat("one number", Format::Text)),
    };
    let found = wants.iter().map(|want| (want.id, found(&want.query))).collect();
    Ok(Page::of_values(Format::Text, bytes.len(), found, at))
}

/// One item for each match if the pattern names objects, otherwise the page as one item.
fn matches(pattern: &Pattern, text: &str, deadline: Instant, limits: &Limits) -> Found {
    let (mut items, max) = (Vec::new(), limits.page.kept_series);
    for (count, found) in pattern.matches(text).enumerate() {
        if count >= max {
            return Found::Refused(Refusal::TooMany(max));
        }
        if Instant::now() >= deadline {
            return Found::Refused(Refusal::TooSlow);
        }
        let value = found.value.map(|text| number::textual(text).ok_or("text that is not a number"));
        if pattern.names_objects() || items.is_empty() {
            items.push(PageItem {
                namespace: found.namespace.map(document::name),
                name: found.name.map(document::name),
                labels: Vec::new(),
                values: Vec::new(),
                empty: 0,
            });
        }
        if let Some(item) = items.last_mut() {
            item.values.extend(value.map(PartValue::from));
        }
    }
    Found::Items(items)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::limits::PageLimits;
    use crate::parse::regex::{RegexLimits, TextExpr};

    #[test]
    fn limits_matches_and_time() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let limits = |kept_series, search| Limits {
            page: PageLimits { kept_series, search, ..PageLimits::default() },
            ..Limits::default()
        };
        let items = |values: &[f64]| {
            Found::Items(vec![PageItem {
                values: values.iter().map(|value| Ok(*value).into()).collect(),
                ..PageItem::default()
            }])
        };
        for (page, limits, expected) in [
            ("1 2", limits(2, HOUR), items(&[1.0, 2.0])),
            ("1 2 3", limits(2, HOUR), Found::Refused(Refusal::TooMany(2))),
            ("1 2", limits(2, Duration::ZERO), Found::Refused(Refusal::TooSlow)),
            // A search without a match scans the page once.
            ("", limits(2, Duration::ZERO), Found::Items(Vec::new())),
        ] {
            let expr = TextExpr::parse(r"/(\d)(?s:.*end)?/", &RegexLimits { bytes: 64, compiled: 65_536 }).unwrap();
            assert_eq!(matches(&expr.pattern, page, Instant::now() + limits.page.search, &limits), expected, "{page}");
        }
    }
}
