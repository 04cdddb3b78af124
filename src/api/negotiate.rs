//! Content negotiation (RFC 9110 §12.5.1) as Kubernetes' API servers do it.

use std::cmp::Reverse;

/// How to treat a clause with a transform, such as `as=Table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transforms {
    /// The parameter is ignored: discovery answers plain JSON to `as=APIGroupDiscoveryList`, which aggregators take as
    /// the older form of discovery.
    Ignored,
    /// The clause is skipped.
    Refused,
}

/// A clause of an Accept header.
struct Clause<'a> {
    media_type: &'a str,
    has_transform: bool,
    /// Thousandths.
    quality: u16,
}

/// The first of the media types `offered` that the caller prefers; `None` if it takes none of them. Clauses count by
/// quality, then by position. As in Kubernetes, no header and `*/*` take the first one, and `application/*` takes none.
pub(super) fn negotiate<'o>(accept: Option<&str>, offered: &[&'o str], transforms: Transforms) -> Option<&'o str> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return offered.first().copied() };
    let mut clauses: Vec<Clause<'_>> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by_key(|clause| Reverse(clause.quality));
    let fits =
        |clause: &&Clause<'_>| clause.quality > 0 && (transforms == Transforms::Ignored || !clause.has_transform);
    clauses.iter().filter(fits).find_map(|clause| match clause.media_type {
        "*/*" => offered.first().copied(),
        media_type => offered.iter().copied().find(|offer| essence(offer).eq_ignore_ascii_case(media_type)),
    })
}

impl<'a> Clause<'a> {
    /// A quality that is no number counts as 1.
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut clause = Self { media_type, has_transform: false, quality: 1_000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "as" => clause.has_transform |= !value.trim().is_empty(),
                "q" => clause.quality = thousandths(value.trim()).unwrap_or(1_000),
                _ => {}
            }
        }
        clause
    }
}

fn thousandths(quality: &str) -> Option<u16> {
    let quality: f64 = quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    // In range, so nothing is lost but what is beyond three digits.
    Some((quality * 1_000.0) as u16)
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether the body is indented: as `pretty` says, else for callers that are likely to be people.
pub(super) fn pretty(requested: Option<bool>, user_agent: Option<&str>) -> bool {
    requested.unwrap_or_else(|| {
        let agent = user_agent.unwrap_or_default();
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|person| agent.starts_with(person))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    #[test]
    fn takes_what_real_callers_send() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let aggregator = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        for (accept, ignored, refused) in [
            (None, true, true),
            (Some(""), true, true),
            (Some("*/*"), true, true),
            (Some("application/json"), true, true),
            (Some("Application/JSON ; charset=utf-8"), true, true),
            (Some("application/json, */*"), true, true),
            (Some("application/vnd.kubernetes.protobuf, */*"), true, true),
            (Some("application/vnd.kubernetes.protobuf,application/json"), true, true),
            (Some(kubectl), true, true),
            (Some(aggregator), true, false),
            (Some("application/json;as=Table;v=v1;g=meta.k8s.io"), true, false),
            (Some("application/vnd.kubernetes.protobuf"), false, false),
            (Some("application/yaml"), false, false),
            (Some("application/*"), false, false),
            (Some("text/html"), false, false),
            (Some("application/json;q=0.1"), true, true),
            (Some("application/json;q=0"), false, false),
            (Some("application/json;q=0.000"), false, false),
            (Some("application/json;q=nonsense"), true, true),
        ] {
            assert_eq!(negotiate(accept, &[JSON], Transforms::Ignored).is_some(), ignored, "{accept:?}");
            assert_eq!(negotiate(accept, &[JSON], Transforms::Refused).is_some(), refused, "{accept:?}");
        }
    }

    #[test]
    fn chooses_by_quality_then_by_position() {
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
            (Some("image/png"), None),
        ] {
            assert_eq!(negotiate(accept, &[JSON, html], Transforms::Refused), expected, "{accept:?}");
        }
    }

    #[test]
    fn indents_for_people() {
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
