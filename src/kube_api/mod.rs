//! The Kubernetes API as Metriclet uses it: reviews of tokens and of access, lists of objects, published authorities.
//!
//! [`kubeconfig`] and [`target`] tell its address and the credentials for it, which `exec` may have to fetch for a `session`;
//! [`client`] makes the calls; [`trust`]
//! reads the one ConfigMap that every aggregated API server follows; [`stored`] reads and changes single objects.
//!
//! [`pod_watches`] knows the pods of the namespaces in use: of each, `pod_watcher` is the thread that follows them within a
//! `watch_budget`, `pod_watch` what it knows and for how long that counts, and [`pod_selections`] what requests have selected.

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
