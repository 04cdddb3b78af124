//! Signals as events. As PID 1 a process has no default actions, so each one that matters is caught.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: finish what is under way and end.
    Stop,
}

/// Catches signals from now on and calls `on` for each one, on a separate thread.
///
/// # Errors
/// Whatever the system has against it.
pub(crate) fn catch(mut on: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            on(if signal == SIGHUP { Signal::Reload } else { Signal::Stop });
        }
    })?;
    Ok(())
}
