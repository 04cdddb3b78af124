//! `metriclet get`: answers one path without a server, and prints the events.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;

use super::discovery::Discovery;
use super::local_answer::{local_answer, printable};
use super::{eprint, exit, fail, kubernetes, origin, print};
use crate::api::Api;
use crate::api::message::{JSON, Reply};
use crate::config::cli::{Get, Output};
use crate::config::limits::Limits;
use crate::kube_api::kubeconfig::KubeconfigUse;
use crate::metrics::trace::Event;
use crate::parse::escape::Escaped;
use crate::parse::path::{self, ApiPath, CUSTOM_METRICS, EXTERNAL_METRICS};
use crate::source::error::SourceError;
use crate::telemetry::clock::Clock;
use crate::telemetry::log;

/// The maximum width of a column: one long label must not widen every row.
const WIDEST: usize = 80;

/// Runs the command.
pub(crate) fn run(get: &Get, limits: &Limits, clock: &Clock) -> ExitCode {
    // Events are printed here; log lines would repeat them.
    log::start(get.verbosity.saturating_sub(1), true, clock.clone());
    let api = Arc::new(Api::unconfigured(limits, clock));
    let by = match std::env::var_os("KUBERNETES_SERVICE_HOST") {
        None => KubeconfigUse::Command,
        // In a pod, the kubeconfig must not be able to run programs.
        Some(_) => KubeconfigUse::Server,
    };
    if let Err(why) = kubernetes::connect(get.kubeconfig.as_ref(), by, &api, limits) {
        return fail(exit::CONFIG, &why);
    }
    if let Err(stop) = origin::install_once(&api, &get.origin, limits) {
        return stop;
    }
    let target = target(&get.path);
    if is_list(&target, limits) {
        // Discovery includes the lists of other adapters.
        let _ = Discovery::start(&api, limits);
    }
    let (reply, trace) = local_answer(&api, &target, get.wait, limits, clock);
    if get.verbosity > 0 {
        trace.events().iter().for_each(|event| eprint(event));
    }
    if reply.code == 503
        && get.wait.is_zero()
        && trace.events().iter().any(|event| matches!(event, Event::Range { .. }))
    {
        eprint(&"metriclet: this value needs samples over time, which start now; use --wait 2m to wait for them");
    }
    let is_refreshed = |event: &Event| matches!(event, Event::FetchFailed { error: SourceError::Busy });
    if reply.code == 503 && get.wait.is_zero() && trace.events().iter().any(is_refreshed) {
        eprint(
            &"metriclet: this source is fetched in the background (refresh:); use --wait 20s to wait for the first page",
        );
    }
    match (reply.code, get.output) {
        (200, Output::Table) if reply.media_type == JSON => print(&table(&reply.body)),
        (200, _) => print(&String::from_utf8_lossy(&reply.body)),
        (code, Output::Json) => {
            print(&String::from_utf8_lossy(&reply.body));
            ExitCode::from(exit_code(code))
        }
        (404, Output::Table) if !is_known(&target, limits) => {
            let expected = "namespaces/NAMESPACE/RESOURCE/NAME/METRIC, namespaces/NAMESPACE/metrics/METRIC, \
                            RESOURCE/NAME/METRIC or external/NAMESPACE/METRIC";
            fail(exit::DATA, &format!("expected a path such as {expected}, found {}", Escaped::new(&get.path)))
        }
        (code, Output::Table) => fail(exit_code(code), &refusal(&reply)),
    }
}

/// The path of a request, which may be abbreviated.
fn target(path: &str) -> String {
    match path.strip_prefix("external/") {
        _ if path.starts_with('/') => path.to_owned(),
        Some(external) => format!("/apis/{EXTERNAL_METRICS}/v1beta1/namespaces/{external}"),
        None => format!("/apis/{CUSTOM_METRICS}/v1beta2/{path}"),
    }
}

/// Whether a target is a path of the API, whether or not it has a value.
fn is_known(target: &str, limits: &Limits) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    !matches!(path::parse(path, limits.request.path), Ok(ApiPath::Unknown | ApiPath::UnknownInGroup))
}

/// Whether a target is a discovery path.
fn is_list(target: &str, limits: &Limits) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    matches!(path::parse(path, limits.request.path), Ok(ApiPath::Groups | ApiPath::Resources(..)))
}

