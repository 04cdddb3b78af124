//! Simulates the HPA controller: a queue of HPAs, each due 15 s after its last sync, and workers that send requests.

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

/// The time between two syncs of an HPA (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: Duration = Duration::from_secs(15);
/// The headers of the HPA controller's requests, as kube-apiserver forwards them.
const HEADERS: &str = "Accept: application/vnd.kubernetes.protobuf,application/json\r\n\
    X-Remote-Group: system:serviceaccounts\r\nX-Remote-Group: system:serviceaccounts:kube-system\r\n\
    X-Remote-Group: system:authenticated\r\n\
    X-Remote-User: system:serviceaccount:kube-system:horizontal-pod-autoscaler\r\n";

/// Returns the request of an HPA, given its number and the number of its pods.
pub type RequestFor = fn(usize, usize) -> HpaRequest;

/// A request, and the pods of a complete response.
pub struct HpaRequest {
    path: String,
    /// The name prefix of the HPA's pods, and their number; each item of a response names one. `None` if items name no pods.
    pods: Option<(String, usize)>,
}

/// The server to send requests to, and the HPAs.
#[derive(Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub request_for: RequestFor,
    pub hpas: usize,
    /// The number of pods per HPA.
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

/// The results of the requests.
#[derive(Default)]
pub struct Answers {
    /// Response times in milliseconds.
    pub times: Vec<f64>,
    pub errors: usize,
    /// The number of successful responses that lack a pod.
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

    /// Discards the results so far.
    pub fn forget(&self) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = Answers::default();
    }

    /// Stops, and returns the results.
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
        let Target { address, request_for, pods, .. } = self.target;
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
            let request = request_for(hpa, pods);
            let answer = client.send_with(&request.path, HEADERS).and_then(|()| client.receive());
            let took = now.elapsed().as_secs_f64() * 1e3;
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.times.push(took);
            match &answer {
                Ok((200, body)) => answers.incomplete += usize::from(!request.is_complete(body)),
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
            // After a timeout, the rest of the response may still arrive on the old connection.
            if answer.is_err() {
                client = Client::connect(address, config)?;
            }
            self.due.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((Instant::now() + PERIOD, hpa)));
        }
        Ok(())
    }
}

impl HpaRequest {
    /// Whether a response, in JSON or protobuf, has a value for each pod.
    fn is_complete(&self, body: &[u8]) -> bool {
        let Some((start, count)) = &self.pods else { return true };
        body.windows(start.len()).filter(|window| *window == start.as_bytes()).count() >= *count
    }
}

impl Answers {
    /// The quantile `part` (0 to 1) of the response times, in milliseconds.
    pub fn quantile(&self, part: f64) -> String {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let at = (times.len() as f64 * part) as usize;
        times.get(at).map_or_else(|| "–".to_owned(), |time| format!("{time:.1}"))
    }
}

/// Requests a rate for each of the HPA's pods.
pub fn of_pods(hpa: usize, pods: usize) -> HpaRequest {
    of_metric(hpa, pods, "rate")
}

/// Requests the current sum for each of the HPA's pods.
pub fn of_pods_now(hpa: usize, pods: usize) -> HpaRequest {
    of_metric(hpa, pods, "now")
}

fn of_metric(hpa: usize, pods: usize, metric: &str) -> HpaRequest {
    let (path, app) = ("/apis/custom.metrics.k8s.io/v1beta2/namespaces", app(hpa));
    let path = format!("{path}/{}/pods/*/{metric}?labelSelector=app%3D{app}", namespace(hpa));
    HpaRequest { path, pods: Some((format!("{app}-"), pods)) }
}

/// Requests the test adapter's external metric, whose value is the same for all HPAs.
pub fn of_test_adapter(hpa: usize, _: usize) -> HpaRequest {
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/my-external-metric", namespace(hpa));
    HpaRequest { path, pods: None }
}
