//! Kubernetes' API types and their serialization. No I/O.

pub(crate) mod aggregated_discovery;
pub(crate) mod custom_metrics;
pub(crate) mod discovery;
pub(crate) mod endpoint_slice;
pub(crate) mod external_metrics;
pub(crate) mod json;
pub(crate) mod kinds;
pub(crate) mod meta;
pub(crate) mod object_list;
pub(crate) mod pod;
pub(crate) mod pod_labels;
pub(crate) mod pod_list;
pub(crate) mod pod_object;
pub(crate) mod pod_pool;
pub(crate) mod pod_selector;
pub(crate) mod pod_store;
pub(crate) mod protobuf;
pub(crate) mod received;
pub(crate) mod resource_version;
pub(crate) mod review;
pub(crate) mod status;
pub(crate) mod watch_event;
pub(crate) mod yaml;
