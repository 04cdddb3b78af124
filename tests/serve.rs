//! The running server: start, reload, load, stop.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};

use common::secure::eventually;
use common::upstream::{Gate, Upstream, page};
use common::{Answer, PATIENCE, Server, file, metriclet, replace, run, signal};

const WEB: &str = "namespaces/shop/services/web";
const FORCE: &str = ": loaded ";
const KEPT: &str = "still using the previous configuration";

/// A configuration with these rules, each a name and the rest of its line.
fn config(upstream: &Upstream, rules: &[(&str, &str)]) -> String {
    let rules = rules.iter().map(|(name, rest)| {
        format!(
            "  - {{name: {name}, object: services, source: app, describes: {{namespace: shop, name: web}}{rest}}}\n"
        )
    });
    let url = upstream.url();
    format!("sources:\n  app: {{url: '{url}', namespaces: [shop]}}\nmetrics:\n{}", rules.collect::<String>())
}

/// An upstream whose responses wait at a gate, and a channel that reports each request.
fn gated(body: &'static str) -> (Upstream, Gate, Receiver<()>) {
    let gate = Gate::default();
    let (door, (arrive, arrivals)) = (gate.clone(), mpsc::channel());
    let upstream = Upstream::start(move |_, stream| {
        let _ = arrive.send(());
        door.wait();
        let _ = stream.write_all(&page("text/plain", body));
    });
    (upstream, gate, arrivals)
}

fn start(path: &Path) -> Server {
    Server::start(&["--config", path.to_str().unwrap()])
}

fn value(server: &Server, metric: &str) -> String {
    server.metric(&format!("{WEB}/{metric}")).values()
}

/// Without arguments Metriclet serves its own metrics, and the printed command works.
#[test]
fn starts_without_arguments() {
    let mut server = Server::start(&[]);
    let url = loop {
        let mut line = String::new();
        assert!(server.printed.read_line(&mut line).unwrap() > 0, "no curl line");
        if let Some(url) = line.trim().strip_prefix("curl ") {
            break url.to_owned();
        }
    };
    let target = url.strip_prefix(&format!("http://{}", server.address)).unwrap();
    let list = server.get(target);
    assert_eq!(list.code, 200, "{list:?}");
    assert!(list.values().starts_with("default "), "{list:?}");
}

#[test]
fn follows_the_file() {
    let upstream = Upstream::text("a 1\nb 2\n");
    let path = file("metrics.yaml", &config(&upstream, &[("a", "")]));
    let mut server = start(&path);
    assert_eq!(value(&server, "a"), "web 1");
    assert_eq!(value(&server, "b"), "404 NotFound: b of services/web in namespace shop: no rule is configured for it");
    replace(&path, &config(&upstream, &[("a", ""), ("b", "")]));
    server.wait_for(&format!("{FORCE}2 rules"));
    assert_eq!((value(&server, "a"), value(&server, "b")), ("web 1".to_owned(), "web 2".to_owned()));
    let discovered = server.get("/apis/custom.metrics.k8s.io/v1beta2").body;
    assert!(discovered.contains("services/a") && discovered.contains("services/b"), "{discovered}");
    // Missing for a moment, as while an editor saves it.
    fs::remove_file(&path).unwrap();
    server.wait_for(KEPT);
    assert_eq!(value(&server, "b"), "web 2");
    replace(&path, &config(&upstream, &[("b", "")]));
    server.wait_for(&format!("{FORCE}1 rule"));
    assert!(value(&server, "a").starts_with("404 "));
}

/// A ConfigMap in a pod: the file is a link into a directory that is itself a link, which is swapped.
#[test]
fn follows_a_mounted_config_map() {
    let upstream = Upstream::text("a 1\nb 2\n");
    let first = file("metrics.yaml", &config(&upstream, &[("a", "")]));
    let second = file("metrics.yaml", &config(&upstream, &[("b", "")]));
    let mount = file("mount", "");
    let mount = mount.parent().unwrap();
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, mount.join(name)).unwrap();
    link(first.parent().unwrap(), "..data");
    link(Path::new("..data/metrics.yaml"), "metrics.yaml");
    let mut server = start(&mount.join("metrics.yaml"));
    assert_eq!(value(&server, "a"), "web 1");
    let listed = |server: &Server, name: &str| {
        let discovery = server.get("/apis/custom.metrics.k8s.io/v1beta2").body;
        discovery.contains(&format!("\"services/{name}\""))
    };
    assert!(listed(&server, "a") && !listed(&server, "b"));
    link(second.parent().unwrap(), "..data_tmp");
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    server.wait_for(FORCE);
    assert_eq!(value(&server, "b"), "web 2");
    assert!(listed(&server, "b") && !listed(&server, "a"));
}

