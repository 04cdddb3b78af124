//! Sockets, workers and signals. The types of a listener appear in this layer only: the API gets a
//! [`Request`](crate::api::message::Request) and returns a [`Reply`](crate::api::message::Reply).
//!
//! A worker that never waits first tries to answer a request from memory. A request that has to wait moves to the queue
//! of the blocking workers. No source gets more than half of these, so that a slow source does not affect other
//! sources, discovery or health.

pub(crate) mod plain;
pub(crate) mod secure;
pub(crate) mod signals;
pub(crate) mod workers;
