//! The flags of `metriclet certs`.

use std::net::IpAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::values::{plain, set, text};
use crate::parse::dns;
use crate::parse::escape::Escaped;

/// The Service, as the manifests name it.
pub(super) const SERVICE: &str = "custom-metrics-apiserver";
pub(super) const NAMESPACE: &str = "custom-metrics";

/// The default validity of certificates: a year.
pub(super) const DAYS: u32 = 365;

/// `metriclet certs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certs {
    /// The Service that the certificate is for.
    pub service: String,
    /// The Service's namespace.
    pub namespace: String,
    /// Further names: DNS names and IP addresses.
    pub names: Vec<String>,
    /// Validity in days from now.
    pub days: u32,
    /// The output.
    pub output: CertsOutput,
    /// `--ca-file`: authorities that stay trusted beside the new one.
    pub ca_file: Option<PathBuf>,
}

/// The output of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertsOutput {
    /// `tls.crt`, `tls.key` and `ca.crt` in this directory.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whether existing files are replaced; the authorities in them stay trusted.
        renew: bool,
    },
    /// The manifest of a Secret with this name, on stdout.
    Secret(String),
}

/// Reads the arguments of `certs`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Certs>, String> {
    let (mut service, mut namespace, mut valid, mut directory) = (None, None, None, None);
    let (mut secret, mut ca_file, mut names, mut renew) = (None, None, Vec::new(), false);
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("service") => set(&mut service, label("--service", text(&mut parser)?)?, "--service")?,
            Arg::Long("namespace") => set(&mut namespace, label("--namespace", text(&mut parser)?)?, "--namespace")?,
            Arg::Long("name") => names.push(name(text(&mut parser)?)?),
            Arg::Long("days") => set(&mut valid, days(&text(&mut parser)?)?, "--days")?,
            Arg::Long("out") => set(&mut directory, PathBuf::from(parser.value().map_err(plain)?), "--out")?,
            Arg::Long("secret") => set(&mut secret, label("--secret", text(&mut parser)?)?, "--secret")?,
            Arg::Long("ca-file") => set(&mut ca_file, PathBuf::from(parser.value().map_err(plain)?), "--ca-file")?,
            Arg::Long("renew") => renew = true,
            other => return Err(plain(other.unexpected())),
        }
    }
    let output = match (directory, secret) {
        (Some(path), None) => CertsOutput::Directory { path, renew },
        (None, Some(_)) if renew => {
            return Err(
                "--renew goes with --out; for a Secret, --ca-file names the authorities that stay trusted".into()
            );
        }
        (None, Some(name)) => CertsOutput::Secret(name),
        _ => return Err("expected either --out DIRECTORY or --secret NAME".into()),
    };
    Ok(Some(Certs {
        service: service.unwrap_or_else(|| SERVICE.to_owned()),
        namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
        names,
        days: valid.unwrap_or(DAYS),
        output,
        ca_file,
    }))
}

/// Parses the validity of a certificate in days.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|days| (1..=3_650).contains(days));
    number.ok_or_else(|| format!("--days: expected 1 to 3650, found {}", Escaped::new(text)))
}

/// Checks a name of one DNS label, as Kubernetes requires for Services and namespaces.
pub(super) fn label(flag: &str, text: String) -> Result<String, String> {
    match dns::is_label(&text) {
        true => Ok(text),
        false => Err(format!(
            "{flag}: expected a name of lower-case letters, digits and dashes, found {}",
            Escaped::new(&text)
        )),
    }
}

/// Checks a DNS name, whose first label may be `*`, or an IP address.
pub(super) fn name(text: String) -> Result<String, String> {
    match text.parse::<IpAddr>().is_ok() || dns::is_name(text.strip_prefix("*.").unwrap_or(&text)) {
        true => Ok(text),
        false => Err(format!("--name: expected a DNS name or an IP address, found {}", Escaped::new(&text))),
    }
}
