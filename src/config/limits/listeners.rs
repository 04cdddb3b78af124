//! Limits of the listeners, and of shutting down.

use std::time::Duration;

use super::units::{KIB, MIB, millis, secs};
use crate::parse::head;

limits! {
    /// Limits of the plain listener.
    PlainLimits {
        /// Silence of a client, within a request and between two. 5 s: tiny_http has a thread for each connection.
        receive: Duration = secs(5),
        /// Silence of a client that does not read its response. 5 s.
        send: Duration = secs(5),
        /// How long accepting pauses when descriptors or threads run out. 200 ms.
        accept_pause: Duration = millis(200),
        /// A chunked body that is read and discarded, so that the connection stays usable. 16 MiB.
        discarded_body: u64 = 16 * MIB as u64,
        /// Threads that read bodies. 4: each waits for one client at a time.
        discarders: usize = 4,
        /// Requests waiting for those. 65,536, more than there are descriptors: beyond that, a receiver has to read a body
        /// itself.
        discard_queue: usize = 65_536,
    }

    /// Limits of the connections of the secure listener. A client without a verified certificate is *unverified*.
    ConnectionLimits {
        /// Connections. 4,096, or what the limit of open files allows: a cluster never needs thousands.
        count: usize = 4_096,
        /// Open files reserved for fetches and files. 256.
        spare_files: usize = 256,
        /// Connections reserved for verified front proxies. 256: kubectl and HPAs come through them.
        front_proxy: usize = 256,
        /// Connections waiting to be accepted. 1,024: a burst waits in the kernel instead of retrying its SYN.
        backlog: i32 = 1_024,
        /// Request head of an unverified client. 16 KiB and 64 headers.
        head: head::HeadLimits = head::HeadLimits { bytes: 16 * KIB, headers: 64 },
        /// Request head of a verified client. 128 KiB and 1,024 headers: a front proxy sends one for each group of a
        /// user.
        verified_head: head::HeadLimits = head::HeadLimits { bytes: 128 * KIB, headers: 1_024 },
        /// TLS handshake. 5 s from accept to finish.
        handshake: Duration = secs(5),
        /// Request head. 5 s from first to last byte.
        head_time: Duration = secs(5),
        /// Idle time of an unverified client. 10 s: a probe opens a new connection each time.
        idle: Duration = secs(10),
        /// Idle time of a verified client. 120 s: more than the 90 s of Go's clients, so that they close first.
        verified_idle: Duration = secs(120),
        /// Sending one response. 10 s.
        write: Duration = secs(10),
        /// Waiting for the client to close after the last response. 2 s: closing at once can destroy a response in flight.
        linger: Duration = secs(2),
        /// A body that is read and discarded before the request is rejected. 64 KiB: no request needs a body.
        discarded_body: u64 = 64 * KIB as u64,
        /// Responses that clients have not read, over all connections. 32 MiB.
        unread: usize = 32 * MIB,
        /// Requests answered, or reads made, before other connections have a turn. 32.
        pipelined: usize = 32,
        /// Likewise for an unverified client. 4: verified clients come first.
        unverified_pipelined: usize = 4,
        /// How long accepting pauses when files or memory run out. 200 ms.
        accept_pause: Duration = millis(200),
    }

    /// Limits of shutting down.
    ShutdownLimits {
        /// How long serving continues while endpoints are withdrawn. 10 s.
        delay: Duration = secs(10),
        /// How long shutdown waits for requests in progress. 10 s, well inside a pod's 30 s.
        drain: Duration = secs(10),
    }
}
