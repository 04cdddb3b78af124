//! Lists of objects by namespace and label selector, page by page, as they stream in.

use std::fmt::Write;
use std::io::Read;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::client::Client;
use super::error::{CallError, CallFailure};
use crate::config::limits::Limits;
use crate::config::model::ObjectKind;
use crate::kube::pod::{List, Named, Pod};
use crate::parse::percent::Encoded;

/// Objects of one page of a list.
const PAGE: usize = 500;

/// Names alone are wanted.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Which objects.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// `None` for kinds in no namespace.
    pub namespace: Option<&'a str>,
    /// Canonical text; empty: all.
    pub label_selector: &'a str,
    pub name: Option<&'a str>,
}

/// The pods of a selection.
///
/// # Errors
/// If there is no answer by the deadline, or there are more than `limits.objects.count`.
pub(crate) fn pods(
    client: &Client,
    selection: Selection<'_>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<Pod>, CallError> {
    let (root, plural, accept) = ("/api/v1", "pods", "application/json");
    let listing = Listing {
        root,
        plural,
        accept,
        kinds: ["PodList"; 2],
        longest: limits.objects.timeout,
        most: limits.objects.count,
    };
    list(client, &listing, selection, deadline)
}

/// The names of the objects of a selection.
///
/// # Errors
/// As for [`pods`].
pub(crate) fn names(
    client: &Client,
    kind: &ObjectKind,
    selection: Selection<'_>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<String>, CallError> {
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
    };
    let named: Vec<Named> = list(client, &listing, selection, deadline)?;
    Ok(named.into_iter().map(|object| object.metadata.name).collect())
}

/// The HorizontalPodAutoscalers of all namespaces, as `T` reads them.
///
/// # Errors
/// If there is no answer by the deadline, or it is longer than `limits.objects.bytes`.
pub(crate) fn hpas<T: for<'de> Deserialize<'de>>(
    client: &Client,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<T>, CallError> {
    let kinds = ["HorizontalPodAutoscalerList"; 2];
    let (root, plural) = ("/apis/autoscaling/v2", "horizontalpodautoscalers");
    let (longest, most) = (limits.status.hpa_timeout, limits.status.hpas_listed);
    let listing = Listing { root, plural, accept: "application/json", kinds, longest, most };
    let all = Selection { namespace: None, label_selector: "", name: None };
    list(client, &listing, all, deadline)
}

pub(super) struct Listing<'a> {
    /// `/apis/apps/v1`
    pub(super) root: &'a str,
    /// `deployments`
    pub(super) plural: &'a str,
    pub(super) accept: &'a str,
    /// What the answer may be.
    pub(super) kinds: [&'a str; 2],
    /// The time for one page.
    pub(super) longest: Duration,
    /// How many objects are taken.
    pub(super) most: usize,
}

/// The path of the first page of a list.
fn path(listing: &Listing<'_>, selection: Selection<'_>) -> String {
    let mut path = listing.root.to_owned();
    if let Some(namespace) = selection.namespace {
        let _ = write!(path, "/namespaces/{}", Encoded::unreserved(namespace));
    }
    // From the API server's cache: lists must cost it little, and a moment's delay does not matter.
    let _ = write!(path, "/{}?resourceVersion=0&limit={PAGE}", listing.plural);
    if !selection.label_selector.is_empty() {
        let _ = write!(path, "&labelSelector={}", Encoded::unreserved(selection.label_selector));
    }
    if let Some(name) = selection.name {
        let _ = write!(path, "&fieldSelector=metadata.name%3D{}", Encoded::unreserved(name));
    }
    path
}

/// The error for a list of more objects than are taken.
fn too_many(client: &Client, listing: &Listing<'_>, selection: Selection<'_>) -> CallError {
    let Listing { plural, most, .. } = listing;
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
    let Listing { accept, kinds, longest, most, .. } = listing;
    let path = path(listing, selection);
    let mut all: Vec<T> = Vec::new();
    let mut from = String::new();
    let mut again = true;
    loop {
        let page =
            if from.is_empty() { path.clone() } else { format!("{path}&continue={}", Encoded::unreserved(&from)) };
        let read = |body: &mut dyn Read| {
            serde_json::from_reader::<_, List<T>>(std::io::BufReader::new(body)).map_err(|error| error.to_string())
        };
        let list = match client.list(&page, accept, *longest, deadline, read) {
            // The rest of that list is forgotten already: so it is requested again, once.
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
        all.extend(list.items);
        if all.len() > *most {
            return Err(too_many(client, listing, selection));
        }
        from = list.metadata.r#continue;
        if from.is_empty() {
            return Ok(all);
        }
    }
}
