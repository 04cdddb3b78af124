//! One address in front of servers that change, as a Service is; or one that can be made slow, or hang.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How what clients say comes to the server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    AtOnce,
    /// So much later.
    Slow(Duration),
    /// Not until there is another pace.
    Held,
}

/// The pace, and how often something was kept back.
#[derive(Default)]
struct Gate {
    pace: Mutex<(Pace, usize)>,
    changed: Condvar,
}

/// Its threads end with the process.
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
                // One that is gone refuses, and so do we.
                let Ok(server) = TcpStream::connect(*target.lock().unwrap()) else { continue };
                for (from, to, gate) in [(&client, &server, gate.clone()), (&server, &client, Arc::default())] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || forward(from, to, &gate));
                }
            }
        });
        relay
    }

    /// Where new connections lead from now on.
    pub fn point(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }

    /// How what clients say comes to the server from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.gate.pace.lock().unwrap().0 = pace;
        self.gate.changed.notify_all();
    }

    /// How often something was kept back so far.
    pub fn kept_back(&self) -> usize {
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
