//! Kubernetes' types as this server speaks them: serde values, no sockets.

pub(crate) mod custom_metrics;
pub(crate) mod discovery;
pub(crate) mod kinds;
pub(crate) mod meta;
pub(crate) mod pod;
pub(crate) mod review;
pub(crate) mod status;
