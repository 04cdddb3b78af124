//! The commands' client of the Kubernetes API, with a kubeconfig or the pod's service account.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::warn;

use crate::api::Api;
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::kube_api::client::Client;
use crate::kube_api::kubeconfig::{self, KubeconfigUse};
use crate::kube_api::target::Target;
use crate::metrics::objects::Objects;

/// Enables lists of objects, if there is a Kubernetes API.
///
/// # Errors
/// The problem of the kubeconfig.
pub(super) fn connect(
    kubeconfig: Option<&PathBuf>,
    by: KubeconfigUse,
    api: &Api,
    limits: &Limits,
) -> Result<(), String> {
    connect_context(kubeconfig, None, by, api, limits).map(drop)
}

/// Like [`connect`], with another context of the kubeconfig; returns the client for further calls.
///
/// # Errors
/// As for [`connect`].
pub(super) fn connect_context(
    kubeconfig: Option<&PathBuf>,
    context: Option<&str>,
    by: KubeconfigUse,
    api: &Api,
    limits: &Limits,
) -> Result<Option<Arc<Client>>, String> {
    let client = client_of(kubeconfig, context, by, api, limits)?;
    if let Some(client) = &client {
        if let (Some(path), Err(why)) = (kubeconfig, client.log_in()) {
            return Err(format!("kubeconfig {}: {why}", path.display()));
        }
        api.metrics().set_objects(Objects::new(client.clone(), limits));
        api.status().set_client(client.clone());
    }
    Ok(client)
}

/// A client of the Kubernetes API, with the kubeconfig or else the service account.
///
/// # Errors
/// The problem of the kubeconfig.
pub(super) fn client(
    kubeconfig: Option<&PathBuf>,
    by: KubeconfigUse,
    api: &Api,
    limits: &Limits,
) -> Result<Option<Arc<Client>>, String> {
    client_of(kubeconfig, None, by, api, limits)
}

fn client_of(
    kubeconfig: Option<&PathBuf>,
    context: Option<&str>,
    by: KubeconfigUse,
    api: &Api,
    limits: &Limits,
) -> Result<Option<Arc<Client>>, String> {
    let target = target_of(kubeconfig, context, by, limits)?;
    if target.as_ref().is_some_and(|target| target.credentials.insecure) {
        warn!(
            "insecure-skip-tls-verify: the certificate of the Kubernetes API is not verified, so a host on the way to it can grant itself access"
        );
    }
    if let Some((host, port)) = target.as_ref().map(Target::address) {
        api.metrics().reserve(host, port);
    }
    if let Some(target) = &target {
        api.metrics().adapters().set_identity(target.credentials.clone());
    }
    Ok(target.map(|target| Arc::new(Client::new(target, limits, api.shared_counters()))))
}

/// Whether the process runs in a pod, where no user can log in.
pub(super) fn is_inside() -> bool {
    env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// The kubeconfig that `kubectl` would use; in a pod, only that in `$KUBECONFIG`.
pub(super) fn usual_kubeconfig() -> Option<PathBuf> {
    let listed = env::var_os("KUBECONFIG").filter(|list| !list.is_empty());
    let first = listed.and_then(|list| env::split_paths(&list).next());
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".kube/config"));
    first.or_else(|| home().filter(|path| !is_inside() && path.exists()))
}

/// How interactive commands read a kubeconfig: in a pod, it must not run programs, because others may be able to change it.
pub(super) fn reading() -> KubeconfigUse {
    if is_inside() { KubeconfigUse::Server } else { KubeconfigUse::Command }
}

/// The Kubernetes API, with the kubeconfig or else the service account.
///
/// # Errors
/// The problem of the kubeconfig.
pub(super) fn target(
    kubeconfig: Option<&PathBuf>,
    by: KubeconfigUse,
    limits: &Limits,
) -> Result<Option<Target>, String> {
    target_of(kubeconfig, None, by, limits)
}

/// Like [`target`], with another context of the kubeconfig.
///
/// # Errors
/// The problem of the kubeconfig.
pub(super) fn target_of(
    kubeconfig: Option<&PathBuf>,
    context: Option<&str>,
    by: KubeconfigUse,
    limits: &Limits,
) -> Result<Option<Target>, String> {
    Ok(match kubeconfig {
        Some(path) => {
            let wrong = |what: &dyn std::fmt::Display| format!("kubeconfig {}: {what}", path.display());
            let bytes = read(path, limits.config.bytes).map_err(|why| wrong(&why))?;
            let text = String::from_utf8(bytes).map_err(|_| wrong(&"expected UTF-8"))?;
            let directory = path.parent().unwrap_or(Path::new(""));
            Some(kubeconfig::parse_context(&text, directory, context, by, limits).map_err(|why| wrong(&why))?)
        }
        None => Target::in_cluster(|name| env::var(name).ok()),
    })
}
