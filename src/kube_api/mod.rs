//! Metriclet's use of the Kubernetes API: reviews of tokens and access, lists of objects, watches of pods, published
//! authorities.
//!
//! [`kubeconfig`] and [`target`] contain its address and the credentials, which `exec` may fetch for a `session`;
//! [`client`] makes the calls; [`trust`] reads the ConfigMap that every aggregated API server follows; [`stored`] reads
//! and changes single objects.
//!
//! [`pod_watches`] keeps the pods of the namespaces in use. For each namespace, `pod_watcher` is the thread that
//! follows the pods within a `watch_budget`, `pod_watch` is the state and how long it is valid, and [`pod_selections`]
//! caches the pods of selectors.

pub(crate) mod client;
pub(crate) mod endpoints;
pub(crate) mod error;
mod exec;
pub(crate) mod kubeconfig;
pub(crate) mod objects;
pub(crate) mod pod_selections;
mod pod_watch;
mod pod_watcher;
pub(crate) mod pod_watches;
pub(crate) mod selectors;
mod session;
pub(crate) mod stored;
pub(crate) mod target;
pub(crate) mod trust;
mod watch_budget;
