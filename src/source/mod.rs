//! Fetches pages from upstreams, and remembers them for a moment.
//!
//! - [`fetch`] is the story of one GET, `agent` what of it is ureq's and TLS's, [`resolve`] the name look-ups and
//!   [`address`] the addresses that are not allowed.
//! - [`credentials`] reads secrets from files, again whenever these change.
//! - [`cache`] makes one fetch of a hundred callers' wishes.
//!
//! [`queue`] is a fair queue of jobs, [`waiting`] says what a request waits for; `pool` has the threads that fetch pods' pages.
//!
//! [`prometheus`] asks a server that evaluates queries itself.
//!
//! [`state`] is how each URL has been doing.
//!
//! [`page`] reduces a page to what rules want while it streams in; [`upstream`] is a source at work.

pub mod address;
mod agent;
pub mod cache;
pub mod credentials;
pub mod error;
pub mod fetch;
pub mod page;
mod pool;
pub mod probe;
pub mod prometheus;
pub mod queue;
pub mod resolve;
pub mod state;
pub mod upstream;
pub mod waiting;
