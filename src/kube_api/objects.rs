//! Lists of objects by namespace and label selector, page by page, as they stream in.

use std::cell::RefCell;
use std::fmt::Write;
use std::io::Read;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};

use super::client::Client;
use super::error::{CallError, CallFailure};
use crate::config::limits::{Limits, WatchLimits};
use crate::config::model::ObjectKind;
use crate::kube::object_list::{ListHead, ObjectList, OnObject};
use crate::kube::pod::Pod;
use crate::kube::pod_list::PodList;
use crate::kube::pod_object::{Named, PodObject};
use crate::kube::pod_pool::PodPool;
use crate::kube::resource_version::ResourceVersion;
use crate::parse::percent::Encoded;

/// The number of objects per page of a list.
const PAGE: usize = 500;

/// Requests only the metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// The objects to list.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<&'a str>,
    /// In canonical form; empty selects all.
    pub label_selector: &'a str,
    pub name: Option<&'a str>,
}

/// The objects of a list.
pub(crate) struct Listed<T> {
    pub(crate) items: T,
    /// The version of the cluster's state in the list; `None` if the API server did not return a number.
    pub(crate) version: Option<ResourceVersion>,
}

/// The pods of a selection, at a version not older than `since`.
///
/// # Errors
/// If there is no response by the deadline, or if there are more than `limits.objects.count`.
pub(crate) fn pods(
    client: &Client,
    selection: Selection<'_>,
    since: Option<ResourceVersion>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Listed<PodList>, CallError> {
    let listing = Listing {
        longest: limits.objects.timeout,
        most: limits.objects.count,
        bytes: limits.objects.bytes,
        since,
        is_paged: since.is_none(),
        ..PODS
    };
    let Listed { items, version } = pooled(client, &listing, selection, &mut PodPool::default(), deadline)?;
    Ok(Listed { items: items.into_iter().collect(), version })
}

/// All pods of a namespace, for a watch, at a version not older than `since`.
///
/// # Errors
/// If there is no response in time, or if there are more than `most`.
pub(super) fn all_pods(
    client: &Client,
    namespace: &str,
    since: Option<ResourceVersion>,
    most: usize,
    limits: &WatchLimits,
    pool: &mut PodPool,
) -> Result<Listed<Vec<Pod>>, CallError> {
    let (longest, bytes) = (limits.list_timeout, limits.list_bytes);
    let listing = Listing { longest, most, bytes, since, ..PODS };
    let selection = Selection { namespace: Some(namespace), label_selector: "", name: None };
    pooled(client, &listing, selection, pool, Instant::now() + limits.list_timeout)
}

/// A listing of pods, without its limits.
const PODS: Listing<'static> = Listing {
    root: "/api/v1",
    plural: "pods",
    accept: "application/json",
    kinds: ["PodList"; 2],
    longest: Duration::ZERO,
    most: 0,
    bytes: 0,
    since: None,
    is_paged: true,
};

/// The newest version of a namespace's pods, from a list of one pod.
///
/// # Errors
/// If there is no response in time.
pub(super) fn newest_version(
    client: &Client,
    namespace: &str,
    limits: &WatchLimits,
) -> Result<Option<ResourceVersion>, CallError> {
    let path = format!("/api/v1/namespaces/{}/pods?limit=1", Encoded::unreserved(namespace));
    let read = |body: &mut dyn Read| read(body, &mut |_: IgnoredAny| true);
    let (most, longest) = (limits.event as u64, limits.margin);
    let list = client.list(&path, METADATA, most, longest, Instant::now() + longest, read)?;
    Ok(ResourceVersion::parse(&list.metadata.resource_version))
}

/// Lists in pages, because an object takes ten times the memory of a pod.
fn pooled(
    client: &Client,
    listing: &Listing<'_>,
    selection: Selection<'_>,
    pool: &mut PodPool,
    deadline: Instant,
) -> Result<Listed<Vec<Pod>>, CallError> {
    let mut keep = |object: PodObject, pods: &mut Vec<Pod>| pods.push(pool.pod(object));
    let (items, version) = pages(client, listing, selection, deadline, &mut keep)?;
    Ok(Listed { items, version: ResourceVersion::parse(&version) })
}

