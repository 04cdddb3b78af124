//! Unverified clients write nothing to the log: otherwise any client could fill a disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

mod common;

use std::io::{Read, Write};

use common::secure::{Secure, client_config};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

#[test]
fn addresses_as_sni_are_not_logged() {
    let mut secure = Secure::start(&["--shutdown-delay-duration", "0s"]);
    // An address instead of a name, as sent by wrk and by curl without its checks.
    let (name, address) = (b"127-0-0-1", b"127.0.0.1");
    let server = ServerName::try_from("127-0-0-1").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(client_config(None).into(), server).unwrap().write_tls(&mut hello).unwrap();
    let at = hello.windows(name.len()).position(|part| part == name).unwrap();
    hello.get_mut(at..at + name.len()).unwrap().copy_from_slice(address);
    let mut stream = secure.tcp();
    stream.write_all(&hello).unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [22], "a handshake continues");
    drop(stream);
    secure.server.signal("TERM");
    assert!(secure.server.wait().success());
    let of_libraries: Vec<_> = secure.server.seen.iter().filter(|line| line.contains("WARN")).collect();
    assert!(of_libraries.is_empty(), "{of_libraries:#?}");
}
