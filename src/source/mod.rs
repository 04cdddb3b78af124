//! Fetches pages from upstreams, and remembers them for a moment.
//!
//! - [`upstream`] is a source at work: its cache, its fetches, and the [`state`] of each URL.
//! - [`fetch`] makes one request; [`page`] reduces a page while it streams in to what rules want of it.
//! - [`prometheus`] queries a server that evaluates PromQL itself.
//! - `pool` has the threads that fetch the pages of pods, over a fair [`queue`]; [`waiting`] says what a request waits for.

pub mod error;
pub mod fetch;
pub mod page;
mod pool;
pub mod prometheus;
pub mod queue;
pub mod state;
pub mod upstream;
pub mod waiting;
