//! The calculations of Kubernetes' HPA controller: from a HorizontalPodAutoscaler, its pods and metric values to
//! replicas.
//!
//! This layer is as pure as `parse`. Its arithmetic is the controller's: thousandths in 64 bits, and ratios in floats.
//! `tests/autoscaling.rs` compares results with the decisions of Kubernetes' controller. [`manifest`] parses HPAs,
//! [`request_path`] builds the path of the controller's request, [`calculator`] computes replicas from its values,
//! [`behavior`] limits them, and [`decision`] combines all metrics.

pub(crate) mod behavior;
pub(crate) mod calculator;
pub(crate) mod decision;
pub(crate) mod manifest;
pub(crate) mod problem;
pub(crate) mod request_path;
