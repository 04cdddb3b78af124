//! The flags of `metriclet explain`.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use super::certs::label;
use super::values::{Output, output, plain, set, text, verbosity, wait};
use crate::parse::dns;
use crate::parse::escape::Escaped;

/// `metriclet explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explain {
    /// The HPAs to explain.
    pub subject: ExplainSubject,
    /// `--namespace`; otherwise that of the HPA in the file, or `default`.
    pub namespace: Option<String>,
    /// The configuration that answers requests in this process, instead of the server in the cluster.
    pub config: Option<PathBuf>,
    /// The kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    pub context: Option<String>,
    /// The number of replicas.
    pub replicas: Option<i32>,
    /// The selector of the workload's pods.
    pub selector: Option<String>,
    /// The output format.
    pub output: Output,
    /// How long to retry while the response is 503.
    pub wait: Duration,
    /// The log level: 0 by default, higher for more.
    pub verbosity: u8,
}

/// The HPAs to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExplainSubject {
    /// The HPA of this name in the cluster.
    Named(String),
    /// The HPAs in a file.
    File(PathBuf),
}

/// Reads the arguments of `explain`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Explain>, String> {
    let (mut operands, mut hpa, mut namespace, mut config) = (Vec::new(), None, None, None);
    let (mut kubeconfig, mut context, mut replicas, mut selector) = (None, None, None, None);
    let (mut format, mut waits, mut level) = (None, None, 0);
    let path = |parser: &mut Parser| parser.value().map(PathBuf::from).map_err(plain);
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("hpa") => set(&mut hpa, path(&mut parser)?, "--hpa")?,
            Arg::Short('n') | Arg::Long("namespace") => {
                set(&mut namespace, label("--namespace", text(&mut parser)?)?, "--namespace")?;
            }
            Arg::Short('c') | Arg::Long("config") => set(&mut config, path(&mut parser)?, "--config")?,
            Arg::Long("kubeconfig") => set(&mut kubeconfig, path(&mut parser)?, "--kubeconfig")?,
            Arg::Long("context") => set(&mut context, text(&mut parser)?, "--context")?,
            Arg::Long("replicas") => {
                let text = text(&mut parser)?;
                let count = text.parse().ok().filter(|count| *count >= 0);
                let count = count.ok_or_else(|| {
                    format!("--replicas: expected a number of replicas, found {}", Escaped::new(&text))
                })?;
                set(&mut replicas, count, "--replicas")?;
            }
            Arg::Short('l') | Arg::Long("selector") => set(&mut selector, text(&mut parser)?, "--selector")?,
            Arg::Short('o') | Arg::Long("output") => set(&mut format, output(&text(&mut parser)?)?, "--output")?,
            Arg::Long("wait") => set(&mut waits, wait(&text(&mut parser)?)?, "--wait")?,
            Arg::Short('v') | Arg::Long("v") => level = verbosity(level, &mut parser)?,
            Arg::Value(value) => operands.push(value.string().map_err(plain)?),
            other => return Err(plain(other.unexpected())),
        }
    }
    let subject = match (hpa, operands.as_slice()) {
        (Some(file), []) => ExplainSubject::File(file),
        (Some(_), _) => return Err("--hpa and the HPA's name exclude each other".to_owned()),
        (None, operands) => ExplainSubject::Named(name(operands)?),
    };
    if matches!(subject, ExplainSubject::File(_)) && config.is_none() && kubeconfig.is_none() {
        return Err("--hpa needs --config FILE, to answer the HPA's requests here, or --kubeconfig FILE".to_owned());
    }
    Ok(Some(Explain {
        subject,
        namespace,
        config,
        kubeconfig,
        context,
        replicas,
        selector,
        output: format.unwrap_or_default(),
        wait: waits.unwrap_or_default(),
        verbosity: level,
    }))
}

/// `hpa NAME`, or `hpa/NAME`.
fn name(operands: &[String]) -> Result<String, String> {
    let is_kind = |kind: &str| {
        ["hpa", "horizontalpodautoscaler"]
            .contains(&kind.strip_suffix('s').unwrap_or(kind).split('.').next().unwrap_or(kind))
    };
    let (kind, name) = match operands {
        [one] => one.split_once('/').unwrap_or((one, "")),
        [kind, name] => (kind.as_str(), name.as_str()),
        _ => ("", ""),
    };
    match is_kind(kind) && dns::is_name(name) {
        true => Ok(name.to_owned()),
        false => {
            let found = operands.join(" ");
            Err(format!("expected hpa NAME, or --hpa FILE, found {}", Escaped::new(&found)))
        }
    }
}
