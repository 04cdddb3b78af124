//! Content negotiation (RFC 9110 §12.5.1) as Kubernetes' API servers do it.

use std::cmp::Reverse;

use memchr::memchr;

use super::message::{AGGREGATED, JSON};
use crate::parse::bytes::split_at;
use crate::parse::sort::sort_by;

/// How to treat a clause with a transform, such as `as=Table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transforms {
    /// The parameter is ignored: discovery answers `as=APIGroupDiscoveryList` with plain JSON, which aggregators read
    /// as the older form of discovery.
    Ignored,
    /// The clause is skipped.
    Refused,
}

/// A clause of an Accept header.
struct Clause<'a> {
    text: &'a str,
    media_type: &'a str,
    has_transform: bool,
    /// Thousandths.
    quality: u16,
}

/// The first of the media types `offered` that the client prefers; `None` if it accepts none. Clauses are ordered by
/// quality, then those that name a media type come first, then by position. As in Kubernetes, a missing header and
/// `*/*` select the first media type; so does `application/*`, but only if another clause names a media type or is
/// `*/*`.
pub fn negotiate<'o>(accept: Option<&str>, offered: &[&'o str], transforms: Transforms) -> Option<&'o str> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return offered.first().copied() };
    let named =
        |media_type: &str| offered.iter().copied().find(|offer| essence(offer).eq_ignore_ascii_case(media_type));
    // Without parameters, all clauses have equal quality, and specific media types come before wildcards. Most clients
    // name the media type they want first.
    if memchr(b';', accept.as_bytes()).is_none() {
        let first = split_at(accept, b',').map_or(accept, |(first, _)| first);
        let is_first = |offer: &&&str| **offer == first;
        if let Some(offer) = offered.iter().find(is_first).copied() {
            return Some(offer);
        }
        if let Some(offer) = accept.split(',').find_map(|clause| named(clause.trim())) {
            return Some(offer);
        }
    }
    let mut clauses = clauses(accept);
    if !clauses.iter().any(|clause| clause.media_type == "*/*" || named(clause.media_type).is_some()) {
        return None;
    }
    clauses.retain(|clause| transforms == Transforms::Ignored || !clause.has_transform);
    clauses.iter().find_map(|clause| match clause.media_type.strip_suffix("/*") {
        Some("*") => offered.first().copied(),
        Some(whole) => offered
            .iter()
            .copied()
            .find(|offer| offer.split_once('/').is_some_and(|(category, _)| category.eq_ignore_ascii_case(whole))),
        None => named(clause.media_type),
    })
}

/// Whether the client prefers the aggregated form of discovery among those that `/apis` has.
pub(super) fn prefers_aggregated(accept: Option<&str>) -> bool {
    let json = |clause: &Clause<'_>| clause.media_type == "*/*" || clause.media_type.eq_ignore_ascii_case(JSON);
    let form = |clause: Clause<'_>| match clause.has_transform {
        true => clause.has(AGGREGATED).then_some(true),
        false => Some(false),
    };
    clauses(accept.unwrap_or_default()).into_iter().filter(json).find_map(form).unwrap_or_default()
}

/// The clauses with a quality above zero, in order of preference.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> =
        accept.split(',').map(Clause::parse).filter(|clause| clause.quality > 0).collect();
    let rank = |clause: &Clause<'_>| (Reverse(clause.quality), clause.wildcards());
    sort_by(&mut clauses, |a, b| rank(a).cmp(&rank(b)));
    clauses
}

impl<'a> Clause<'a> {
    /// Whether the clause has all parameters of this media type.
    fn has(&self, media_type: &str) -> bool {
        let own = || self.text.split(';').skip(1).filter_map(|part| part.split_once('='));
        let has = |name: &str, value: &str| own().any(|(a, b)| a.trim() == name && b.trim() == value);
        media_type.split(';').skip(1).filter_map(|part| part.split_once('=')).all(|(name, value)| has(name, value))
    }

    /// An invalid quality counts as 1.
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut clause = Self { text, media_type, has_transform: false, quality: 1_000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "as" => clause.has_transform |= !value.trim().is_empty(),
                "q" => clause.quality = thousandths(value.trim()).unwrap_or(1_000),
                _ => {}
            }
        }
        clause
    }

    fn wildcards(&self) -> usize {
        self.media_type.bytes().filter(|byte| *byte == b'*').count()
    }
}

