//! Escapes untrusted bytes for messages and log lines.

pub(crate) use metriclet_exposition::escape::{Escaped, escaped};
