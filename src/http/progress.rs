//! Which phase the exchange on this thread is in, and why it failed.

use std::cell::RefCell;

use ureq::Error;

use super::error::{FetchError, Phase};

/// The exchange on this thread. ureq calls our hooks on the thread that called it, but passes them nothing of ours, and
/// its own errors do not tell the phase.
#[derive(Debug)]
struct Progress {
    phase: Phase,
    /// Why the host could not be resolved; ureq's errors cannot contain it.
    refused: Option<FetchError>,
    /// Whether bytes were left when the connection was closed.
    excess: bool,
    /// Whether the server answered `http://` with TLS.
    is_answered_in_tls: bool,
}

thread_local! {
    static PROGRESS: RefCell<Progress> =
        const { RefCell::new(Progress::BEGINNING) };
}

impl Progress {
    const BEGINNING: Self = Self { phase: Phase::Resolve, refused: None, excess: false, is_answered_in_tls: false };
}

/// Begins an exchange on this thread.
pub(super) fn begin() {
    PROGRESS.set(Progress::BEGINNING);
}

/// The head has been received, and the body begins.
pub(super) fn head_received() {
    enter(Phase::Body);
}

/// Why the exchange on this thread failed.
pub(super) fn failure(error: Error) -> FetchError {
    let (refused, phase, is_answered_in_tls) =
        PROGRESS.with_borrow_mut(|progress| (progress.refused.take(), progress.phase, progress.is_answered_in_tls));
    match refused {
        Some(refused) => refused,
        None if is_answered_in_tls => FetchError::tls_expected(&error),
        None => explain(error, phase),
    }
}

/// Whether bytes had come after the end of the body when the connection was closed.
pub(super) fn excess() -> bool {
    PROGRESS.with_borrow(|progress| progress.excess)
}

/// Ends the exchange on this thread with our own error.
pub(super) fn refuse(error: FetchError) -> Error {
    PROGRESS.with_borrow_mut(|progress| progress.refused = Some(error));
    Error::ConnectionFailed
}

/// The exchange on this thread enters a phase.
pub(super) fn enter(phase: Phase) {
    PROGRESS.with_borrow_mut(|progress| progress.phase = phase);
}

/// Records that the server answered a request without TLS in TLS.
pub(super) fn answered_in_tls() {
    PROGRESS.with_borrow_mut(|progress| progress.is_answered_in_tls = progress.phase == Phase::Response);
}

/// Records whether bytes were left on a connection that is being closed.
pub(super) fn add_excess(left: bool) {
    // The thread may be ending, with its thread-local values already dropped.
    let _ = PROGRESS.try_with(|progress| {
        if let Ok(mut progress) = progress.try_borrow_mut() {
            progress.excess |= left;
        }
    });
}

/// Converts ureq's error in this phase.
fn explain(error: Error, phase: Phase) -> FetchError {
    match error {
        Error::Timeout(_) => FetchError::Timeout(phase),
        Error::HostNotFound => FetchError::host_not_found(&error),
        Error::ConnectionFailed => FetchError::Connect(std::io::ErrorKind::NotConnected),
        Error::LargeResponseHeader(_, cap) => FetchError::HeadTooLarge(cap),
        Error::BadUri(_) => FetchError::Url("not one that can be fetched"),
        Error::Tls(cause) => FetchError::Tls { cause, detail: String::new() },
        Error::Io(error) => explain_io(&error, phase),
        Error::Protocol(error) if phase == Phase::Body => FetchError::broken_body(&error),
        Error::Protocol(error) => FetchError::not_http(&error),
        Error::BodyStalled => FetchError::Closed(phase),
        other if phase == Phase::Body => FetchError::broken_body(&other),
        other => FetchError::not_http(&other),
    }
}

fn explain_io(error: &std::io::Error, phase: Phase) -> FetchError {
    use std::io::ErrorKind;

    if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        return FetchError::tls(error);
    }
    match (error.kind(), phase) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => FetchError::Timeout(phase),
        (kind, Phase::Connect) => FetchError::Connect(kind),
        _ => FetchError::Closed(phase),
    }
}
