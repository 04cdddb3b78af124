//! Content negotiation as Kubernetes' API servers do it, for a server that speaks JSON only.

/// What a caller may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Lists of what is served: a transform asked for (`as=APIGroupDiscoveryList`) is not done, and plain JSON is
    /// answered, which aggregators take as the older form of discovery.
    Discovery,
    /// Objects: a clause that asks for a transform (`as=Table`) is skipped.
    Object,
}

/// Whether a caller with this `Accept` header takes JSON. No header, `*/*` and `application/json` do;
/// `application/*` does not, as in Kubernetes. Weights are not looked at: there is nothing to choose from.
pub(super) fn takes_json(accept: Option<&str>, route: Route) -> bool {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return true };
    accept.split(',').any(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let known = media == "*/*" || media.eq_ignore_ascii_case("application/json");
        known && (route == Route::Discovery || parts.all(|parameter| !is_transform(parameter)))
    })
}

/// Whether the body is indented: as `pretty` says, else for callers that are likely to be people.
pub(super) fn pretty(asked: Option<bool>, user_agent: Option<&str>) -> bool {
    asked.unwrap_or_else(|| {
        let agent = user_agent.unwrap_or_default();
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|person| agent.starts_with(person))
    })
}

fn is_transform(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| name.trim() == "as" && !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_real_callers_send() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let aggregator = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        for (accept, discovery, object) in [
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
        ] {
            assert_eq!(takes_json(accept, Route::Discovery), discovery, "{accept:?}");
            assert_eq!(takes_json(accept, Route::Object), object, "{accept:?}");
        }
    }

    #[test]
    fn indents_for_people() {
        for (asked, agent, indented) in [
            (None, None, false),
            (None, Some("curl/8.5.0"), true),
            (None, Some("Mozilla/5.0 (X11)"), true),
            (None, Some("kubectl/v1.36"), false),
            (Some(true), None, true),
            (Some(false), Some("curl/8.5.0"), false),
        ] {
            assert_eq!(pretty(asked, agent), indented);
        }
    }
}
