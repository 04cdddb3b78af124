//! The addresses of a Service's pods.

use std::net::SocketAddr;
use std::time::Instant;

use super::client::Client;
use super::error::CallError;
use super::objects::{Listing, Selection, list};
use crate::config::limits::Limits;
use crate::kube::endpoint_slice::EndpointSlice;

/// The addresses of the serving pods of a Service.
///
/// # Errors
/// If there is no valid response by the deadline.
pub(crate) fn serving(
    client: &Client,
    namespace: &str,
    service: &str,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, CallError> {
    let label_selector = &format!("kubernetes.io/service-name={service}");
    let selection = Selection { namespace: Some(namespace), label_selector, name: None };
    let listing = Listing {
        root: "/apis/discovery.k8s.io/v1",
        plural: "endpointslices",
        accept: "application/json",
        kinds: ["EndpointSliceList"; 2],
        longest: limits.objects.timeout,
        most: limits.objects.count,
        bytes: limits.objects.bytes,
        since: None,
        is_paged: true,
    };
    let slices: Vec<EndpointSlice> = list(client, &listing, selection, deadline)?;
    Ok(slices.iter().flat_map(EndpointSlice::serving).collect())
}