#[test]
fn reads_again_on_sighup() {
    let upstream = Upstream::text("a 1\n");
    let path = file("metrics.yaml", &config(&upstream, &[("a", "")]));
    let mut server = start(&path);
    // Even if the file is unchanged.
    for reloads in [1.0, 2.0] {
        server.signal("HUP");
        server.wait_for(&format!("{FORCE}1 rule"));
        assert_eq!(value(&server, "a"), "web 1");
        assert_eq!(server.own("metriclet_config_reloads_total{outcome=\"succeeded\"}"), reloads);
    }
}

#[test]
fn keeps_the_last_valid_configuration() {
    let upstream = Upstream::text("a 1\n");
    let good = config(&upstream, &[("a", "")]);
    let path = file("metrics.yaml", &good);
    let mut server = start(&path);
    for (number, (broken, problems)) in [
        (
            "sources: [\n".to_owned(),
            &["1:11: error: not YAML: while parsing a node, did not find expected node content"][..],
        ),
        (String::new(), &["1:1: error: the file: expected a mapping, found nothing"]),
        (
            // All problems, each with its position.
            good.replace("sources:", "source:") + "more: 1\n",
            &[
                "1:1: error: the file: unknown key \"source\"; did you mean sources?",
                "4:41: error: source: unknown source \"app\"",
                "5:1: error: the file: unknown key \"more\"; known are sources, metrics, forward, shadow",
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        replace(&path, &broken);
        let seen = server.seen.len();
        server.wait_for(KEPT);
        let told: Vec<_> = server.seen[seen..].iter().filter_map(|line| line.split("metrics.yaml:").nth(1)).collect();
        assert_eq!(told[..told.len() - 1], *problems);
        assert_eq!(value(&server, "a"), "web 1");
        assert_eq!(server.get("/readyz").code, 200);
        let failed = server.own("metriclet_config_reloads_total{outcome=\"failed\"}");
        assert!(failed > number as f64, "{failed}");
    }
    replace(&path, &good);
    server.wait_for(FORCE);
    assert_eq!(value(&server, "a"), "web 1");
}

#[test]
fn a_bad_rule_fails_alone() {
    let upstream = Upstream::text("a 1\nb 2\nc 3\n");
    let path = file("metrics.yaml", &config(&upstream, &[("a", ""), ("b", ", value: 'sum(b'"), ("c", "")]));
    let mut server = start(&path);
    let why = "5:100: error: value: expected \")\" at column 6, found the end";
    let broken = format!("503 ServiceUnavailable: b of services/web in namespace shop: its rule is invalid: {why}");
    let values = |server: &Server| ["a", "b", "c"].map(|metric| value(server, metric));
    assert_eq!(values(&server), ["web 1".to_owned(), broken, "web 3".to_owned()]);
    assert!(server.seen.iter().any(|line| line.contains(why)), "{:#?}", server.seen);
    assert_eq!(server.own("metriclet_broken_rules"), 1.0);
    let discovered = server.get("/apis/custom.metrics.k8s.io/v1beta2").body;
    assert!(discovered.contains("services/b"), "configured metrics are listed: {discovered}");
    // Fixed, then broken again: the previous rule stays in use.
    replace(&path, &config(&upstream, &[("a", ""), ("b", ""), ("c", "")]));
    server.wait_for(FORCE);
    assert_eq!(values(&server), ["web 1", "web 2", "web 3"]);
    assert_eq!(server.own("metriclet_broken_rules"), 0.0);
    replace(&path, &config(&upstream, &[("a", ", onNaN: zero"), ("b", ", onNaN: perhaps"), ("c", "")]));
    server.wait_for("error: onNaN: expected error, missing or zero, found \"perhaps\"");
    server.wait_for(FORCE);
    assert_eq!(values(&server), ["web 1", "web 2", "web 3"]);
    assert_eq!(server.own("metriclet_broken_rules"), 1.0, "it counts as broken, although its previous form is served");
}

#[test]
fn a_file_broken_at_start_still_serves_discovery() {
    let upstream = Upstream::text("a 1\n");
    let path = file("metrics.yaml", "sources: {}\nmetrics: none\n");
    let mut server = start(&path);
    for path in ["/apis", "/apis/custom.metrics.k8s.io", "/livez", "/readyz", "/version", "/metrics"] {
        assert_eq!(server.get(path).code, 200, "{path}");
    }
    let list = server.get("/apis/custom.metrics.k8s.io/v1beta2").json();
    assert!(!list["resources"].as_array().unwrap().is_empty(), "{list}");
    assert_eq!(
        value(&server, "a"),
        "503 ServiceUnavailable: a of services/web in namespace shop: the configuration is invalid: 2:10: error: \
         metrics: expected a list of rules"
    );
    replace(&path, &config(&upstream, &[("a", "")]));
    server.wait_for(FORCE);
    assert_eq!(value(&server, "a"), "web 1");

    let nowhere = path.with_file_name("nowhere.yaml");
    let mut server = start(&nowhere);
    assert_eq!(server.get("/apis").code, 200);
    assert_eq!(
        value(&server, "a"),
        format!(
            "503 ServiceUnavailable: a of services/web in namespace shop: the configuration is invalid: cannot \
             read configuration {}: not found",
            nowhere.display()
        )
    );
    replace(&nowhere, &config(&upstream, &[("a", "")]));
    server.wait_for(FORCE);
    assert_eq!(value(&server, "a"), "web 1");
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let why = format!("metriclet: cannot listen on {address}: Address already in use (os error 98)\n");
    assert_eq!(run(&["--listen", &address]), (69, String::new(), why));
}

/// tiny_http's accept loop ends when descriptors run out; the listener accepts again once some are free.
#[test]
fn a_listener_without_descriptors_recovers() {
    let program = metriclet(&[]);
    // A connection takes two descriptors; one of these limits leaves only one free.
    for limit in [32, 33] {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {limit} && exec \"$0\" --listen 127.0.0.1:0");
        command.args(["-c", &script]).arg(program.get_program());
        command.env_remove("RUST_LOG").env_remove("KUBERNETES_SERVICE_HOST");
        let mut server = Server::spawn(command);
        for _ in 0..3 {
            let held: Vec<_> = (0..64).map_while(|_| TcpStream::connect(server.address).ok()).collect();
            let line = server.wait_for("plain listener: cannot accept connections");
            assert!(line.contains("Too many open files"), "{line}");
            drop(held);
            server.wait_for("plain listener: accepting connections again");
            // Closing connections may use the last descriptors for a moment.
            let livez = || {
                let mut stream = TcpStream::connect(server.address)?;
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).map(|_| answer)
            };
            eventually(|| match livez() {
                Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
                other => Err(format!("{other:?}")),
            });
        }
    }
}

