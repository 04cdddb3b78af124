//! Kubernetes' types as this server speaks them: serde values, no sockets.
