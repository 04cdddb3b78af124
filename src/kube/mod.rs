//! Kubernetes' types as this server speaks them: serde values, no sockets.

pub mod custom_metrics;
pub mod discovery;
pub mod kinds;
pub mod meta;
pub mod pod;
pub mod review;
pub mod status;