#[test]
fn a_hundred_callers_make_one_request() {
    let (upstream, gate, arrivals) = gated("a 7\n");
    let server = Server::with_config(&config(&upstream, &[("a", "")]));
    let callers: Vec<_> = (0..100).map(|_| server.ask(&format!("{WEB}/a"))).collect();
    arrivals.recv_timeout(PATIENCE).unwrap();
    gate.open();
    for caller in callers {
        assert_eq!(Answer::read(caller).values(), "web 7");
    }
    assert_eq!(upstream.requests(), 1);
    assert_eq!(server.own("metriclet_fetches_total{source=\"app\",outcome=\"succeeded\"}"), 1.0);
}

#[test]
fn a_hanging_source_delays_no_other_request() {
    let (hanging, gate, arrivals) = gated("5");
    let good = Upstream::text("b 2\n");
    let config = format!(
        "sources:\n  slow: {{url: 'http://{}/{{name}}', namespaces: [shop], timeout: 4s, format: number}}\n  \
         good: {{url: '{}', namespaces: [shop], cache: 0s}}\nmetrics:\n  - {{name: a, object: services, source: slow}}\n  - {{name: b, object: services, source: good, describes: {{namespace: shop, name: web}}}}\n",
        hanging.address,
        good.url()
    );
    let server = Server::with_config(&config);
    // More callers, each with a separate page, than there are workers.
    let callers: Vec<_> = (0..40).map(|n| server.ask(&format!("namespaces/shop/services/s{n}/a"))).collect();
    // The maximum for one source is waiting.
    for _ in 0..8 {
        arrivals.recv_timeout(PATIENCE).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(value(&server, "b"), "web 2");
        for path in ["/livez", "/readyz", "/apis", "/apis/custom.metrics.k8s.io/v1beta2", "/metrics"] {
            assert_eq!(server.get(path).code, 200, "{path}");
        }
    }
    assert!(arrivals.try_recv().is_err(), "one source occupies at most half of the workers");
    gate.open();
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(Answer::read(caller).values(), format!("s{n} 5"));
    }
    assert_eq!(good.requests(), 20, "without a cache each request is a fetch");
}

