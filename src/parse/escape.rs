//! Makes foreign bytes fit for a message or a log line.

pub(crate) use metriclet_exposition::escape::{Escaped, escaped};
