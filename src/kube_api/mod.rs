//! The Kubernetes API as Metriclet uses it: reviews of tokens and of access, lists of objects, published authorities.
//!
//! [`kubeconfig`] and [`target`] tell its address and the credentials for it; [`client`] makes the calls; [`trust`]
//! reads the one ConfigMap that every aggregated API server follows.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod kubeconfig;
pub(crate) mod objects;
pub(crate) mod selectors;
pub(crate) mod target;
pub(crate) mod trust;
