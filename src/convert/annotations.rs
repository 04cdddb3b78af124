//! Parses kube-metrics-adapter's annotations on an HPA: `metric-config.TYPE.METRIC.COLLECTOR/KEY`.

use super::diagnostics::{Diagnostics, Position};
use crate::parse::escape::Escaped;
use crate::parse::yaml::{Node, YamlValue};

/// The prefix of the annotations.
pub(super) const PREFIX: &str = "metric-config.";

/// The annotations for one metric.
#[derive(Debug)]
pub(super) struct Annotated {
    /// `pods`, `object`, or `external`.
    pub(super) kind: &'static str,
    pub(super) metric: String,
    pub(super) collector: String,
    pub(super) settings: Vec<Setting>,
}

/// A setting: a key and its value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) position: Position,
}

/// The annotations of an HPA, grouped by metric; `None` (and diagnostics) if an annotation with the prefix is invalid.
pub(super) fn read(hpa: &Node, input: usize, before: usize, diagnostics: &mut Diagnostics) -> Option<Vec<Annotated>> {
    let entries = match hpa.at(&["metadata", "annotations"]).map(|node| &node.value) {
        Some(YamlValue::Mapping(entries)) => entries.as_slice(),
        _ => &[],
    };
    let mut all: Vec<Annotated> = Vec::new();
    let mut is_whole = true;
    for (key, node) in entries.iter().filter(|(key, _)| key.text.starts_with(PREFIX)) {
        let position = Position::new(input, before, key.span);
        let Some((kind, metric, collector, setting)) = parts(&key.text) else {
            let found = Escaped::new(&key.text);
            diagnostics.error(position, format!("expected metric-config.TYPE.METRIC.COLLECTOR/KEY, found {found}"));
            is_whole = false;
            continue;
        };
        let setting = Setting {
            key: setting.to_owned(),
            value: node.text().unwrap_or_default().to_owned(),
            position: Position::new(input, before, if node.span.width > 0 { node.span } else { key.span }),
        };
        match all.iter_mut().find(|other| other.kind == kind && other.metric == metric) {
            Some(same) if same.collector == collector => same.settings.push(setting),
            Some(other) => {
                let message = format!(
                    "metric {} already has the collector {}, and kube-metrics-adapter may use either",
                    Escaped::new(metric),
                    Escaped::new(&other.collector)
                );
                diagnostics.error(position, message);
                is_whole = false;
            }
            None => {
                let [metric, collector] = [metric, collector].map(str::to_owned);
                all.push(Annotated { kind, metric, collector, settings: vec![setting] });
            }
        }
    }
    is_whole.then_some(all)
}

/// The type, the metric, the collector and the key of an annotation.
fn parts(key: &str) -> Option<(&'static str, &str, &str, &str)> {
    let (names, setting) = key.strip_prefix(PREFIX)?.split_once('/')?;
    let mut names = names.split('.');
    let (kind, metric, collector) = (names.next()?, names.next()?, names.next()?);
    let kind = match kind {
        "pods" => "pods",
        "object" => "object",
        // kube-metrics-adapter, too, treats every other type as external.
        _ => "external",
    };
    (names.next().is_none() && !setting.contains('/')).then_some((kind, metric, collector, setting))
}