/// A request that waits at the time of the signal gets its response, and the process ends successfully.
fn stops(mut server: Server, pid: u32, gate: &Gate, arrivals: &Receiver<()>, name: &str) {
    let caller = server.ask(&format!("{WEB}/a"));
    arrivals.recv_timeout(PATIENCE).unwrap();
    signal(pid, name);
    server.wait_for("stopping: finishing requests in progress");
    gate.open();
    assert_eq!(Answer::read(caller).values(), "web 7", "{name}");
    assert_eq!(server.wait().code(), Some(0), "{name}");
    assert!(server.seen.last().unwrap().contains("stopping: finishing"), "nothing is left: {:#?}", server.seen);
}

#[test]
fn signals_finish_requests_in_progress() {
    for name in ["TERM", "INT"] {
        let (upstream, gate, arrivals) = gated("a 7\n");
        let server = Server::with_config(&config(&upstream, &[("a", "")]));
        let pid = server.pid();
        stops(server, pid, &gate, &arrivals, name);
        // Also without requests in progress.
        let mut idle = Server::with_config(&config(&upstream, &[("a", "")]));
        idle.signal(name);
        assert_eq!(idle.wait().code(), Some(0), "{name}");
        assert!(idle.seen.last().unwrap().contains("stopping: finishing"), "{:#?}", idle.seen);
    }
}

/// In a container the server is process 1, for which signals have no default actions.
#[test]
fn signals_work_as_process_one() {
    const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(UNSHARE).arg("true").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: a process namespace needs unshare, and the right to use it");
        return;
    }
    for name in ["TERM", "INT"] {
        let (upstream, gate, arrivals) = gated("a 7\n");
        let path = file("metrics.yaml", &config(&upstream, &[("a", "")]));
        let program = metriclet(&[]);
        let mut command = Command::new("unshare");
        command.args(UNSHARE).arg(program.get_program()).env_remove("RUST_LOG");
        command.args(["--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()]);
        let server = Server::spawn(command);
        let unshare = server.pid();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
        let pid: u32 = children.trim().parse().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
        stops(server, pid, &gate, &arrivals, name);
    }
}

/// Requests that time out in the queue count under their own resource, so that an alert on metric requests sees them.
#[test]
fn overload_is_counted_under_the_requested_route() {
    let (hanging, gate, arrivals) = gated("5");
    let source =
        format!("{{url: 'http://{}/{{name}}', namespaces: [shop], timeout: 4s, format: number}}", hanging.address);
    let rule = "{name: a, object: services, source: slow}";
    let server = Server::with_config(&format!("sources:\n  slow: {source}\nmetrics:\n  - {rule}\n"));
    // The queue has room for 512 requests for one source, in addition to the eight in progress.
    let callers: Vec<_> = (0..600).map(|n| server.ask(&format!("namespaces/shop/services/s{n}/a"))).collect();
    arrivals.recv_timeout(PATIENCE).unwrap();
    let counted = || {
        let page = server.get("/metrics").body;
        let of_metric = |line: &&str| {
            line.starts_with("apiserver_request_total{")
                && line.contains("resource=\"*\"")
                && line.contains("code=\"503\"")
        };
        let count = page.lines().find(of_metric).and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let other = page.lines().any(|line| line.contains("resource=\"other\"") && line.contains("code=\"503\""));
        assert!(!other, "{page}");
        count.filter(|count| *count >= 1.0).ok_or(page)
    };
    eventually(counted);
    gate.open();
    drop(callers);
}
