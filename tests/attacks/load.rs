//! Many users, and changes under load.

use super::*;

#[test]
fn ten_thousand_users_fit_into_the_caches() {
    const USERS: usize = 10_000;
    let (kubernetes, secure) = start();
    let ask_as = |number: usize, stream: &mut Stream| {
        let headers = format!("X-Remote-User: user-{number:04000}\r\nX-Remote-Group: {}\r\n", "g".repeat(2_000));
        assert_eq!(ask(stream, "GET", METRIC, &headers).values(), "web 1");
    };
    let mut first = proxy(&secure);
    ask_as(0, &mut first);
    let before = secure.resident();
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..4 {
            let (mut stream, next, ask_as) = (proxy(&secure), &next, &ask_as);
            scope.spawn(move || {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < USERS => ask_as(number, &mut stream),
                        _ => break,
                    }
                }
            });
        }
    });
    // On a busy machine, a review is made again after its timeout.
    let reviews = kubernetes.asked();
    let users: HashSet<_> = reviews.iter().map(|review| review["user"].as_str().unwrap()).collect();
    assert_eq!(users.len(), USERS);
    // On a busy machine, the first connection was idle for too long.
    let mut first = proxy(&secure);
    // The last review is cached, the first is not.
    ask_as(USERS - 1, &mut first);
    assert_eq!(kubernetes.asked().len(), reviews.len());
    ask_as(0, &mut first);
    assert!(kubernetes.asked().len() > reviews.len());
    // 4 MiB of answers, and the allocator's overhead for them and for 20 threads; an unbounded cache would take 60 MiB more.
    let grown = secure.resident().saturating_sub(before);
    assert!(grown < 40 << 20, "grown by {grown} bytes");
}

/// An authority is rotated as by kube-apiserver, with both trusted for a while; only valid clients are accepted.
#[test]
fn the_front_proxy_authority_changes_under_load() {
    let kubernetes = Kubernetes::start();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    kubernetes.publish(published(&old.pem(), &[PROXY], &CLIENTS.pem()));
    let mut secure = kubernetes.secure(&page(), &[]);
    let (by_old, by_new) = (client(&secure, &old.issue(PROXY)), client(&secure, &new.issue(PROXY)));
    // The expected result of each client: `None` while it changes.
    let (old_may, new_may) = (Expected::new(true), Expected::new(false));
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = secure.server.address;
    thread::scope(|scope| {
        for (client, expected) in [(&by_old, &old_may), (&by_old, &old_may), (&by_new, &new_may)] {
            let (done, answered) = (&done, &answered);
            scope.spawn(move || {
                let mut stream = client.connect();
                while !done.load(Ordering::Relaxed) {
                    for _ in 0..20 {
                        let before = expected.now();
                        let code = ask(&mut stream, "GET", METRIC, MASTER).code;
                        if let (Some(before), Some(after)) = (before, expected.now())
                            && before == after
                        {
                            assert_eq!(code, if before { 200 } else { 401 }, "{address}");
                        }
                        assert!(matches!(code, 200 | 401), "{code}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    stream = client.connect();
                }
            });
        }
        let mut swap = |authorities: String, old: bool, new: bool| {
            let before = answered.load(Ordering::Relaxed);
            let changing = |expected: &Expected, to| (expected.now() != Some(to)).then(|| expected.set(None));
            let _ = (changing(&old_may, old), changing(&new_may, new));
            kubernetes.publish(published(&authorities, &[PROXY], &CLIENTS.pem()));
            // In the last step no client has a certificate that is not trusted yet.
            present_untrusted(&secure);
            secure.server.wait_for("trusted authorities have changed");
            old_may.set(Some(old));
            new_may.set(Some(new));
            eventually(|| match answered.load(Ordering::Relaxed) {
                now if now > before + 200 => Ok(()),
                now => Err(format!("{now} answers")),
            });
        };
        swap(old.pem() + &new.pem(), true, true);
        swap(new.pem(), false, true);
        done.store(true, Ordering::Relaxed);
    });
    let mut stream = by_new.connect();
    let page = ask(&mut stream, "GET", "/metrics", MASTER).body;
    assert_eq!(own(&page, "metriclet_panics_total"), 0.0);
    assert_eq!(own(&page, "apiserver_tls_handshake_errors_total"), 0.0);
}

/// The expected result of a client's next request.
struct Expected(AtomicUsize);

impl Expected {
    fn new(may: bool) -> Self {
        Self(AtomicUsize::new(may.into()))
    }

    fn set(&self, may: Option<bool>) {
        self.0.store(may.map_or(2, usize::from), Ordering::SeqCst);
    }

    fn now(&self) -> Option<bool> {
        [Some(false), Some(true)].get(self.0.load(Ordering::SeqCst)).copied().flatten()
    }
}

/// An unread answer stays on its own connection.
#[test]
fn each_client_gets_its_own_answers() {
    let (kubernetes, secure) = start();
    kubernetes.policy(|spec| json!({"allowed": spec["user"] == "good"}));
    let mut streams = [proxy(&secure), proxy(&secure)];
    for _ in 0..20 {
        for (user, code) in [("good", 200), ("bad", 403)] {
            let answers =
                streams.each_mut().map(|stream| ask(stream, "GET", METRIC, &format!("X-Remote-User: {user}\r\n")));
            assert!(answers.iter().all(|answer: &Answer| answer.code == code), "{answers:?}");
        }
    }
    assert_eq!(kubernetes.calls(ACCESS).len(), 2);
}
