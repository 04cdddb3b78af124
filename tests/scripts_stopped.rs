//! The scripts that change a cluster, stopped at each of their calls in turn: they change nothing afterwards, and leave no
//! temporary files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::process::Command;

use common::machine::{Machine, changes};
use common::{file, run};

/// Fails each call, and interrupts it in one of three ways, as from a terminal.
fn stopped(script: &str, arguments: &[&str], machine: impl Fn() -> Machine) {
    let whole = machine().run(script, arguments);
    assert_eq!(whole.code, 0, "{script}: {}", whole.stderr);
    for (number, call) in (1..).zip(&whole.calls) {
        for how in ["1", ["INT", "TERM", "HUP"][number % 3]] {
            let outcome = machine().stopped_at(number, how).run(script, arguments);
            let about = format!("{script} {arguments:?}, {how} at {call}");
            assert_ne!(outcome.code, 0, "{about}: {}", outcome.stdout);
            assert!(how != "1" || !outcome.stderr.is_empty(), "{about}");
            assert_eq!(outcome.changes(), changes(&whole.calls[..number]), "{about}");
        }
    }
}

/// An authority's certificate, encoded as in a Secret.
fn authority() -> String {
    let folder = file("x", "").with_file_name("certs");
    assert_eq!(run(&["certs", "--out", folder.to_str().unwrap()]).0, 0);
    let encoded = Command::new("base64").arg("-w0").arg(folder.join("ca.crt")).output().unwrap().stdout;
    String::from_utf8(encoded).unwrap()
}

#[test]
fn deploy_for_the_first_time() {
    stopped("deploy", &[], Machine::cluster);
}

#[test]
fn deploy_of_another_version() {
    stopped("deploy", &["--image", "example.com/metriclet:2"], || Machine::cluster().installed("QUJD"));
}

#[test]
fn deploy_that_takes_over() {
    let other = || Machine::cluster().answer("get apiservice *", "0", "monitoring/prometheus-adapter");
    stopped("deploy", &["--take-over"], other);
}

#[test]
fn certs() {
    let authority = authority();
    stopped("certs", &[], || Machine::cluster().installed(&authority));
    let renewed = || Machine::cluster().answer("*get secret *renewed*", "0", "1000000000").installed(&authority);
    stopped("certs", &["--drop-old"], renewed);
}

#[test]
fn remove() {
    stopped("remove", &[], || Machine::cluster().installed(""));
    let shared = || Machine::cluster().answer("*get namespace *", "0", "custom-metrics ").installed("");
    stopped("remove", &[], shared);
}