fn thousandths(quality: &str) -> Option<u16> {
    let quality: f64 = quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    // The number is in range; only digits beyond the third are lost.
    Some((quality * 1_000.0) as u16)
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether JSON is indented: as requested with `pretty`, otherwise for clients that are likely interactive.
pub(super) fn pretty(requested: Option<bool>, user_agent: Option<&str>) -> bool {
    requested.unwrap_or_else(|| {
        let agent = user_agent.unwrap_or_default();
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|person| agent.starts_with(person))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::api::message::{PROTOBUF, YAML};

    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

    #[test]
    fn accepts_headers_of_real_clients() {
        let kubectl = format!("{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json");
        let kubectl = kubectl.as_str();
        let aggregator = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, ignored, refused) in [
            (None, Some(JSON), Some(JSON)),
            (Some(""), Some(JSON), Some(JSON)),
            (Some("*/*"), Some(JSON), Some(JSON)),
            (Some("application/json"), Some(JSON), Some(JSON)),
            (Some("Application/JSON ; charset=utf-8"), Some(JSON), Some(JSON)),
            (Some("application/json, */*"), Some(JSON), Some(JSON)),
            (Some("application/vnd.kubernetes.protobuf, */*"), Some(PROTOBUF), Some(PROTOBUF)),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some(PROTOBUF), Some(PROTOBUF)),
            (Some("application/vnd.kubernetes.protobuf"), Some(PROTOBUF), Some(PROTOBUF)),
            (Some("application/yaml"), Some(YAML), Some(YAML)),
            (Some(kubectl), Some(JSON), Some(JSON)),
            (Some(aggregator), Some(JSON), None),
            (Some(TABLE), Some(JSON), None),
            (Some(browser), Some(JSON), Some(JSON)),
            (Some("application/*"), None, None),
            (Some("application/*, text/html"), None, None),
            (Some("text/html"), None, None),
            (Some("application/cbor"), None, None),
            (Some("application/json;q=0.1"), Some(JSON), Some(JSON)),
            (Some("application/json;q=0"), None, None),
            (Some("application/json;q=0.000"), None, None),
            (Some("application/json;q=nonsense"), Some(JSON), Some(JSON)),
        ] {
            let offered = [JSON, YAML, PROTOBUF];
            assert_eq!(negotiate(accept, &offered, Transforms::Ignored), ignored, "{accept:?}");
            assert_eq!(negotiate(accept, &offered, Transforms::Refused), refused, "{accept:?}");
        }
    }

    #[test]
    fn prefers_quality_then_specific_types_then_position() {
        let html = "text/html; charset=utf-8";
        for (accept, expected) in [
            (None, Some(JSON)),
            (Some("*/*"), Some(JSON)),
            (Some("text/html"), Some(html)),
            (Some("text/html, application/json"), Some(html)),
            (Some("text/html;q=0.5, application/json"), Some(JSON)),
            (Some("text/html;q=0.5, application/json;q=0.4"), Some(html)),
            (Some("text/html;q=0.001, */*;q=0"), Some(html)),
            (Some("text/html;as=Table, application/json;q=0.9"), Some(JSON)),
            (Some("*/*, text/html"), Some(html)),
            (Some("*/*, text/html;q=0.9"), Some(JSON)),
            (Some("*/*, text/*, application/yaml;q=0.9"), Some(html)),
            (Some("text/*"), None),
            (Some("text/*, application/json;q=0.9"), Some(html)),
            (Some("text/*;q=0.8, application/json;q=0.9"), Some(JSON)),
            (Some("image/*, application/json;q=0.9"), Some(JSON)),
            // The clause whose transform is refused still names a media type.
            (Some("application/json;as=Table, text/*"), Some(html)),
            (Some("image/png"), None),
            (Some(",;,/,*"), None),
        ] {
            assert_eq!(negotiate(accept, &[JSON, html], Transforms::Refused), expected, "{accept:?}");
        }
    }

    #[test]
    fn recognizes_aggregated_discovery() {
        let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        for (accept, aggregated) in [
            (None, false),
            (Some(String::new()), false),
            (Some("*/*".into()), false),
            (Some("application/json".into()), false),
            (Some(AGGREGATED.into()), true),
            (Some("Application/JSON; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io".into()), true),
            (Some("*/*;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList".into()), true),
            (Some(format!("{AGGREGATED};profile=nopeer")), true),
            // kubectl of several versions, and aggregators up to 1.36.
            (Some(format!("{AGGREGATED},{beta},application/json")), true),
            (Some(format!("{AGGREGATED},{beta}")), true),
            (Some(format!("{beta},{AGGREGATED}")), true),
            (Some(format!("{beta},application/json")), false),
            (Some(beta.into()), false),
            (Some(format!("{table},{AGGREGATED}")), true),
            (Some(table.into()), false),
            (Some(format!("application/json,{AGGREGATED}")), false),
            // As in Go, specific media types come before wildcards.
            (Some(format!("*/*,{AGGREGATED}")), true),
            (Some(format!("application/json;q=0.9,{AGGREGATED}")), true),
            (Some(format!("{AGGREGATED};q=0.5,application/json")), false),
            (Some(format!("{AGGREGATED};q=0")), false),
            (Some(format!("text/html,{AGGREGATED}")), true),
            (Some("application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList".into()), false),
            (Some("application/json;g=apps;v=v2;as=APIGroupDiscoveryList".into()), false),
            (Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupList".into()), false),
            (Some("application/json;v=v2;as=APIGroupDiscoveryList".into()), false),
        ] {
            assert_eq!(prefers_aggregated(accept.as_deref()), aggregated, "{accept:?}");
        }
    }

    #[test]
    fn indents_for_interactive_clients() {
        for (requested, agent, indented) in [
            (None, None, false),
            (None, Some("curl/8.5.0"), true),
            (None, Some("Mozilla/5.0 (X11)"), true),
            (None, Some("kubectl/v1.36"), false),
            (Some(true), None, true),
            (Some(false), Some("curl/8.5.0"), false),
        ] {
            assert_eq!(pretty(requested, agent), indented);
        }
    }
}
