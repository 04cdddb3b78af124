//! The flags of `metriclet convert`.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::values::{plain, set, text};
use crate::parse::dns;
use crate::parse::escape::Escaped;

/// `metriclet convert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Convert {
    /// The adapter that the configuration is for.
    pub from: ConvertFrom,
    /// The files of that configuration.
    pub files: Vec<PathBuf>,
    /// HPAs that use it.
    pub hpas: Vec<PathBuf>,
    /// The URL of the Prometheus server.
    pub prometheus: Option<String>,
    /// The namespace of HPAs without a namespace.
    pub namespace: Option<String>,
    /// The file with names of series.
    pub series: Option<PathBuf>,
    /// The file for the HPAs that replace the converted ones.
    pub write_hpas: Option<PathBuf>,
}

/// An adapter whose configuration can be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConvertFrom {
    PrometheusAdapter,
    KubeMetricsAdapter,
    Keda,
}

/// Reads the arguments of `convert`; `None` is `--help`.
pub(super) fn read(mut parser: Parser) -> Result<Option<Convert>, String> {
    let (mut from, mut prometheus, mut namespace, mut series, mut write_hpas) = (None, None, None, None, None);
    let (mut files, mut hpas) = (Vec::new(), Vec::new());
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("hpas") => hpas.push(PathBuf::from(parser.value().map_err(plain)?)),
            Arg::Long("prometheus") => set(&mut prometheus, text(&mut parser)?, "--prometheus")?,
            Arg::Long("series") => set(&mut series, PathBuf::from(parser.value().map_err(plain)?), "--series")?,
            Arg::Long("write-hpas") => {
                set(&mut write_hpas, PathBuf::from(parser.value().map_err(plain)?), "--write-hpas")?;
            }
            Arg::Short('n') | Arg::Long("namespace") => {
                let name = text(&mut parser)?;
                if !dns::is_label(&name) {
                    return Err(format!("--namespace: expected a namespace, found {}", Escaped::new(&name)));
                }
                set(&mut namespace, name, "--namespace")?;
            }
            Arg::Value(value) if from.is_none() => from = Some(adapter(&value.string().map_err(plain)?)?),
            Arg::Value(value) => files.push(PathBuf::from(value)),
            other => return Err(plain(other.unexpected())),
        }
    }
    let from = from.ok_or_else(|| format!("expected an adapter: {ADAPTERS}"))?;
    let convert = Convert { from, files, hpas, prometheus, namespace, series, write_hpas };
    convert.check().map(|()| Some(convert))
}

const ADAPTERS: &str = "prometheus-adapter, kube-metrics-adapter or keda";

fn adapter(name: &str) -> Result<ConvertFrom, String> {
    match name {
        "prometheus-adapter" => Ok(ConvertFrom::PrometheusAdapter),
        "kube-metrics-adapter" => Ok(ConvertFrom::KubeMetricsAdapter),
        "keda" => Ok(ConvertFrom::Keda),
        _ => Err(format!("expected an adapter ({ADAPTERS}), found {}", Escaped::new(name))),
    }
}

impl Convert {
    /// Checks that the arguments are those that this adapter needs.
    fn check(&self) -> Result<(), String> {
        let hpas = "expected --hpas FILE with the HPAs that use it; kubectl get hpa -A -o yaml prints them";
        let (is_adapter, is_keda) = (self.from == ConvertFrom::PrometheusAdapter, self.from == ConvertFrom::Keda);
        let wrong = match self.files.as_slice() {
            [] if is_adapter => Some("expected prometheus-adapter's configuration, such as config.yaml"),
            [] if is_keda => Some("expected files with ScaledObjects"),
            [_, _, ..] if is_adapter => Some("expected one configuration of prometheus-adapter"),
            [_, ..] if !is_adapter && !is_keda => Some("expected no files other than those of --hpas"),
            _ if is_keda && !self.hpas.is_empty() => Some("--hpas is for adapters that use HPAs; KEDA makes its own"),
            _ if !is_keda && self.hpas.is_empty() => Some(hpas),
            _ if is_adapter && self.prometheus.is_none() => {
                Some("expected --prometheus URL, as in prometheus-adapter's --prometheus-url")
            }
            _ if is_keda && self.prometheus.is_some() => {
                Some("--prometheus is not for keda: triggers name their server")
            }
            _ if is_adapter && self.write_hpas.is_some() => {
                Some("--write-hpas is not for prometheus-adapter: its HPAs stay unchanged")
            }
            _ if !is_adapter && self.series.is_some() => Some("--series is for prometheus-adapter"),
            _ => None,
        };
        wrong.map_or(Ok(()), |wrong| Err(wrong.to_owned()))
    }
}
