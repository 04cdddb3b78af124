//! Discovery, `/version` and `/`: from memory and configuration alone, never from a source.

use std::collections::{HashMap, HashSet};

use once_cell::sync::Lazy;
use serde::Serialize;

use super::message::{AGGREGATED, Encoding, Reply};
use crate::kube::aggregated_discovery::{ApiGroupDiscoveryList, GroupResources};
use crate::kube::discovery::{ApiGroup, ApiGroupList, ApiResource, ApiResourceList, RootPaths, listed};
use crate::metrics::rules::{PrintedKey, Rules};
use crate::parse::path::{Group, Version};

/// The response to `GET /version`, with the keys of Kubernetes' own servers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    major: &'static str,
    minor: &'static str,
    git_version: String,
    platform: String,
}

static VERSION: Lazy<VersionInfo> = Lazy::new(|| VersionInfo {
    major: env!("CARGO_PKG_VERSION_MAJOR"),
    minor: env!("CARGO_PKG_VERSION_MINOR"),
    git_version: format!("v{}", env!("CARGO_PKG_VERSION")),
    platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
});

static GROUPS: Lazy<ApiGroupList> = Lazy::new(ApiGroupList::new);
static ROOT: Lazy<RootPaths> = Lazy::new(RootPaths::new);

/// `/` with 200, and the same body with 404 for every unknown path.
pub(crate) fn root(code: u16, pretty: bool) -> Reply {
    Reply::json(code, &*ROOT, pretty)
}

/// `/version`, indented as by other servers.
pub(crate) fn version() -> Reply {
    Reply::json(200, &*VERSION, true)
}

/// `/apis`.
pub(crate) fn groups(encoding: Encoding) -> Reply {
    Reply::object(200, &*GROUPS, encoding)
}

/// `/apis/{group}`.
pub(crate) fn group(group: Group, encoding: Encoding) -> Reply {
    Reply::object(200, &ApiGroup::new(group), encoding)
}

/// The metrics to list: those of rules, and those of other adapters.
#[derive(Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) rules: &'a Rules,
    /// Whether the metrics of other adapters are included. They are not for another Metriclet, which would get its own metrics
    /// back.
    pub(crate) is_merged: bool,
}

/// `/apis` in the aggregated form, which contains the lists of all groups. kube-apiserver fetches it once a minute, and
/// gets 304 unless the configuration has changed, or what another adapter lists.
pub(crate) fn aggregated(listing: Listing<'_>, if_none_match: Option<&str>, pretty: bool) -> Reply {
    let print = |pretty| {
        let lists = Group::ALL.map(|group| (group, listed(group, listing.of_group(group))));
        let groups = lists.each_ref().map(|(group, resources)| GroupResources { group: *group, resources });
        Reply::json(200, &ApiGroupDiscoveryList::new(&groups), pretty).body.into_shared()
    };
    let generation = Group::ALL.map(|group| listing.generation(group)).into_iter().fold(0, u64::max);
    let printed = listing.rules.printed(PrintedKey::Groups, generation, || print(false));
    // As in Kubernetes, the indented document has the same tag, and tags are compared as text.
    let body = if pretty { print(true) } else { printed.body.clone() };
    let reply = Reply::new(200, AGGREGATED, body).cached("public").tagged(printed.etag());
    if if_none_match == Some(printed.etag()) { reply.not_modified() } else { reply }
}

/// `/apis/{group}/{version}`: every metric that is configured, whether or not it can be served now.
pub(crate) fn resources(group: Group, version: Version, listing: Listing<'_>, encoding: Encoding) -> Reply {
    let print = || Reply::object(200, &ApiResourceList::new(group, version, listing.of_group(group)), encoding);
    if encoding == (Encoding::Json { pretty: true }) {
        return print();
    }
    let media_type = encoding.media_type();
    let key = PrintedKey::Resources { group, version, media_type };
    let printed = listing.rules.printed(key, listing.generation(group), || print().body.into_shared());
    Reply::new(200, media_type, printed.body.clone())
}

impl Listing<'_> {
    /// The metrics of a group: those of rules, and those that another adapter lists and that are forwarded.
    fn of_group(self, group: Group) -> Vec<ApiResource> {
        let mut metrics: Vec<ApiResource> = match group {
            Group::Custom => {
                let of_object =
                    |(resource, metric, namespaced): (&str, &str, bool)| ApiResource::new(resource, metric, namespaced);
                self.rules.listed().into_iter().map(of_object).collect()
            }
            Group::External => self.rules.external_names().map(ApiResource::external).collect(),
        };
        let forward = self.rules.forward().filter(|_| self.is_merged);
        let Some((listed, is_forwarded)) = forward.and_then(|forward| forward.listed(group)) else { return metrics };
        let theirs = listed.metrics().iter().filter(|listed| is_forwarded(&listed.metric));
        match group {
            Group::Custom => {
                // One resource with two scopes would make the aggregator drop the whole version.
                let mut scopes: HashMap<&str, bool> = HashMap::new();
                let ours: HashSet<(&str, &str)> = self
                    .rules
                    .listed()
                    .into_iter()
                    .map(|(resource, metric, namespaced)| {
                        scopes.insert(resource, namespaced);
                        (resource, metric)
                    })
                    .collect();
                metrics.extend(theirs.filter_map(|listed| {
                    let (resource, metric) = (listed.resource.as_str(), listed.metric.as_str());
                    let namespaced = *scopes.entry(resource).or_insert(listed.namespaced);
                    (!ours.contains(&(resource, metric))).then(|| ApiResource::new(resource, metric, namespaced))
                }));
            }
            Group::External => {
                let is_ours = |metric: &str| self.rules.has_external(metric);
                metrics.extend(
                    theirs
                        .filter(|listed| !is_ours(&listed.metric))
                        .map(|listed| ApiResource::external(&listed.metric)),
                );
            }
        }
        metrics
    }

    /// The generation of another adapter's list for a group; 0 if it is not included.
    fn generation(self, group: Group) -> u64 {
        let forward = self.rules.forward().filter(|_| self.is_merged);
        forward.and_then(|forward| Some(forward.adapter(group)?.listed().generation())).unwrap_or_default()
    }
}
