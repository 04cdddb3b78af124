//! `metriclet certs`: makes a certificate for the secure listener, and the authority that kube-apiserver must trust,
//! as files or as a Secret. A renewal keeps the previous authority trusted.
//!
//! [`issue`](mod@issue) makes both. [`renew`] renews the certificate in a cluster by the steps of [`plan`]; [`authority`]
//! verifies.

mod authority;
mod issue;
mod plan;
pub(crate) mod renew;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use self::authority::{Authority, authorities, bundle};
use self::issue::{Issued, issue};
use super::{eprint, exit, fail, print};
use crate::config::cli::{Certs, CertsOutput};
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::telemetry::clock::Clock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The number of previous authorities that stay trusted, in case rotations overlap.
const KEPT: usize = 3;

/// Runs the command.
pub(crate) fn run(certs: &Certs, limits: &Limits, clock: &Clock) -> ExitCode {
    let now = clock.now().unix_millis.div_euclid(1_000);
    let old = match &certs.output {
        CertsOutput::Directory { path, renew: true } => Some(path.join("ca.crt")),
        _ => None,
    };
    let mut kept = Vec::new();
    for file in certs.ca_file.iter().chain(&old) {
        match unexpired(file, now, limits) {
            Ok(authorities) => kept.extend(authorities),
            Err(why) => return fail(exit::NO_INPUT, &format_args!("{}: {why}", file.display())),
        }
    }
    let issued = match issue(&names(&certs.service, &certs.namespace, &certs.names), certs.days, now) {
        Ok(issued) => issued,
        Err(failure) => return fail(exit::SOFTWARE, &format_args!("cannot issue a certificate: {failure}")),
    };
    let bundle = issued.ca.clone() + &bundle(kept.iter().take(KEPT));
    match &certs.output {
        CertsOutput::Secret(name) => {
            eprint(&format_args!("caBundle: {}", STANDARD.encode(&bundle)));
            print(&secret(name, &certs.namespace, &issued, &bundle))
        }
        CertsOutput::Directory { path, renew } => match write(path, *renew, &issued, &bundle) {
            Ok(()) => print(&format!("caBundle: {}\n", STANDARD.encode(&bundle))),
            Err(why) => fail(exit::CANNOT_CREATE, &why),
        },
    }
}

/// The names of the certificate; the name that kube-apiserver verifies is the first.
fn names(service: &str, namespace: &str, more: &[String]) -> Vec<String> {
    let of_service = [
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
        service.to_owned(),
    ];
    let mut names: Vec<String> = Vec::new();
    for name in of_service.into_iter().chain(more.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The authorities in a file that have not expired, in their order.
fn unexpired(path: &Path, now: i64, limits: &Limits) -> Result<Vec<Authority>, String> {
    let text = read(path, limits.config.certificates).map_err(|why| why.to_string())?;
    let mut authorities = authorities(&text).map_err(|why| why.to_string())?;
    authorities.retain(|authority| authority.is_unexpired(now));
    Ok(authorities)
}

/// Writes the files: the authorities first, the certificate last.
fn write(directory: &Path, renew: bool, issued: &Issued, bundle: &str) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|failure| format!("cannot create {}: {failure}", directory.display()))?;
    let files = [("ca.crt", bundle, 0o644), ("tls.key", &issued.key, 0o600), ("tls.crt", &issued.certificate, 0o644)];
    if let Some((name, ..)) = files.iter().find(|(name, ..)| !renew && directory.join(name).exists()) {
        let path = directory.join(name);
        return Err(format!("{} already exists; --renew replaces it and keeps its authority trusted", path.display()));
    }
    for (name, text, mode) in files {
        let path = directory.join(name);
        replace(&path, text, mode).map_err(|failure| format!("cannot write {}: {failure}", path.display()))?;
    }
    Ok(())
}

/// Replaces a file atomically.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let next = path.with_extension("next");
    let _ = fs::remove_file(&next);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, path)
}

/// The manifest of a Secret of type `kubernetes.io/tls`.
fn secret(name: &str, namespace: &str, issued: &Issued, bundle: &str) -> String {
    let [ca, certificate, key] = [bundle, &issued.certificate, &issued.key].map(|text| STANDARD.encode(text));
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\ntype: kubernetes.io/tls\n\
         data:\n  ca.crt: {ca}\n  tls.crt: {certificate}\n  tls.key: {key}\n"
    )
}
