//! Checks the APIServices and requests discovery continuously.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::common::Answer;
use crate::common::tls::Identity;
use crate::direct::try_ask;
use crate::installed::VERSIONS;
use crate::plane::Plane;

/// Looks until this value goes.
pub struct Watch {
    done: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Seen>>,
}

/// What it saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub looks: usize,
    /// APIServices that were not available.
    pub unavailable: Vec<String>,
    /// Discovery through kube-apiserver that was not served.
    pub unserved: Vec<String>,
    /// How often kube-apiserver itself did not answer.
    pub away: usize,
}

/// The server that it requests, and the user.
struct Asked {
    address: SocketAddr,
    authority: String,
    identity: Identity,
}

impl Watch {
    /// Begins to look, with this pause in between.
    pub fn start(plane: &Plane, pause: Duration) -> Self {
        let asked =
            Asked { address: plane.address, authority: plane.authority.pem(), identity: plane.admin_identity.clone() };
        let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (done.clone(), served.clone());
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !told.load(Ordering::SeqCst) {
                VERSIONS.iter().for_each(|version| asked.look(version, &mut seen, &count));
                thread::sleep(pause);
            }
            seen
        });
        Self { done, served, thread: Some(thread) }
    }

    /// How often it was served discovery so far.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Ends.
    pub fn end(mut self) -> Seen {
        self.done.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
    }
}

impl Asked {
    fn look(&self, version: &str, seen: &mut Seen, served: &AtomicUsize) {
        let service = format!("/apis/apiregistration.k8s.io/v1/apiservices/{version}.custom.metrics.k8s.io");
        // It may answer, and not be up to it yet.
        let Some(answer) = self.get(&service).filter(|answer| answer.code == 200) else {
            seen.away += 1;
            return;
        };
        seen.looks += 1;
        let service: Value = serde_json::from_str(&answer.body).unwrap();
        let conditions = service["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if !conditions.iter().any(|condition| condition["type"] == "Available" && condition["status"] == "True") {
            seen.unavailable.push(format!("{version}: {conditions:?}"));
        }
        match self.get(&format!("/apis/custom.metrics.k8s.io/{version}")) {
            Some(answer) if answer.code == 200 => {
                served.fetch_add(1, Ordering::SeqCst);
            }
            Some(answer) => seen.unserved.push(format!("{version}: {answer:?}")),
            None => seen.away += 1,
        }
    }

    fn get(&self, target: &str) -> Option<Answer> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        try_ask(self.address, "localhost", self.authority.as_bytes(), Some(&self.identity), &request).ok()
    }
}
