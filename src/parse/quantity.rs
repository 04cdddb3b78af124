//! Kubernetes' resource.Quantity.
