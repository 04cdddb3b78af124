//! Signals as events. A process with PID 1 has no default actions, so each relevant signal is caught.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: reload the configuration.
    Reload,
    /// SIGTERM or SIGINT: finish requests in progress and exit.
    Stop,
}

/// Catches signals from now on and calls `on` for each one, on a separate thread.
///
/// # Errors
/// If the system rejects it.
pub(crate) fn catch(mut on: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            on(if signal == SIGHUP { Signal::Reload } else { Signal::Stop });
        }
    })?;
    Ok(())
}
