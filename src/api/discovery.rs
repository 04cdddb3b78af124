//! Discovery, `/version` and `/`: from memory and configuration alone, never from a source.

use once_cell::sync::Lazy;
use serde::Serialize;
use serde_json::json;

use super::message::{Encoding, Reply};
use crate::kube::discovery::{ApiGroup, ApiGroupList, ApiResource, ApiResourceList, RootPaths};
use crate::metrics::rules::{PrintedKey, Rules};
use crate::parse::path::{Group, OpenApi, Version};

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

/// `/version`, indented as everywhere.
pub(crate) fn version() -> Reply {
    Reply::json(200, &*VERSION, true)
}

/// `/openapi/v2` and `/openapi/v3`, which describe nothing. Without them a kube-apiserver 1.37 logs an error for each
/// version, and again whenever its APIService changes.
pub(crate) fn openapi(version: OpenApi, pretty: bool) -> Reply {
    let info = json!({"title": env!("CARGO_PKG_NAME"), "version": VERSION.git_version});
    let document = match version {
        OpenApi::V2 => json!({"swagger": "2.0", "info": info, "paths": {}}),
        OpenApi::V3 => json!({"paths": {}}),
    };
    Reply::json(200, &document, pretty)
}

/// `/apis`.
pub(crate) fn groups(encoding: Encoding) -> Reply {
    Reply::object(200, &*GROUPS, encoding)
}

/// `/apis/{group}`.
pub(crate) fn group(group: Group, encoding: Encoding) -> Reply {
    Reply::object(200, &ApiGroup::new(group), encoding)
}

/// `/apis/{group}/{version}`: every metric that is configured, whether or not it can be served now.
pub(crate) fn resources(group: Group, version: Version, rules: &Rules, encoding: Encoding) -> Reply {
    let print = || {
        let of_object =
            |(resource, metric, namespaced): (&str, &str, bool)| ApiResource::new(resource, metric, namespaced);
        let resources = match group {
            Group::Custom => rules.listed().into_iter().map(of_object).collect(),
            Group::External => rules.external_names().map(ApiResource::external).collect(),
        };
        Reply::object(200, &ApiResourceList::new(group, version, resources), encoding)
    };
    if encoding == (Encoding::Json { pretty: true }) {
        return print();
    }
    let media_type = encoding.media_type();
    let key = PrintedKey { group, version, media_type };
    Reply::new(200, media_type, rules.printed(key, || print().body).as_slice())
}
