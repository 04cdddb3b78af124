//! Health, version, and paths outside the APIs.

use serde_json::Value;

use crate::conformance::body;
use crate::conformance::check::{Check, every, expect};
use crate::conformance::exchange::{Request, Response};
use crate::conformance::target::NOWHERE;

/// The paths of kubelet probes.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/livez", "/readyz"];

pub(super) const CHECKS: &[Check] = &[
    Check::should(
        "server.health",
        "/healthz, /livez and /readyz return 200 with ok.",
        |facts| facts.directly().map(|()| PROBES.map(Request::get).to_vec()),
        |_, exchanges| every(exchanges, |_, response| healthy(response)),
    ),
    Check::as_go(
        "server.version",
        "/version returns 200 with gitVersion.",
        |facts| facts.directly().map(|()| vec![Request::get("/version")]),
        |_, exchanges| {
            every(exchanges, |_, response| {
                expect(response, 200)?;
                body::text(&body::json(response)?, "/gitVersion").map(|_| ())
            })
        },
    ),
    Check::as_go(
        "server.unknown",
        "A path outside of all APIs returns 404 with the list of paths.",
        |facts| facts.directly().map(|()| vec![Request::get(format!("/{NOWHERE}"))]),
        |_, exchanges| {
            every(exchanges, |_, response| {
                expect(response, 404)?;
                let paths = body::json(response)?;
                body::list(&paths, "/paths").map(<[Value]>::len).map(|_| ())
            })
        },
    ),
];

pub(super) fn healthy(response: &Response) -> Result<(), String> {
    expect(response, 200)?;
    match response.body == b"ok" {
        true => Ok(()),
        false => Err(format!("expected ok, found {}", body::shown(&String::from_utf8_lossy(&response.body)))),
    }
}