fn exit_code(code: u16) -> u8 {
    match code {
        400 => exit::USAGE,
        503 => exit::UNAVAILABLE,
        500 => exit::SOFTWARE,
        _ => exit::DATA,
    }
}

/// `NotFound (404): …`
fn refusal(reply: &Reply) -> String {
    let status: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match (status.get("reason").and_then(Value::as_str), status.get("message").and_then(Value::as_str)) {
        (Some(reason), Some(message)) => format!("{reason} ({}): {message}", reply.code),
        _ => format!("{}: no such path", reply.code),
    }
}

/// Prints values in aligned columns, and other responses unchanged.
fn table(body: &[u8]) -> String {
    let list: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(items) = list.get("items").and_then(Value::as_array) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    if list.get("kind").and_then(Value::as_str) == Some("ExternalMetricValueList") {
        return external_table(items);
    }
    let mut rows = vec![["NAMESPACE", "OBJECT", "METRIC", "VALUE", "TIMESTAMP"].map(str::to_owned)];
    for item in items {
        let text = |pointer: &str| text(item, pointer);
        let object = format!("{}/{}", text("/describedObject/kind"), text("/describedObject/name"));
        let metric = if item.get("metricName").is_some() { text("/metricName") } else { text("/metric/name") };
        rows.push([text("/describedObject/namespace"), object, metric, text("/value"), text("/timestamp")]);
    }
    columns(&rows)
}

fn external_table(items: &[Value]) -> String {
    let mut rows = vec![["METRIC", "LABELS", "VALUE", "TIMESTAMP"].map(str::to_owned)];
    for item in items {
        let labels = item.get("metricLabels").and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{}={}", printable(name), printable(value.as_str().unwrap_or_default())))
            .collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(",") };
        rows.push([text(item, "/metricName"), labels, text(item, "/value"), text(item, "/timestamp")]);
    }
    columns(&rows)
}

fn text(item: &Value, pointer: &str) -> String {
    printable(item.pointer(pointer).and_then(Value::as_str).unwrap_or("-"))
}

/// Aligns columns, except for cells that are too wide.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("   ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns() {
        let body = br#"{"items":[{"describedObject":{"kind":"Service","namespace":"shop","name":"web"},"metric":{"name":"queue_depth"},"timestamp":"2026-08-18T02:35:04Z","value":"1500m"},{"describedObject":{"kind":"Node","name":"n1"},"metricName":"load","timestamp":"2026-08-18T02:35:04Z","value":"3"}]}"#;
        let expected = "\
NAMESPACE   OBJECT        METRIC        VALUE   TIMESTAMP
shop        Service/web   queue_depth   1500m   2026-08-18T02:35:04Z
-           Node/n1       load          3       2026-08-18T02:35:04Z
";
        assert_eq!(table(body), expected);
        assert_eq!(table(b"{\"paths\":[]}"), "{\"paths\":[]}");
        let external = br#"{"kind":"ExternalMetricValueList","items":[{"metricName":"depth","metricLabels":{"queue":"a\nb","x":"1"},"timestamp":"2026-08-18T02:35:04Z","value":"3"},{"metricName":"depth","metricLabels":{},"timestamp":"2026-08-18T02:35:04Z","value":"4"}]}"#;
        let expected = "\
METRIC   LABELS           VALUE   TIMESTAMP
depth    queue=a\\nb,x=1   3       2026-08-18T02:35:04Z
depth    -                4       2026-08-18T02:35:04Z
";
        assert_eq!(table(external), expected);
        let long = "x".repeat(70_000);
        let item = |label: &str| {
            format!(
                r#"{{"metricName":"depth","metricLabels":{{"q":"{label}"}},"timestamp":"2026-08-18T02:35:04Z","value":"3"}}"#
            )
        };
        let items = [item(&long), item("a")].join(",");
        let printed = table(format!(r#"{{"kind":"ExternalMetricValueList","items":[{items}]}}"#).as_bytes());
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[1], format!("depth    q={long}   3       2026-08-18T02:35:04Z"));
        assert_eq!(lines[2], format!("depth    q=a{}3       2026-08-18T02:35:04Z", " ".repeat(80)));
        let forged =
            br#"{"items":[{"describedObject":{"kind":"Service","name":"a\u001b[2J\nb"},"metric":{"name":"q"}}]}"#;
        assert!(table(forged).contains("Service/a\\u{1b}[2J\\nb "), "{}", table(forged));
    }
}
