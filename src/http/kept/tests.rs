use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::telemetry::clock::Now;

const IDLE: Duration = Duration::from_secs(20);

/// A pool of at most `count` connections, and the seconds that its clock shows.
fn kept(count: usize) -> (KeptConnections, Arc<AtomicU64>) {
    let (start, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let told = seconds.clone();
    let clock = Clock::from_fn(move || Now {
        monotonic: start + Duration::from_secs(told.load(Ordering::SeqCst)),
        unix_millis: 0,
    });
    (KeptConnections::new(&KeptLimits { count, idle: IDLE, ..KeptLimits::default() }, usize::MAX, clock), seconds)
}

/// Both ends of a connection.
fn connected(listener: &TcpListener) -> (Socket, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Socket::new(client), listener.accept().unwrap().0)
}

#[test]
fn keeps_a_bounded_number_for_a_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (kept, seconds) = kept(2);
    let client = kept.client();
    let peers = ["a", "b", "c"].map(|process| kept.peer(client, process));
    let _ends = peers.map(|peer| {
        let (socket, end) = connected(&listener);
        kept.put(peer, at, socket);
        end
    });
    assert_eq!(peers.map(|peer| kept.take(peer, at).is_some()), [true, true, false], "two are kept");
    assert!(kept.take(peers[0], at).is_none(), "each is given once");
    let [first, _, last] = peers;
    let put = |peer| {
        let (socket, end) = connected(&listener);
        kept.put(peer, at, socket);
        end
    };
    let _ends = [put(first), put(first)];
    assert_eq!(kept.lock().len(), 1, "one for each process");
    seconds.store(19, Ordering::SeqCst);
    let _end = put(last);
    kept.close_old();
    assert_eq!(kept.lock().len(), 2);
    seconds.store(20, Ordering::SeqCst);
    assert!(kept.take(first, at).is_none(), "too old, although it was not closed yet");
    seconds.store(39, Ordering::SeqCst);
    kept.close_old();
    assert!(kept.lock().is_empty());
}

#[test]
fn belongs_to_one_process_of_one_client_at_one_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (kept, _) = kept(2);
    let (one, other) = (kept.client(), kept.client());
    let (socket, _end) = connected(&listener);
    kept.put(kept.peer(one, "a"), at, socket);
    let elsewhere = SocketAddr::new(at.ip(), at.port() ^ 1);
    for (peer, address) in [(kept.peer(one, "b"), at), (kept.peer(other, "a"), at), (kept.peer(one, "a"), elsewhere)] {
        assert!(kept.take(peer, address).is_none());
    }
    assert!(kept.take(kept.peer(one, "a"), at).is_some());
}

#[test]
fn few_files_allow_few() {
    let clock = Clock::system();
    for (files, most) in [(usize::MAX, 4_096), (1_024, 128), (7, 0)] {
        assert_eq!(KeptConnections::new(&KeptLimits::default(), files, clock.clone()).most, most, "{files}");
    }
}

#[test]
fn a_connection_that_was_closed_or_has_bytes_is_not_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (kept, _) = kept(2);
    let peer = kept.peer(kept.client(), "a");
    let end_with: [fn(TcpStream) -> Option<TcpStream>; 2] = [
        |end| {
            drop(end);
            None
        },
        |mut end| {
            end.write_all(b"x").unwrap();
            Some(end)
        },
    ];
    for end_with in end_with {
        let (socket, end) = connected(&listener);
        let _end = end_with(end);
        // Waits until the data or the close from the other end has arrived.
        while socket.is_quiet() {
            std::thread::yield_now();
        }
        kept.put(peer, at, socket);
        assert!(kept.take(peer, at).is_none());
        assert!(kept.lock().is_empty());
    }
}
