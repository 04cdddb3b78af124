//! Kubernetes' label selectors.
