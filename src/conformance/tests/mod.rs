//! Runs the suite against a server in memory: a correct one passes, and each fault fails the expected check.

mod faults;
mod good;

use std::cell::Cell;
use std::ffi::OsString;
use std::rc::Rc;

use self::good::CorrectServer;
use super::check::{Finding, Level, Timing};
use super::cli::{self, Command, Options};
use super::exchange::{Request, Response};
use super::report::{self, Verdict};
use super::runner::{self, Environment, Row};
use super::session::Session;
use super::survey::survey;
use super::{checks, facts::Facts};

/// Flags for all metrics and identities.
const ALL: &[&str] = &[
    "--server=https://server",
    "--namespace=shop",
    "--object=namespaces/shop/services/web/q",
    "--pods=shop/q",
    "--root-scoped=nodes/n1/q",
    "--namespace-metric=shop/q",
    "--external=shop/MyQueue",
    "--hook=unused",
    "--unauthenticated",
    "--unauthorized-token-file=a",
    "--custom-reader-token-file=b",
    "--external-reader-token-file=c",
];

fn options(arguments: &[&str]) -> Options {
    match cli::parse(arguments.iter().map(OsString::from)).unwrap() {
        Command::Check(options) => *options,
        other => panic!("{other:?}"),
    }
}

/// Runs the checks whose IDs start with these prefixes.
fn run(mutation: fn(&Request, &mut Response), is_aggregated: bool, arguments: &[&str]) -> (Facts, Vec<Row>) {
    let options = options(arguments);
    let value = Rc::new(Cell::new("42"));
    let mut session = Session::new(CorrectServer { mutation, is_aggregated, value: value.clone() });
    let facts = survey(&mut session, &options, true).unwrap();
    let set = |text: &str| {
        value.set(match text {
            "7" => "7",
            "1.5" => "1500m",
            "1234567" => "1234567",
            "0.001" => "1m",
            "0" => "0",
            other => return Err(format!("unknown {other}")),
        });
        Ok(())
    };
    let rows = runner::run(&mut session, &facts, Environment { hook: Some(&set), pause: &|| {} }, &options.wanted);
    (facts, rows)
}

fn failures(rows: &[Row]) -> Vec<String> {
    let failed = rows.iter().filter(|row| matches!(row.verdict(), Verdict::Fail | Verdict::Differs));
    failed.map(|row| format!("{}: {:?}", row.check.id, row.finding)).collect()
}

fn skipped(rows: &[Row]) -> Vec<&'static str> {
    rows.iter().filter(|row| row.verdict() == Verdict::Skipped).map(|row| row.check.id).collect()
}

#[test]
fn a_correct_server_passes() {
    let (facts, rows) = run(|_, _| {}, false, ALL);
    assert_eq!(failures(&rows), [""; 0]);
    // No metric here has two names, and the Allow header is omitted.
    assert_eq!(skipped(&rows), [""; 0]);
    assert!(report::is_conformant(&rows));
    let table = report::table("https://server", &facts, &rows);
    assert!(
        table.starts_with("https://server, through a direct connection\ncustom.metrics.k8s.io: v1beta1, v1beta2; ")
    );
    assert!(table.ends_with(&format!(
        "{} checks: {0} pass, 0 must fail, 0 should fail, 0 differ from the Go library, 0 skipped\n",
        rows.len()
    )));
}

#[test]
fn paths_that_kube_apiserver_handles_are_skipped() {
    let (_, rows) = run(|_, _| {}, true, ALL);
    assert_eq!(failures(&rows), [""; 0]);
    let skipped = skipped(&rows);
    assert!(skipped.contains(&"server.health") && skipped.contains(&"access.unauthenticated"), "{skipped:?}");
    assert!(!skipped.contains(&"routes.object") && !skipped.contains(&"access.custom"), "{skipped:?}");
}

#[test]
fn finds_metrics_by_discovery() {
    let (facts, rows) = run(|_, _| {}, false, &["--server=https://server", "--namespace=shop"]);
    let names: Vec<_> = facts.named.iter().chain(&facts.wildcards).map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["namespaces/shop/metrics/q", "namespaces/shop/pods/*/q", "namespaces/shop/services/*/q", "nodes/*/q"]
    );
    assert_eq!(facts.external.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop/myqueue"]);
    assert_eq!(failures(&rows), [""; 0]);
}

