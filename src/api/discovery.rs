//! Discovery, `/version` and `/`: from memory and configuration alone, never from a source.

use once_cell::sync::Lazy;
use serde::Serialize;

use super::message::{AGGREGATED, Encoding, Reply};
use crate::kube::aggregated_discovery::{ApiGroupDiscoveryList, GroupResources};
use crate::kube::discovery::{ApiGroup, ApiGroupList, ApiResource, ApiResourceList, RootPaths, listed};
use crate::metrics::rules::{PrintedKey, Rules};
use crate::parse::path::{Group, Version};

/// `GET /version`, the keys that Kubernetes' own servers have.
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

/// `/version`, indented as in other servers.
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

/// `/apis` in the aggregated form, which contains the lists of all groups. kube-apiserver fetches it once a minute, and
/// gets 304 unless the configuration has changed.
pub(crate) fn aggregated(rules: &Rules, if_none_match: Option<&str>, pretty: bool) -> Reply {
    let print = |pretty| {
        let lists = Group::ALL.map(|group| (group, listed(group, of_group(group, rules))));
        let groups = lists.each_ref().map(|(group, resources)| GroupResources { group: *group, resources });
        Reply::json(200, &ApiGroupDiscoveryList::new(&groups), pretty).body
    };
    let printed = rules.printed(PrintedKey::Groups, || print(false));
    // As in Kubernetes, an indented document has the tag of the other one, and tags are compared as text.
    let body = if pretty { print(true) } else { printed.body.clone() };
    let reply = Reply::new(200, AGGREGATED, body).cached("public").tagged(printed.etag());
    if if_none_match == Some(printed.etag()) { reply.not_modified() } else { reply }
}

/// `/apis/{group}/{version}`: every metric that is configured, whether or not it can be served now.
pub(crate) fn resources(group: Group, version: Version, rules: &Rules, encoding: Encoding) -> Reply {
    let print = || Reply::object(200, &ApiResourceList::new(group, version, of_group(group, rules)), encoding);
    if encoding == (Encoding::Json { pretty: true }) {
        return print();
    }
    let media_type = encoding.media_type();
    let key = PrintedKey::Resources { group, version, media_type };
    Reply::new(200, media_type, rules.printed(key, || print().body).body.as_slice())
}

/// The metrics of a group.
fn of_group(group: Group, rules: &Rules) -> Vec<ApiResource> {
    let of_object = |(resource, metric, namespaced): (&str, &str, bool)| ApiResource::new(resource, metric, namespaced);
    match group {
        Group::Custom => rules.listed().into_iter().map(of_object).collect(),
        Group::External => rules.external_names().map(ApiResource::external).collect(),
    }
}
