//! The checks, one file per area.

mod access;
mod aggregated;
mod discovery;
mod external;
mod hooks;
mod items;
mod lists;
mod methods;
mod negotiation;
mod openapi;
mod protobuf;
mod routes;
mod selectors;
mod server;
mod statuses;

use super::check::Check;

/// All checks, in the order of the report.
pub(crate) fn all() -> impl Iterator<Item = &'static Check> {
    let areas = [
        discovery::CHECKS,
        aggregated::CHECKS,
        routes::CHECKS,
        methods::CHECKS,
        statuses::CHECKS,
        lists::CHECKS,
        items::CHECKS,
        selectors::CHECKS,
        external::CHECKS,
        negotiation::CHECKS,
        protobuf::CHECKS,
        openapi::CHECKS,
        server::CHECKS,
        access::CHECKS,
        hooks::CHECKS,
    ];
    areas.into_iter().flatten()
}
