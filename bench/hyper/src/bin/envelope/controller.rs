//! The HPA controller's questions: a queue of HPAs, each due 15 s after its last sync, and workers that ask.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use metriclet_bench_hyper::Result;
use metriclet_bench_hyper::tls::Client;
use rustls::ClientConfig;

use super::cluster::{app, namespace};

/// Between two syncs of an HPA (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: Duration = Duration::from_secs(15);
/// As kube-apiserver passes on its requests.
const HEADERS: &str = "Accept: application/vnd.kubernetes.protobuf,application/json\r\n\
    X-Remote-Group: system:serviceaccounts\r\nX-Remote-Group: system:serviceaccounts:kube-system\r\n\
    X-Remote-Group: system:authenticated\r\n\
    X-Remote-User: system:serviceaccount:kube-system:horizontal-pod-autoscaler\r\n";

/// What is asked for an HPA with this number of pods.
pub type Question = fn(usize, usize) -> Asked;

/// A request, and what a complete answer has.
pub struct Asked {
    path: String,
    /// The beginning of the names of the HPA's pods, and how many they are. Each item of an answer names one.
    pods: Option<(String, usize)>,
}

/// Whom to ask, and for whom.
#[derive(Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub question: Question,
    pub hpas: usize,
    /// Of each HPA.
    pub pods: usize,
}

pub struct Controller {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Result<()>>>,
}

struct Shared {
    target: Target,
    due: Mutex<BinaryHeap<Reverse<(Instant, usize)>>>,
    answers: Mutex<Answers>,
    is_over: AtomicBool,
}

/// What came of the questions.
#[derive(Default)]
pub struct Answers {
    /// Milliseconds each.
    pub times: Vec<f64>,
    pub errors: usize,
    /// Answers without an error that lack a pod.
    pub incomplete: usize,
    /// The last error.
    pub error: String,
}

impl Controller {
    /// Starts with every HPA due, as after a restart.
    pub fn start(target: Target, config: &Arc<ClientConfig>, workers: usize) -> Result<Self> {
        let now = Instant::now();
        let shared = Arc::new(Shared {
            target,
            due: Mutex::new((0..target.hpas).map(|hpa| Reverse((now, hpa))).collect()),
            answers: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let work = |_| {
            let (shared, config) = (shared.clone(), config.clone());
            thread::Builder::new().stack_size(256 * 1024).spawn(move || shared.work(&config))
        };
        let workers = (0..workers.min(target.hpas)).map(work).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { shared, workers })
    }

    /// Forgets the answers so far.
    pub fn forget(&self) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = Answers::default();
    }

    /// Stops, and returns the answers.
    pub fn stop(self) -> Result<Answers> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let answers = std::mem::take(&mut *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in self.workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        Ok(answers)
    }
}

impl Shared {
    fn work(&self, config: &Arc<ClientConfig>) -> Result<()> {
        let Target { address, question, pods, .. } = self.target;
        let mut client = Client::connect(address, config)?;
        while !self.is_over.load(Ordering::Relaxed) {
            let now = Instant::now();
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let hpa = match due.peek() {
                Some(Reverse((when, hpa))) if *when <= now => *hpa,
                _ => {
                    drop(due);
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            due.pop();
            drop(due);
            let asked = question(hpa, pods);
            let answer = client.send_with(&asked.path, HEADERS).and_then(|()| client.receive());
            let took = now.elapsed().as_secs_f64() * 1e3;
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.times.push(took);
            match &answer {
                Ok((200, body)) => answers.incomplete += usize::from(!asked.is_complete(body)),
                Ok((code, body)) => {
                    answers.errors += 1;
                    answers.error = format!("{code} {}", body.escape_ascii());
                }
                Err(error) => {
                    answers.errors += 1;
                    answers.error = error.to_string();
                }
            }
            drop(answers);
            // After a timeout, the rest of the answer may still come.
            if answer.is_err() {
                client = Client::connect(address, config)?;
            }
            self.due.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((Instant::now() + PERIOD, hpa)));
        }
        Ok(())
    }
}

impl Asked {
    /// Whether an answer, in JSON or protobuf, has a value of each pod.
    fn is_complete(&self, body: &[u8]) -> bool {
        let Some((start, count)) = &self.pods else { return true };
        body.windows(start.len()).filter(|window| *window == start.as_bytes()).count() >= *count
    }
}

impl Answers {
    /// The time that so great a part of the answers did not exceed, in milliseconds.
    pub fn quantile(&self, part: f64) -> String {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let at = (times.len() as f64 * part) as usize;
        times.get(at).map_or_else(|| "–".to_owned(), |time| format!("{time:.1}"))
    }
}

/// A rate of each of the HPA's pods.
pub fn of_pods(hpa: usize, pods: usize) -> Asked {
    of_metric(hpa, pods, "rate")
}

/// The current sum of each of the HPA's pods.
pub fn of_pods_now(hpa: usize, pods: usize) -> Asked {
    of_metric(hpa, pods, "now")
}

fn of_metric(hpa: usize, pods: usize, metric: &str) -> Asked {
    let (path, app) = ("/apis/custom.metrics.k8s.io/v1beta2/namespaces", app(hpa));
    let path = format!("{path}/{}/pods/*/{metric}?labelSelector=app%3D{app}", namespace(hpa));
    Asked { path, pods: Some((format!("{app}-"), pods)) }
}

/// A value that is the same for all.
pub fn of_test_adapter(hpa: usize, _: usize) -> Asked {
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/my-external-metric", namespace(hpa));
    Asked { path, pods: None }
}
