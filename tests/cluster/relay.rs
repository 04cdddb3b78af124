//! One address in front of servers that change, as a Service is; or one that can be made to hang.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Its threads end with the process.
pub struct Relay {
    pub address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    held: Arc<(Mutex<bool>, Condvar)>,
}

impl Relay {
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self { address, target: Arc::new(Mutex::new(target)), held: Arc::default() };
        let (target, held) = (relay.target.clone(), relay.held.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // One that is gone refuses, and so do we.
                let Ok(server) = TcpStream::connect(*target.lock().unwrap()) else { continue };
                let open: Arc<(Mutex<bool>, Condvar)> = Arc::default();
                for (from, to, held) in [(&client, &server, &held), (&server, &client, &open)] {
                    let (from, to, held) = (from.try_clone().unwrap(), to.try_clone().unwrap(), held.clone());
                    thread::spawn(move || forward(from, to, &held));
                }
            }
        });
        relay
    }

    /// Where new connections lead from now on.
    pub fn point(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }

    /// Whether what clients say is kept from the server.
    pub fn hold(&self, held: bool) {
        *self.held.0.lock().unwrap() = held;
        self.held.1.notify_all();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, held: &(Mutex<bool>, Condvar)) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        drop(held.1.wait_while(held.0.lock().unwrap(), |held| *held).unwrap());
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
