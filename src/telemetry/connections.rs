//! Counters of the secure listener. Every reason is one of a closed set, so that no peer can make the page grow.

use super::counter::Counter;

/// The class of a client; it decides which slots the client may take, not what it may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientClass {
    /// No certificate, or one that no trusted authority has signed.
    Unverified,
    /// A certificate that the authority for clients has signed.
    Verified,
    /// A certificate that the authority for front proxies has signed.
    FrontProxy,
}

/// Why a connection was turned away before it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All slots are taken.
    Full,
    /// The free slots are kept for front proxies.
    Reserved,
}

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client went away.
    Closed,
    /// A new connection took its slot.
    Evicted,
    /// HTTP without TLS.
    PlainHttp,
    /// It took too long.
    Timeout,
    /// The bytes are not TLS, or no common version or cipher.
    Tls,
}

/// Why a connection that was served has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By the client, or after its last answer.
    Closed,
    /// Broken by the network, or by bytes that are no TLS.
    Broken,
    /// A new connection took its slot.
    Evicted,
    /// A request head took too long.
    HeadTimeout,
    /// It idled for too long.
    Idle,
    /// A request was refused for its form.
    Refused,
    /// By us, as we stop.
    Stopping,
    /// Too much waits for clients that do not read.
    Unread,
    /// The client took too long to read an answer.
    WriteTimeout,
}

/// Everything that is counted of the secure listener.
#[derive(Debug, Default)]
pub struct Connections {
    /// Accepted so far.
    pub accepted: Counter,
    refused: [Counter; Refused::ALL.len()],
    handshakes_failed: [Counter; HandshakeFailure::ALL.len()],
    ended: [Counter; Ended::ALL.len()],
    /// Gauges: open now, by class.
    pub open: [Counter; ClientClass::ALL.len()],
    /// Client certificates set aside, as their key was not proved to be the client's.
    pub unproven_certificates: Counter,
    /// Times that accepting paused because descriptors or memory ran out.
    pub accept_pauses: Counter,
    /// Gauge: when the serving certificate ends, Unix seconds; 0 without a secure listener.
    pub certificate_expires: Counter,
    /// New serving certificates taken over.
    pub certificates_loaded: Counter,
    /// New serving certificates that were refused.
    pub certificates_refused: Counter,
}

impl ClientClass {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 3] = [Self::Unverified, Self::Verified, Self::FrontProxy];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::FrontProxy => "front_proxy",
        }
    }
}

impl Refused {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 2] = [Self::Full, Self::Reserved];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reserved => "reserved",
        }
    }
}

impl HandshakeFailure {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 5] = [Self::Closed, Self::Evicted, Self::PlainHttp, Self::Timeout, Self::Tls];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::PlainHttp => "plain_http",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
        }
    }
}

impl Ended {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 9] = [
        Self::Broken,
        Self::Closed,
        Self::Evicted,
        Self::HeadTimeout,
        Self::Idle,
        Self::Refused,
        Self::Stopping,
        Self::Unread,
        Self::WriteTimeout,
    ];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::HeadTimeout => "head_timeout",
            Self::Idle => "idle",
            Self::Refused => "refused_request",
            Self::Stopping => "stopping",
            Self::Unread => "unread_answers",
            Self::WriteTimeout => "write_timeout",
        }
    }
}

impl Connections {
    /// One connection turned away.
    pub fn refuse(&self, why: Refused) {
        count(&Refused::ALL, &self.refused, why);
    }

    pub fn handshake_failed(&self, why: HandshakeFailure) {
        count(&HandshakeFailure::ALL, &self.handshakes_failed, why);
    }

    /// One connection ended.
    pub fn end(&self, why: Ended) {
        count(&Ended::ALL, &self.ended, why);
    }

    /// Connections turned away, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::ALL.iter().map(|why| why.as_str()).zip(self.refused.iter().map(Counter::get))
    }

    /// Handshakes failed, by reason.
    pub fn handshakes_failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HandshakeFailure::ALL.iter().map(|why| why.as_str()).zip(self.handshakes_failed.iter().map(Counter::get))
    }

    /// Connections ended, by reason.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Ended::ALL.iter().map(|why| why.as_str()).zip(self.ended.iter().map(Counter::get))
    }

    /// Connections open now, by class.
    pub fn open(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ClientClass::ALL.iter().map(|client_class| client_class.as_str()).zip(self.open.iter().map(Counter::get))
    }
}

fn count<T: PartialEq + Copy>(all: &[T], counters: &[Counter], one: T) {
    let at = all.iter().position(|known| *known == one);
    at.and_then(|at| counters.get(at)).into_iter().for_each(Counter::increment);
}
