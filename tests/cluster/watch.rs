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
use crate::plane::ControlPlane;

/// Checks until this value is dropped.
pub struct Watch {
    done: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Seen>>,
}

/// The results of the checks.
#[derive(Debug, Default)]
pub struct Seen {
    pub looks: usize,
    /// APIServices that were unavailable.
    pub unavailable: Vec<String>,
    /// Failed requests for discovery through kube-apiserver.
    pub unserved: Vec<String>,
    /// HPAs that had no value for one of their metrics.
    pub inactive: Vec<String>,
    /// The number of times that kube-apiserver itself did not respond.
    pub away: usize,
}

/// The requested server, and the user.
struct Asked {
    address: SocketAddr,
    authority: String,
    identity: Identity,
}

impl Watch {
    /// Starts to check, with this pause between two checks.
    pub fn start(plane: &ControlPlane, pause: Duration) -> Self {
        let custom = VERSIONS.map(|version| ("custom.metrics.k8s.io", version));
        Self::over(plane, pause, custom.to_vec(), None)
    }

    /// Starts to check these groups and versions, and the HPAs of a namespace.
    pub fn over(
        plane: &ControlPlane,
        pause: Duration,
        versions: Vec<(&'static str, &'static str)>,
        hpas: Option<&'static str>,
    ) -> Self {
        let asked =
            Asked { address: plane.address, authority: plane.authority.pem(), identity: plane.admin_identity.clone() };
        let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (done.clone(), served.clone());
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !told.load(Ordering::SeqCst) {
                versions.iter().for_each(|(group, version)| asked.look(group, version, &mut seen, &count));
                hpas.iter().for_each(|namespace| asked.check_hpas(namespace, &mut seen));
                thread::sleep(pause);
            }
            seen
        });
        Self { done, served, thread: Some(thread) }
    }

    /// The number of successful requests for discovery so far.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Stops checking, and returns the results.
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
    fn look(&self, group: &str, version: &str, seen: &mut Seen, served: &AtomicUsize) {
        let service = format!("/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}");
        // It may respond before it is ready.
        let Some(answer) = self.get(&service).filter(|answer| answer.code == 200) else {
            seen.away += 1;
            return;
        };
        seen.looks += 1;
        let service: Value = serde_json::from_str(&answer.body).unwrap();
        let conditions = service["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if !conditions.iter().any(|condition| condition["type"] == "Available" && condition["status"] == "True") {
            seen.unavailable.push(format!("{version}.{group}: {conditions:?}"));
        }
        match self.get(&format!("/apis/{group}/{version}")) {
            Some(answer) if answer.code == 200 => {
                served.fetch_add(1, Ordering::SeqCst);
            }
            Some(answer) => seen.unserved.push(format!("{version}.{group}: {answer:?}")),
            None => seen.away += 1,
        }
    }

    fn check_hpas(&self, namespace: &str, seen: &mut Seen) {
        let list = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
        let Some(answer) = self.get(&list).filter(|answer| answer.code == 200) else {
            seen.away += 1;
            return;
        };
        let list: Value = serde_json::from_str(&answer.body).unwrap();
        for hpa in list["items"].as_array().unwrap() {
            let conditions = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let active = conditions.iter().find(|condition| condition["type"] == "ScalingActive");
            if active.is_none_or(|active| active["status"] != "True") {
                seen.inactive.push(format!("{}: {conditions:?}", hpa["metadata"]["name"]));
            }
        }
    }

    fn get(&self, target: &str) -> Option<Answer> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        try_ask(self.address, "localhost", self.authority.as_bytes(), Some(&self.identity), &request).ok()
    }
}