#[test]
fn a_server_of_one_api_is_checked_for_that_api() {
    let (_, rows) = run(
        |request, response| {
            if request.target.starts_with("/apis/external.metrics.k8s.io") {
                *response = Response { status: 404, ..Response::default() };
            }
        },
        false,
        &["--server=https://server", "--namespace=shop"],
    );
    let fails: Vec<_> = rows.iter().filter(|row| row.verdict() == Verdict::Fail).map(|row| row.check.id).collect();
    assert_eq!(fails, [""; 0]);
    assert!(skipped(&rows).contains(&"external.route"));
}

#[test]
fn each_fault_fails_its_check() {
    let mut tried = std::collections::BTreeSet::new();
    for (id, mutation) in faults::ALL {
        let check = checks::all().find(|check| check.id == *id).unwrap_or_else(|| panic!("no check {id}"));
        let mut arguments = ALL.to_vec();
        // Checks over all exchanges need the other checks.
        if check.timing != Timing::Last {
            arguments.push(id);
        }
        let (_, rows) = run(*mutation, false, &arguments);
        let row = rows.iter().find(|row| row.check.id == *id).unwrap();
        assert!(matches!(row.finding, Finding::Fails(_)), "{id}: {:?}", row.finding);
        assert_eq!(report::is_conformant(std::slice::from_ref(row)), check.level != Level::Must, "{id}");
        tried.insert(*id);
    }
    let untried: Vec<_> = checks::all().map(|check| check.id).filter(|id| !tried.contains(id)).collect();
    assert_eq!(untried, [""; 0]);
}

#[test]
fn ids_are_unique() {
    let mut ids: Vec<_> = checks::all().map(|check| check.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for check in checks::all() {
        assert!(check.need.ends_with('.') && check.need.len() < 160, "{}", check.id);
    }
}

#[test]
fn a_failing_hook_fails_its_checks() {
    let mut session =
        Session::new(CorrectServer { mutation: |_, _| {}, is_aggregated: false, value: Rc::new(Cell::new("42")) });
    let facts = survey(&mut session, &options(ALL), true).unwrap();
    let hook = |_: &str| Err("broken".to_owned());
    let environment = Environment { hook: Some(&hook), pause: &|| {} };
    let rows = runner::run(&mut session, &facts, environment, &["values".to_owned()]);
    assert!(rows.iter().all(|row| row.finding == Finding::Fails("broken".to_owned())) && rows.len() == 5);
}

#[test]
fn reads_the_command_line() {
    let refused = |arguments: &[&str]| cli::parse(arguments.iter().map(OsString::from)).unwrap_err();
    for (arguments, why) in [
        (&[][..], "expected --kubeconfig FILE or --server URL"),
        (&["--server=ftp://a"], r#"--server: expected https://HOST:PORT, or http://127.0.0.1:PORT, found "ftp://a""#),
        (&["--server=http://a"], r#"--server: expected https://HOST:PORT, or http://127.0.0.1:PORT, found "http://a""#),
        (
            &["--server=https://a/b"],
            r#"--server: expected https://HOST:PORT, or http://127.0.0.1:PORT, found "https://a/b""#,
        ),
        (&["--server=http://[::1]:1", "--token-file=t"], "--server: credentials are not sent over http://"),
        (&["--server=https://a", "--kubeconfig=k"], "--kubeconfig and --server exclude each other"),
        (&["--server=https://a", "--context=k"], "--context belongs to --kubeconfig"),
        (&["--server=https://a", "--cert-file=c"], "--cert-file and --key-file belong together"),
        (
            &["--kubeconfig=k", "--ca-file=c"],
            "--server-name, --ca-file, --cert-file, --key-file and --token-file belong to --server",
        ),
        (&["--server=https://a", "--server=https://b"], "--server is given twice"),
        (&["--server=https://a", "--pods=shop"], r#"--pods: expected NAMESPACE/METRIC, found "shop""#),
        (&["--server=https://a", "--bogus"], r#"unknown option "--bogus""#),
        (&["--server=https://a", "--output=x"], r#"--output: expected table or json, found "x""#),
    ] {
        assert_eq!(refused(arguments), why, "{arguments:?}");
    }
    let found = options(&["--server=https://a/", "--pods=shop/q?app=web", "--external=shop/x", "routes", "-o", "json"]);
    assert_eq!(found.custom[0].to_string(), "namespaces/shop/pods/*/q?app=web");
    assert_eq!((found.wanted.len(), found.namespace.as_str()), (1, "default"));
}
