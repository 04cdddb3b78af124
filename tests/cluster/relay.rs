//! A TCP relay in front of changing servers, like a Service, which can also delay or hold back data.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How the relay forwards data of clients to the server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    AtOnce,
    /// With a delay.
    Slow(Duration),
    /// Not until the pace changes.
    Held,
}

/// The pace, and the number of times that data was held back.
#[derive(Default)]
struct Gate {
    pace: Mutex<(Pace, usize)>,
    changed: Condvar,
}

/// A relay; its threads end with the process.
pub struct Relay {
    pub address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    gate: Arc<Gate>,
}

impl Relay {
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self { address, target: Arc::new(Mutex::new(target)), gate: Arc::default() };
        let (target, gate) = (relay.target.clone(), relay.gate.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // If the server refuses connections, the relay closes them.
                let Ok(server) = TcpStream::connect(*target.lock().unwrap()) else { continue };
                for (from, to, gate) in [(&client, &server, gate.clone()), (&server, &client, Arc::default())] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || forward(from, to, &gate));
                }
            }
        });
        relay
    }

    /// Sets the server for new connections.
    pub fn point(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }

    /// Sets the pace from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.gate.pace.lock().unwrap().0 = pace;
        self.gate.changed.notify_all();
    }

    /// The number of times that data was held back so far.
    pub fn held_back(&self) -> usize {
        self.gate.pace.lock().unwrap().1
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        gate.pass();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl Gate {
    fn pass(&self) {
        let mut pace = self.pace.lock().unwrap();
        pace.1 += usize::from(pace.0 != Pace::AtOnce);
        let pace = self.changed.wait_while(pace, |(pace, _)| *pace == Pace::Held).unwrap();
        if let (Pace::Slow(time), _) = *pace {
            drop(pace);
            thread::sleep(time);
        }
    }
}
