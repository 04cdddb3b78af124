//! The outgoing HTTP client, for sources and for the Kubernetes API.
//!
//! - [`client`] is one exchange; `agent` configures ureq and tells which phase an exchange is in.
//! - [`credentials`] reads secrets and certificates, again whenever their files change.
//! - [`resolve`] looks up names, and [`address`] tells which addresses may be reached.
//! - [`probe`] asks a server on the same machine for its health.

pub mod address;
mod agent;
pub mod client;
pub mod credentials;
pub mod error;
pub mod probe;
pub mod resolve;
