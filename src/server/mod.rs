//! Sockets, workers and signals. The only layer in which a listener's own types appear: the API sees a
//! [`Request`](crate::api::message::Request) and gives a [`Reply`](crate::api::message::Reply).
//!
//! A request is first answered from memory by a worker that never waits. Only if it has to wait does it move to the
//! queue of the blocking workers, of which no source gets more than half: a slow source leaves the others, discovery
//! and health alone.

pub(crate) mod plain;
pub(crate) mod secure;
pub(crate) mod signals;
pub(crate) mod workers;