/// The names of the objects of a selection.
///
/// # Errors
/// As for [`pods`].
pub(crate) fn names(
    client: &Client,
    kind: &ObjectKind,
    selection: Selection<'_>,
    since: Option<ResourceVersion>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Listed<Vec<String>>, CallError> {
    let root = if kind.api_version.contains('/') { "/apis/" } else { "/api/" };
    let plural = kind.resource.split('.').next().unwrap_or_default();
    let (root, whole) = (format!("{root}{}", kind.api_version), format!("{}List", kind.kind));
    let kinds = ["PartialObjectMetadataList", &whole];
    let listing = Listing {
        root: &root,
        plural,
        accept: METADATA,
        kinds,
        longest: limits.objects.timeout,
        most: limits.objects.count,
        bytes: limits.objects.bytes,
        since,
        is_paged: since.is_none(),
    };
    let mut keep = |object: Named, names: &mut Vec<String>| names.push(object.metadata.name);
    let (items, version) = pages(client, &listing, selection, deadline, &mut keep)?;
    Ok(Listed { items, version: ResourceVersion::parse(&version) })
}

/// The HorizontalPodAutoscalers of all namespaces, deserialized as `T`.
///
/// # Errors
/// If there is no response by the deadline, or if it exceeds `limits.objects.bytes`.
pub(crate) fn hpas<T: for<'de> Deserialize<'de>>(
    client: &Client,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<T>, CallError> {
    let kinds = ["HorizontalPodAutoscalerList"; 2];
    let (root, plural) = ("/apis/autoscaling/v2", "horizontalpodautoscalers");
    let (longest, most) = (limits.status.hpa_timeout, limits.status.hpas_listed);
    let bytes = limits.objects.bytes;
    let listing = Listing { root, plural, kinds, longest, most, bytes, ..PODS };
    let all = Selection { namespace: None, label_selector: "", name: None };
    list(client, &listing, all, deadline)
}

pub(super) struct Listing<'a> {
    /// `/apis/apps/v1`
    pub(super) root: &'a str,
    /// `deployments`
    pub(super) plural: &'a str,
    pub(super) accept: &'a str,
    /// The possible kinds of the response.
    pub(super) kinds: [&'a str; 2],
    /// The maximum time for one page.
    pub(super) longest: Duration,
    /// The maximum number of objects.
    pub(super) most: usize,
    /// The maximum size of a page in bytes.
    pub(super) bytes: u64,
    /// The version that the list must not be older than. `None` accepts any version from the API server's cache: such
    /// lists cost the API server little, and a short delay does not matter.
    pub(super) since: Option<ResourceVersion>,
    /// Whether the list is read in pages. Before Kubernetes 1.34, kube-apiserver reads a page with a minimum version
    /// from etcd, but a complete list from its cache.
    pub(super) is_paged: bool,
}

/// The path of the first or of a further page. Further pages have the version of the first.
fn path(listing: &Listing<'_>, selection: Selection<'_>, is_first: bool) -> String {
    let mut path = listing.root.to_owned();
    if let Some(namespace) = selection.namespace {
        let _ = write!(path, "/namespaces/{}", Encoded::unreserved(namespace));
    }
    let _ = write!(path, "/{}?", listing.plural);
    let _ = match listing.since.filter(|_| is_first) {
        Some(version) => write!(path, "resourceVersion={version}&resourceVersionMatch=NotOlderThan"),
        None => write!(path, "resourceVersion=0"),
    };
    if listing.is_paged {
        let _ = write!(path, "&limit={PAGE}");
    }
    if !selection.label_selector.is_empty() {
        let _ = write!(path, "&labelSelector={}", Encoded::unreserved(selection.label_selector));
    }
    if let Some(name) = selection.name {
        let _ = write!(path, "&fieldSelector=metadata.name%3D{}", Encoded::unreserved(name));
    }
    path
}

/// The error for a selection of more pods than the limit; the same text whether a list or a watch finds it.
pub(crate) fn too_many_pods(client: &Client, selection: Selection<'_>, limits: &Limits) -> CallError {
    too_many(client, PODS.plural, limits.objects.count, selection)
}

/// The error for a list of more objects than the limit.
fn too_many(client: &Client, plural: &str, most: usize, selection: Selection<'_>) -> CallError {
    let can_narrow = selection.namespace.is_some() || !selection.label_selector.is_empty();
    let hint = if can_narrow { "; narrow the selector" } else { "" };
    let failure = CallFailure::TooMany(format!("more than {most} {plural}{hint}"));
    CallError { call: "list", to: client.server().to_owned(), failure }
}

pub(super) fn list<T: for<'de> Deserialize<'de>>(
    client: &Client,
    listing: &Listing<'_>,
    selection: Selection<'_>,
    deadline: Instant,
) -> Result<Vec<T>, CallError> {
    let mut keep = |object: T, all: &mut Vec<T>| all.push(object);
    pages(client, listing, selection, deadline, &mut keep).map(|(all, _)| all)
}

/// Reads a page and passes its objects to `take`.
fn read<T: for<'de> Deserialize<'de>>(body: &mut dyn Read, take: OnObject<'_, T>) -> Result<ListHead, String> {
    let mut from = serde_json::Deserializer::from_reader(std::io::BufReader::new(body));
    let head = ObjectList(take).deserialize(&mut from);
    head.and_then(|head| from.end().map(|()| head)).map_err(|error| error.to_string())
}

/// Lists all pages; returns the result of `keep` for each object, and the version of the list.
fn pages<T: for<'de> Deserialize<'de>, U>(
    client: &Client,
    listing: &Listing<'_>,
    selection: Selection<'_>,
    deadline: Instant,
    keep: &mut dyn FnMut(T, &mut Vec<U>),
) -> Result<(Vec<U>, String), CallError> {
    let Listing { accept, kinds, longest, most, bytes, .. } = listing;
    let mut all: Vec<U> = Vec::new();
    let mut from = String::new();
    let mut again = true;
    loop {
        let mut page = path(listing, selection, from.is_empty());
        if !from.is_empty() {
            let _ = write!(page, "&continue={}", Encoded::unreserved(&from));
        }
        let before = all.len();
        let taken = RefCell::new((&mut all, &mut *keep));
        // A retry discards the objects of the failed attempt.
        let read = |body: &mut dyn Read| {
            let (all, keep) = &mut *taken.borrow_mut();
            all.truncate(before);
            let mut take = |object: T| {
                keep(object, all);
                all.len() <= *most
            };
            read(body, &mut take)
        };
        let list = client.list(&page, accept, *bytes, *longest, deadline, read);
        if all.len() > *most {
            return Err(too_many(client, listing.plural, *most, selection));
        }
        let list = match list {
            // The API server no longer has the rest of that list, so the list is requested again, once.
            Err(CallError { failure: CallFailure::Code(410, _), .. }) if !from.is_empty() && again => {
                again = false;
                all.clear();
                from.clear();
                continue;
            }
            list => list?,
        };
        if !kinds.contains(&&*list.kind) {
            return Err(client.unexpected("list", &format!("expected a {}, found a {}", kinds[0], list.kind)));
        }
        from = list.metadata.r#continue;
        if from.is_empty() {
            return Ok((all, list.metadata.resource_version));
        }
    }
}
