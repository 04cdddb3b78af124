//! The Kubernetes API, as far as it is asked anything: who somebody is, what they may, and whom it trusts.
//!
//! [`kubeconfig`] and [`target`] say where it is and how we prove who we are; [`client`] makes the calls; [`trust`] reads
//! the one ConfigMap that every aggregated API server follows.

pub mod client;
pub mod error;
pub mod kubeconfig;
pub mod objects;
pub mod target;
pub mod trust;
