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

/// Between two syncs of an HPA (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: Duration = Duration::from_secs(15);
/// As kube-apiserver passes on its requests.
const HEADERS: &str = "Accept: application/vnd.kubernetes.protobuf,application/json\r\n\
    X-Remote-Group: system:serviceaccounts\r\nX-Remote-Group: system:serviceaccounts:kube-system\r\n\
    X-Remote-Group: system:authenticated\r\n\
    X-Remote-User: system:serviceaccount:kube-system:horizontal-pod-autoscaler\r\n";

/// The path that is asked for an HPA.
pub type Question = fn(usize) -> String;

pub struct Controller {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Result<()>>>,
}

struct Shared {
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
    /// The last error.
    pub error: String,
}

impl Controller {
    /// Starts with every HPA due, as after a restart.
    pub fn start(
        (address, question): (SocketAddr, Question),
        config: &Arc<ClientConfig>,
        hpas: usize,
        workers: usize,
    ) -> Result<Self> {
        let now = Instant::now();
        let shared = Arc::new(Shared {
            due: Mutex::new((0..hpas).map(|hpa| Reverse((now, hpa))).collect()),
            answers: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let work = |_| {
            let (shared, config) = (shared.clone(), config.clone());
            thread::Builder::new().stack_size(256 * 1024).spawn(move || shared.work(address, question, &config))
        };
        let workers = (0..workers.min(hpas)).map(work).collect::<std::io::Result<Vec<_>>>()?;
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
    fn work(&self, address: SocketAddr, question: Question, config: &Arc<ClientConfig>) -> Result<()> {
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
            client.send_with(&question(hpa), HEADERS)?;
            let (code, body) = client.receive()?;
            let took = now.elapsed().as_secs_f64() * 1e3;
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.times.push(took);
            if code != 200 {
                answers.errors += 1;
                answers.error = format!("{code} {}", body.escape_ascii());
            }
            drop(answers);
            self.due.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((Instant::now() + PERIOD, hpa)));
        }
        Ok(())
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
