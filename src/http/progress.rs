//! Which phase the exchange on this thread is in, and why it failed.

use std::cell::RefCell;

use ureq::Error;

use super::error::{FetchError, Phase};
use super::kept::Peer;

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
    /// The process at the other end, if connections to it are kept.
    peer: Option<Peer>,
    connection: Connection,
    /// Whether any byte of the response has arrived.
    is_answered: bool,
}

/// The connection of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// A kept connection if there is one, otherwise a new one.
    Any,
    /// A kept connection is in use.
    Kept,
    /// A new connection.
    New,
}

thread_local! {
    static PROGRESS: RefCell<Progress> =
        const { RefCell::new(Progress::BEGINNING) };
}

impl Progress {
    const BEGINNING: Self = Self {
        phase: Phase::Resolve,
        refused: None,
        excess: false,
        is_answered_in_tls: false,
        peer: None,
        connection: Connection::Any,
        is_answered: false,
    };
}

/// Begins an exchange on this thread, with this process if connections to it are kept.
pub(super) fn begin(peer: Option<Peer>) {
    PROGRESS.set(Progress { peer, ..Progress::BEGINNING });
}

/// Prepares a second attempt on a new connection if the server closed the kept one before any byte of the response,
/// because then the request may be sent again (RFC 9112 §9.3.1). Returns whether there is a second attempt.
pub(super) fn begin_again(error: &Error) -> bool {
    PROGRESS.with_borrow_mut(|progress| {
        let is_closed = progress.connection == Connection::Kept
            && !progress.is_answered
            && progress.refused.is_none()
            && !matches!(error, Error::Timeout(_));
        if is_closed {
            *progress = Progress { peer: progress.peer, connection: Connection::New, ..Progress::BEGINNING };
        }
        is_closed
    })
}

/// The process that the exchange on this thread is with, if connections to it are kept.
pub(super) fn peer() -> Option<Peer> {
    PROGRESS.with_borrow(|progress| progress.peer)
}

/// Whether the exchange may use a kept connection.
pub(super) fn may_use_kept() -> bool {
    PROGRESS.with_borrow(|progress| progress.connection != Connection::New)
}

/// Records that the exchange on this thread uses a kept connection.
pub(super) fn uses_kept() {
    PROGRESS.with_borrow_mut(|progress| progress.connection = Connection::Kept);
}

/// Records that bytes of the response have arrived.
pub(super) fn is_answered() {
    PROGRESS.with_borrow_mut(|progress| progress.is_answered = true);
}

/// Records that the head has been received and the body begins.
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

/// Whether bytes had followed the end of the body when the connection was closed.
pub(super) fn excess() -> bool {
    PROGRESS.with_borrow(|progress| progress.excess)
}

/// Ends the exchange on this thread with our own error.
pub(super) fn refuse(error: FetchError) -> Error {
    PROGRESS.with_borrow_mut(|progress| progress.refused = Some(error));
    Error::ConnectionFailed
}

/// Records that the exchange on this thread enters a phase.
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
