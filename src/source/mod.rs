//! Fetches pages from upstreams, and caches them briefly.
//!
//! - [`upstream`] is a source at work: its cache, its fetches, and the [`state`] of each URL.
//! - [`fetch`] makes one request, a [`page_request`] or a query; [`page`] reduces a page while it streams in to what rules want of it.
//! - `turns` detects different processes behind one URL.
//! - `media` says which format is requested, and which one came; `memory` bounds large pages that are held whole.
//! - `refresh` fetches requested pages in the background.
//! - [`prometheus`] queries a server that evaluates PromQL itself.
//! - `pool` has the threads that fetch the pages of pods, over a fair [`queue`]; [`waiting`] says what a request waits
//!   for.

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
mod turns;
pub(crate) mod upstream;
pub(crate) mod waiting;
mod wants;
