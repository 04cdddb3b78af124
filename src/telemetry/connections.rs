//! Counters of the secure listener. Reasons are enumerations, so no peer can create time series.

use super::counter::Counter;

/// The class of a client; it determines the slots that the client may use, not its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientClass {
    /// No certificate, or one that no trusted authority has signed.
    Unverified,
    /// A certificate signed by the authority for clients.
    Verified,
    /// A certificate signed by the authority for front proxies.
    FrontProxy,
}

/// Why a connection was rejected before a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All slots are in use.
    Full,
    /// The free slots are reserved for front proxies.
    Reserved,
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client closed the connection.
    Closed,
    /// A new connection took its slot.
    Evicted,
    /// HTTP without TLS.
    PlainHttp,
    /// The handshake took too long.
    Timeout,
    /// The bytes are not TLS, or there is no common version or cipher.
    Tls,
}

/// Why a served connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client closed it, or its last response was sent.
    Closed,
    /// A network error, or bytes that are not TLS.
    Broken,
    /// A new connection took its slot.
    Evicted,
    /// A request head took too long.
    HeadTimeout,
    /// It was idle for too long.
    Idle,
    /// A request was malformed.
    Refused,
    /// Metriclet is stopping.
    Stopping,
    /// The client does not read, and too many unsent bytes are queued.
    Unread,
    /// The client took too long to read a response.
    WriteTimeout,
}

/// All counters of the secure listener.
#[derive(Debug, Default)]
pub struct Connections {
    /// Connections accepted.
    pub accepted: Counter,
    refused: [Counter; Refused::ALL.len()],
    handshakes_failed: [Counter; HandshakeFailure::ALL.len()],
    ended: [Counter; Ended::ALL.len()],
    /// Gauges: open connections, by class.
    pub open: [Counter; ClientClass::ALL.len()],
    /// Client certificates ignored because the client did not prove possession of the key.
    pub unproven_certificates: Counter,
    /// Pauses of accepting because descriptors or memory ran out.
    pub accept_pauses: Counter,
    /// Gauge: expiry of the serving certificate, Unix seconds; 0 without a secure listener.
    pub certificate_expires: Counter,
    /// New serving certificates in use.
    pub certificates_loaded: Counter,
    /// New serving certificates rejected.
    pub certificates_refused: Counter,
}

impl ClientClass {
    /// All classes, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Unverified, Self::Verified, Self::FrontProxy];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::FrontProxy => "front_proxy",
        }
    }
}

impl Refused {
    /// All reasons, in the order of the page.
    pub const ALL: [Self; 2] = [Self::Full, Self::Reserved];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reserved => "reserved",
        }
    }
}

impl HandshakeFailure {
    /// All reasons, in the order of the page.
    pub const ALL: [Self; 5] = [Self::Closed, Self::Evicted, Self::PlainHttp, Self::Timeout, Self::Tls];

    /// The value of the label.
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
    /// All reasons, in the order of the page.
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

    /// The value of the label.
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
    /// Counts a rejected connection.
    pub fn refuse(&self, why: Refused) {
        count(&Refused::ALL, &self.refused, why);
    }

    pub fn handshake_failed(&self, why: HandshakeFailure) {
        count(&HandshakeFailure::ALL, &self.handshakes_failed, why);
    }

    /// Counts a connection that ended.
    pub fn end(&self, why: Ended) {
        count(&Ended::ALL, &self.ended, why);
    }

    /// Rejected connections, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::ALL.iter().map(|why| why.as_str()).zip(self.refused.iter().map(Counter::get))
    }

    /// Failed handshakes, by reason.
    pub fn handshakes_failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HandshakeFailure::ALL.iter().map(|why| why.as_str()).zip(self.handshakes_failed.iter().map(Counter::get))
    }

    /// Ended connections, by reason.
    pub fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Ended::ALL.iter().map(|why| why.as_str()).zip(self.ended.iter().map(Counter::get))
    }

    /// Open connections, by class.
    pub fn open(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ClientClass::ALL.iter().map(|client_class| client_class.as_str()).zip(self.open.iter().map(Counter::get))
    }
}

fn count<T: PartialEq + Copy>(all: &[T], counters: &[Counter], one: T) {
    let at = all.iter().position(|known| *known == one);
    at.and_then(|at| counters.get(at)).into_iter().for_each(Counter::increment);
}
