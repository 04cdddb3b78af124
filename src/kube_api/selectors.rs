//! The pod selectors of objects.

use std::time::Instant;

use super::client::Client;
use super::error::{CallError, CallFailure};
use crate::config::limits::Limits;
use crate::config::model::ObjectKind;
use crate::kube::pod_selector::PodSelector;
use crate::parse::percent::Encoded;
use crate::parse::selector::{Selector, SelectorLimits};

const NAME: &str = "get";

/// The selector of an object's pods in canonical form, empty if the object selects none; `None` if there is no such
/// object.
///
/// # Errors
/// If there is no valid response by the deadline.
pub(crate) fn selector(
    client: &Client,
    kind: &ObjectKind,
    namespace: &str,
    name: &str,
    limits: &Limits,
    deadline: Instant,
) -> Result<Option<String>, CallError> {
    let Some(place) = PodSelector::of(&kind.resource) else { return Ok(Some(String::new())) };
    let root = if kind.api_version.contains('/') { "/apis" } else { "/api" };
    let plural = kind.resource.split('.').next().unwrap_or_default();
    let [namespace, name] = [namespace, name].map(Encoded::unreserved);
    let path = format!("{root}/{}/namespaces/{namespace}/{plural}/{name}{}", kind.api_version, place.subresource());
    let body = match client.get(NAME, &path, deadline) {
        Ok(body) => body,
        Err(CallError { failure: CallFailure::Code(404, _), .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = place.read(&body).map_err(|error| client.unexpected(NAME, &error))?;
    let limits = SelectorLimits { bytes: limits.request.selector, requirements: limits.request.selector_requirements };
    match Selector::parse(&text, &limits) {
        Ok(selector) => Ok(Some(selector.to_string())),
        Err(error) => Err(client.unexpected(NAME, &error)),
    }
}
