//! What Kubernetes' HPA controller does with values: from a HorizontalPodAutoscaler, the pods and the values to replicas.
//!
//! As pure as `parse`. The arithmetic is the controller's own, thousandths in 64 bits and ratios in floats; it is compared with
//! what Kubernetes' controller decides (`tests/autoscaling.rs`). [`manifest`] reads HPAs, [`question`] knows the path that the
//! controller requests, [`calculator`] makes replicas of one metric's values, [`behavior`] limits them, and [`decision`] makes
//! one number of all metrics.

pub(crate) mod behavior;
pub(crate) mod calculator;
pub(crate) mod decision;
pub(crate) mod lack;
pub(crate) mod manifest;
pub(crate) mod question;
