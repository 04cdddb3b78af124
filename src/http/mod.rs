//! The outgoing HTTP client, for sources and for the Kubernetes API.
//!
//! - [`client`] makes one exchange; `agent` configures ureq, and `progress` records the phase of an exchange.
//! - [`credentials`] reads secrets and certificates, and reads them again when their files change.
//! - [`oauth2`] fetches a `token` if a server requires one.
//! - `tcp` makes connections, each a `socket` with `buffers`; [`kept`] keeps idle ones for reuse.
//! - `proxy` connects through a proxy.
//! - `tls` makes TLS connections; `verifier` decides which certificates are trusted (`unverified`: any), and `refusal`
//!   says why one is not.
//! - [`resolve`] looks up names, and [`address`] decides which addresses may be reached.
//! - [`probe`] checks the health of a server on the same machine; [`raw`] sends requests exactly as they are written.

pub(crate) mod address;
mod agent;
mod body;
mod buffers;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod kept;
pub(crate) mod oauth2;
pub(crate) mod probe;
mod progress;
mod proxy;
pub(crate) mod raw;
mod refusal;
pub(crate) mod resolve;
mod response;
mod socket;
mod tcp;
mod tls;
mod token;
mod unverified;
mod verifier;
