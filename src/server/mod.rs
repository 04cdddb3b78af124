//! Sockets, workers and signals. The only layer in which a listener's own types appear: the API sees a
//! [`Request`](crate::api::message::Request) and gives a [`Reply`](crate::api::message::Reply).
//!
//! A request is first answered from memory by a worker that never waits. Only if its source has to be asked does it
//! move to the lane of workers that may wait, where no source gets more than half of them: a slow source leaves the
//! others, discovery and health untouched.

pub mod plain;
pub mod secure;
pub mod signals;
pub mod workers;
