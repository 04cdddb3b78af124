//! The serving certificate changes while the server runs: completely or not at all, and no connection fails.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::replace;
use common::secure::{SERVING, Secure, get, own};
use common::tls::Identity;
use rcgen::{KeyPair, date_time_ymd};

const IN_USE: &str = "a new serving certificate is in use";
const KEPT: &str = "the previous one stays in use";

fn install(secure: &Secure, identity: &Identity) {
    replace(&secure.cert, &identity.chain);
    replace(&secure.key, &identity.key);
}

/// Makes the server check its files now, and returns after the check.
fn look(secure: &mut Secure) {
    // It checks the files after it has read the configuration, so the second reading follows the first check.
    for _ in 0..2 {
        secure.server.signal("HUP");
        secure.server.wait_for(": loaded ");
    }
}

fn told(secure: &Secure, text: &str) -> usize {
    secure.server.seen.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_hundred_changes_fail_no_client() {
    let mut secure = Secure::start(&[]);
    let identities: Vec<_> = (0..100).map(|_| SERVING.issue("localhost")).collect();
    let mut old = secure.client().connect();
    assert_eq!(get(&mut old, "/livez").body, "ok");
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients = [secure.client(), secure.known_client()];
    thread::scope(|scope| {
        for client in clients {
            let (done, answered) = (&done, &answered);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // Two requests on one connection, possibly with a change between them.
                    let mut stream = client.connect();
                    for _ in 0..2 {
                        assert_eq!(get(&mut stream, "/livez").body, "ok");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for identity in &identities {
            install(&secure, identity);
            secure.server.signal("HUP");
            secure.server.wait_for(IN_USE);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(answered.into_inner() > 100);
    let mut new = secure.client().connect();
    assert_eq!(new.conn.peer_certificates().unwrap(), identities.last().unwrap().certificates());
    let page = get(&mut new, "/metrics").body;
    let reloads =
        |outcome| own(&page, &format!("metriclet_serving_certificate_reloads_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(reloads("succeeded"), 100.0);
    assert_eq!(get(&mut old, "/livez").body, "ok", "the earlier connection is still open");
    // The server also checks its files by itself, possibly between the two that are replaced.
    assert_eq!(reloads("failed"), told(&secure, KEPT) as f64);
}

#[test]
fn an_invalid_pair_leaves_the_valid_one() {
    let mut secure = Secure::start(&[]);
    let first = secure.client().connect().conn.peer_certificates().unwrap().to_vec();
    let good = SERVING.issue("localhost");
    let dated = |from, to| {
        SERVING.issue_with("localhost", &KeyPair::generate().unwrap(), |params| {
            (params.not_before, params.not_after) = (from, to);
        })
    };
    let bad = [
        (Identity { key: SERVING.issue("other").key, ..good.clone() }, "does not belong to the certificate in"),
        (dated(date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)), "has expired at 2021-01-01T00:00:00Z"),
        (dated(date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)), "is not valid before 2090-01-01T00:00:00Z"),
        (Identity { chain: "nothing".to_owned(), ..good.clone() }, "holds no certificate (PEM)"),
        (Identity { key: good.key[..100].to_owned(), ..good.clone() }, "holds malformed PEM"),
    ];
    for (number, (identity, why)) in bad.iter().enumerate() {
        install(&secure, identity);
        // Repeated checks log the error only once.
        for _ in 0..4 {
            look(&mut secure);
        }
        assert_eq!((told(&secure, why), told(&secure, KEPT)), (1, number + 1), "{:#?}", secure.server.seen);
        let failed = secure.own("metriclet_serving_certificate_reloads_total{outcome=\"failed\"}");
        assert_eq!(failed, (number + 1) as f64, "{why}");
        assert_eq!(secure.client().connect().conn.peer_certificates().unwrap(), first, "{why}");
    }
    std::fs::remove_file(&secure.key).unwrap();
    for _ in 0..2 {
        look(&mut secure);
    }
    assert_eq!((told(&secure, "not found"), secure.client().get("/readyz").code), (1, 200));
    install(&secure, &good);
    look(&mut secure);
    assert_eq!(told(&secure, IN_USE), 1);
    assert_eq!(secure.client().connect().conn.peer_certificates().unwrap(), good.certificates());
    // The metrics page has its expiry, which is the year 4096 by rcgen's default.
    assert!(secure.own("metriclet_serving_certificate_expiration_timestamp_seconds") > 6.0e10);
}
