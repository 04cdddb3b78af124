//! The flags of `metriclet convert`.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::values::{plain, set, text};
use crate::parse::dns;
use crate::parse::escape::Escaped;

/// `metriclet convert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Convert {
    /// Whose configuration it is.
    pub from: ConvertFrom,
    /// That configuration.
    pub file: Option<PathBuf>,
    /// HPAs that use it.
    pub hpas: Vec<PathBuf>,
    /// The URL of the Prometheus server.
    pub prometheus: Option<String>,
    /// The namespace of HPAs that name none.
    pub namespace: Option<String>,
    /// The names of series.
    pub series: Option<PathBuf>,
}

/// An adapter whose configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConvertFrom {
    PrometheusAdapter,
}

/// Reads the arguments of `convert`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Convert>, String> {
    let (mut from, mut file, mut prometheus, mut namespace, mut series) = (None, None, None, None, None);
    let mut hpas = Vec::new();
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("hpas") => hpas.push(PathBuf::from(parser.value().map_err(plain)?)),
            Arg::Long("prometheus") => set(&mut prometheus, text(&mut parser)?, "--prometheus")?,
            Arg::Long("series") => set(&mut series, PathBuf::from(parser.value().map_err(plain)?), "--series")?,
            Arg::Short('n') | Arg::Long("namespace") => {
                let name = text(&mut parser)?;
                if !dns::is_label(&name) {
                    return Err(format!("--namespace: expected a namespace, found {}", Escaped::new(&name)));
                }
                set(&mut namespace, name, "--namespace")?;
            }
            Arg::Value(value) if from.is_none() => from = Some(adapter(&value.string().map_err(plain)?)?),
            Arg::Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
            other => return Err(plain(other.unexpected())),
        }
    }
    let from = from.ok_or_else(|| format!("expected an adapter: {ADAPTERS}"))?;
    let convert = Convert { from, file, hpas, prometheus, namespace, series };
    convert.check().map(|()| Some(convert))
}

const ADAPTERS: &str = "prometheus-adapter";

fn adapter(name: &str) -> Result<ConvertFrom, String> {
    match name {
        "prometheus-adapter" => Ok(ConvertFrom::PrometheusAdapter),
        _ => Err(format!("expected an adapter ({ADAPTERS}), found {}", Escaped::new(name))),
    }
}

impl Convert {
    /// Whether all is there that this adapter's configuration needs.
    fn check(&self) -> Result<(), String> {
        match self.from {
            ConvertFrom::PrometheusAdapter if self.file.is_none() => {
                Err("expected prometheus-adapter's configuration, such as config.yaml".to_owned())
            }
            ConvertFrom::PrometheusAdapter if self.hpas.is_empty() => {
                Err("expected --hpas FILE with the HPAs that use it; kubectl get hpa -A -o yaml prints them".to_owned())
            }
            ConvertFrom::PrometheusAdapter if self.prometheus.is_none() => {
                Err("expected --prometheus URL, as in prometheus-adapter's --prometheus-url".to_owned())
            }
            ConvertFrom::PrometheusAdapter => Ok(()),
        }
    }
}
