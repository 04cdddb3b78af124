//! An hour in which all pods are replaced every minute, on a clock that only the test moves.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::config::file;
use crate::metrics::entries::Entry;
use crate::metrics::history::{Footprint, SampleBudget};
use crate::metrics::rules::Rules;
use crate::telemetry::clock::{Clock, Now};

const PODS: usize = 6;
const MINUTES: usize = 60;
/// The minutes after which as many samples are dropped as are added.
const SETTLED: usize = 8;

/// Serves pages of pods with three series of `a`, one of which has a unique label; returns the port.
fn pods() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = |stream: TcpStream| -> std::io::Result<()> {
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request)?;
        let pod = request.split(['/', ' ']).nth(2).unwrap_or_default();
        let page = format!("a{{pod=\"{pod}\"}} 1\na{{b=\"1\"}} 2\na{{b=\"2\"}} 3\nc 4\n");
        write!(&stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    };
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream))));
    port
}

/// The amounts of state that are kept for pods.
#[derive(Debug, PartialEq)]
struct Kept {
    samples: Footprint,
    bytes: usize,
    pages: usize,
}

#[test]
fn an_hour_of_replaced_pods_leaves_nothing() {
    let (start, passed) = (Clock::system().now(), Arc::new(AtomicU64::new(0)));
    let clock = {
        let passed = passed.clone();
        Clock::from_fn(move || {
            let passed = Duration::from_secs(passed.load(Ordering::Relaxed));
            Now { monotonic: start.monotonic + passed, unix_millis: start.unix_millis + millis(passed) }
        })
    };
    let shared = Arc::new(Shared::new(Limits::default(), clock.clone(), Arc::default()));
    let config = "sources: {app: {pods: {port: 1}, dangerAllowLoopback: true}}\n\
                  metrics: [{name: a, object: pods, source: app, value: 'sum(rate(a[1m]))'}]\n";
    let config = file::load(config.as_bytes(), shared.limits()).config;
    let budget = Arc::new(SampleBudget::new(1 << 20));
    let rules = Rules::new(config, None, &Rules::default(), &shared, &budget);
    let Entry::Rule(served, _) = rules.find("pods", "a") else { panic!("no rule") };
    let sampling = served.sampling.as_ref().unwrap();
    let (steady, port) = (SteadyClock::new(clock.now()), pods());
    let kept =
        || Kept { samples: sampling.history.footprint(), bytes: budget.taken(), pages: served.upstream.cached() };
    let mut settled = None;
    for minute in 0..MINUTES {
        let names: Vec<String> = (0..PODS).map(|pod| format!("web-{minute:02}-{pod}")).collect();
        let urls: Vec<String> = names.iter().map(|name| format!("http://127.0.0.1:{port}/{name}#{name}")).collect();
        for _ in 0..4 {
            passed.fetch_add(15, Ordering::Relaxed);
            let now = clock.now().monotonic;
            let round = Round { served: &served, sampling, limits: shared.limits(), steady, now };
            let failed = Mutex::new(Vec::new());
            let wait = Wait::Until(now + Duration::from_secs(60));
            served.upstream.each_page(&urls, &served.want, wait, &mut |at, page| {
                failed.lock().unwrap().extend(page.as_ref().err().cloned());
                round.keep(&names[at], &urls[at], page);
            });
            assert_eq!(failed.into_inner().unwrap(), []);
            sampling.history.prune(steady.at(now));
        }
        if minute >= SETTLED {
            assert_eq!(&kept(), settled.get_or_insert_with(kept), "after {minute} minutes");
            // Expired states are removed from time to time.
            assert!(served.upstream.states().iter().count() <= SETTLED * PODS, "after {minute} minutes");
        }
    }
    let Some(Kept { samples, pages, .. }) = settled else { panic!("never settled") };
    assert!(samples.objects <= 3 * PODS && samples.layouts == samples.objects && pages == 0, "{samples:?}");
    // Everything is released once they are no longer sampled.
    passed.fetch_add(3_600, Ordering::Relaxed);
    sampling.history.prune(steady.at(clock.now().monotonic));
    assert_eq!((sampling.history.footprint(), budget.taken()), (Footprint::default(), 0));
}
