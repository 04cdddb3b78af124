//! Events of `metriclet serve`.

use crate::server::signals::Signal;

/// An event that the main thread waits for.
pub(super) enum Event {
    Signal(Signal),
    ListenerFailed(String),
}
