//! Fetches pages from upstreams, and caches them briefly.
//!
//! - [`upstream`] is a source in use: its cache, its fetches, and the [`state`] of each URL.
//! - [`fetch`] makes one request, a [`page_request`] or a query; [`page`] reduces a page while it streams in to the values
//!   that rules use.
//! - `alternation` detects different processes behind one URL.
//! - `media` determines the requested and the received format; `memory` limits large pages that are held completely.
//! - `refresh` fetches requested pages in the background.
//! - [`prometheus`] queries a server that evaluates PromQL itself.
//! - `pool` has the threads that fetch the pages of pods, over a fair [`queue`]; [`waiting`] is the resource that a request
//!   waits for.

mod alternation;
pub(crate) mod error;
pub(crate) mod fetch;
mod media;
mod memory;
pub(crate) mod page;
pub(crate) mod page_request;
mod pool;
pub(crate) mod prometheus;
pub(crate) mod queue;
mod refresh;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod upstream;
pub(crate) mod waiting;
mod wants;
