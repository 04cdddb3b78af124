//! `metriclet convert`: the built binary's output for other adapters' configurations and HPAs. `METRICLET_RECORD=1` records
//! it. The output always passes `metriclet check`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{file, metriclet, run};
use metriclet::internals::config::file::load;
use metriclet::internals::config::hpa::check;
use metriclet::internals::config::limits::Limits;
use metriclet::internals::config::problem::Problem;
use metriclet::internals::convert::{Input, Known, keda, kube_metrics_adapter, prometheus_adapter};

/// The fixtures of one adapter.
fn folder(adapter: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/convert").join(adapter)
}

/// Runs a conversion in its folder: the exit code, stdout and stderr.
fn convert(adapter: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = metriclet(&[&["convert", adapter], arguments].concat()).current_dir(folder(adapter)).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

/// Compares with the recorded output.
fn is_recorded(adapter: &str, name: &str, found: &str) {
    let path = folder(adapter).join(name);
    if std::env::var_os("METRICLET_RECORD").is_some() {
        fs::write(&path, found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

/// The output is a valid configuration.
fn passes_check(config: &str, hpas: Option<&str>) {
    let config = file("converted.yaml", config);
    let mut arguments = vec!["check".to_owned(), config.to_str().unwrap().to_owned()];
    let hpas = hpas.map(|hpas| file("converted-hpas.yaml", hpas));
    arguments.extend(hpas.iter().flat_map(|hpas| ["--hpa".to_owned(), hpas.to_str().unwrap().to_owned()]));
    let (code, _, stderr) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn converts_prometheus_adapter() {
    let adapter = "prometheus-adapter";
    for (name, more, code) in [
        ("walkthrough", &[][..], 0),
        ("defaults", &["--series", "defaults.series.txt"], 0),
        ("external", &[], 0),
        ("resource-metrics", &["--namespace", "shop"], 65),
        ("refused", &[], 65),
    ] {
        let (config, hpas) = (format!("{name}.yaml"), format!("{name}.hpas.yaml"));
        let url = "http://prometheus.monitoring.svc:9090";
        let arguments = [&[config.as_str(), "--hpas", &hpas, "--prometheus", url], more].concat();
        let (found, stdout, stderr) = convert(adapter, &arguments);
        is_recorded(adapter, &format!("{name}.converted.yaml"), &stdout);
        is_recorded(adapter, &format!("{name}.diagnostics.txt"), &stderr);
        assert_eq!(found, code, "{name}: {stderr}");
        if !stdout.is_empty() {
            let hpas = fs::read_to_string(folder(adapter).join(hpas)).unwrap();
            passes_check(&stdout, (code == 0).then_some(&hpas));
        }
    }
}

/// Conversions that write HPAs: the configuration, the HPAs and the diagnostics are recorded.
#[test]
fn converts_kube_metrics_adapter_and_keda() {
    let prometheus = ["--prometheus", "http://prometheus.monitoring.svc:9090"];
    for (adapter, name, code) in [
        ("kube-metrics-adapter", "walkthrough", 0),
        ("kube-metrics-adapter", "refused", 65),
        ("keda", "walkthrough", 0),
        ("keda", "refused", 65),
    ] {
        let input = format!("{name}.yaml");
        let written = file("hpas.yaml", "").with_file_name("written.yaml");
        let hpas = ["--write-hpas", written.to_str().unwrap()];
        let arguments = match adapter {
            "keda" => [&[input.as_str()], &hpas[..]].concat(),
            _ => [&["--hpas", &input], &hpas[..], &prometheus[..]].concat(),
        };
        let (found, stdout, stderr) = convert(adapter, &arguments);
        is_recorded(adapter, &format!("{name}.converted.yaml"), &stdout);
        is_recorded(adapter, &format!("{name}.diagnostics.txt"), &stderr);
        assert_eq!(found, code, "{adapter} {name}: {stderr}");
        let hpas = fs::read_to_string(&written).ok();
        assert_eq!(hpas.is_some(), code == 0, "{adapter} {name}: no HPA is written unless it is converted completely");
        if let Some(hpas) = hpas {
            is_recorded(adapter, &format!("{name}.hpas.yaml"), &hpas);
            passes_check(&stdout, Some(&hpas));
            let (code, _, stderr) = convert(adapter, &arguments);
            assert_eq!(code, 73, "{stderr}");
        }
    }
}

/// `kubectl get --raw` prints a typed list, whose items name neither their version nor their kind.
#[test]
fn a_typed_list_becomes_complete_hpas() {
    let list = "\
kind: HorizontalPodAutoscalerList
apiVersion: autoscaling/v2
items:
  - apiVersion: autoscaling/v2
    metadata: {name: web, namespace: shop, annotations: {metric-config.pods.load.json-path/json-key: $.load, \
                metric-config.pods.load.json-path/port: '80'}}
    spec:
      scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
      maxReplicas: 3
      metrics: [{type: Pods, pods: {metric: {name: load}, target: {type: AverageValue, averageValue: 9}}}]
";
    let written = file("hpas.yaml", "").with_file_name("written.yaml");
    let list = file("list.yaml", list);
    let arguments = ["--hpas", list.to_str().unwrap(), "--write-hpas", written.to_str().unwrap()];
    let (code, stdout, stderr) = convert("kube-metrics-adapter", &arguments);
    assert_eq!(code, 0, "{stderr}");
    let hpas = fs::read_to_string(&written).unwrap();
    assert!(hpas.contains("\nkind: HorizontalPodAutoscaler\n"), "{hpas}");
    passes_check(&stdout, Some(&hpas));
}

/// Texts that damage a file: keywords of the formats, and YAML syntax.
const PIECES: [&str; 40] = [
    "<<.Series>>",
    "<<.LabelMatchers>>",
    "<<.GroupBy>>",
    "<<index .LabelValuesByName \"pod\">>",
    "<<if .Series>>",
    "<<",
    ">>",
    "{name}",
    "{namespace}",
    "$matchers",
    "$by",
    "$1",
    "${1}",
    "^(.*)$",
    "(a|b)",
    "pod",
    "namespace",
    "sum(x) by (pod)",
    "scalar(sum(x))",
    "vector(0)",
    "x[5m:1m]",
    "0",
    "-1",
    "1e400",
    "NaN",
    "true",
    "null",
    "\"",
    "'",
    "`",
    ":",
    "- ",
    "  ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "#",
    "\u{7f}é",
];

/// Pseudorandom numbers with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }

    /// A text with a few words, lines or values replaced or moved.
    fn damage(&mut self, text: &str) -> String {
        let mut parts: Vec<String> =
            text.split_inclusive([' ', '\n', ',', '(', ')', '"', '.']).map(str::to_owned).collect();
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(parts.len()), self.below(parts.len()));
            match self.below(4) {
                0 => drop(parts.remove(at)),
                1 => parts[at] = parts[other].clone(),
                2 => parts.insert(at, PIECES[self.below(PIECES.len())].to_owned()),
                _ => parts.swap(at, other),
            }
        }
        parts.concat()
    }
}

/// For any files, the output is reproducible, diagnostics have positions, and the configuration passes the check.
#[test]
fn damaged_files_result_in_valid_configurations() {
    let limits = Limits::default();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let read = |adapter: &str, name: &str| fs::read_to_string(folder(adapter).join(name)).unwrap();
    let mut converted_rules = 0;
    for (adapter, names) in [
        ("prometheus-adapter", &[&["walkthrough.yaml", "walkthrough.hpas.yaml"][..]][..]),
        ("prometheus-adapter", &[&["external.yaml", "external.hpas.yaml"], &["refused.yaml", "refused.hpas.yaml"]]),
        (
            "prometheus-adapter",
            &[&["defaults.yaml", "defaults.hpas.yaml"], &["resource-metrics.yaml", "resource-metrics.hpas.yaml"]],
        ),
        ("kube-metrics-adapter", &[&["walkthrough.yaml"], &["refused.yaml"]]),
        ("keda", &[&["walkthrough.yaml"], &["refused.yaml"]]),
    ] {
        for names in names {
            let texts: Vec<String> = names.iter().map(|name| read(adapter, name)).collect();
            for _ in 0..60 {
                let damaged: Vec<String> = texts.iter().map(|text| random.damage(text)).collect();
                let files: Vec<Input<'_>> =
                    damaged.iter().map(|text| Input { name: "file.yaml", bytes: text.as_bytes() }).collect();
                let known = Known { prometheus: Some("http://prometheus:9090"), namespace: Some("shop"), series: None };
                let convert = || match adapter {
                    "prometheus-adapter" => prometheus_adapter::convert(files[0], &files[1..], &known, &limits),
                    "kube-metrics-adapter" => kube_metrics_adapter::convert(&files, &known, &limits),
                    _ => keda::convert(&files, &known, &limits),
                };
                let converted = convert();
                assert_eq!(convert(), converted);
                for diagnostic in &converted.diagnostics {
                    let lines = damaged[diagnostic.input].lines().count() + 1;
                    let problem = &diagnostic.problem;
                    assert!((1..=lines).contains(&problem.span.line) && problem.span.column > 0, "{problem}");
                    assert!(!problem.message.chars().any(char::is_control), "{problem:?}");
                }
                let loaded = load(converted.config.as_bytes(), &limits);
                let is_error = |problem: &Problem| problem.is_error();
                assert!(converted.config.is_empty() || !loaded.problems.iter().any(is_error), "{}", converted.config);
                converted_rules += loaded.config.rules.len();
                if !converted.hpas.is_empty() {
                    let found = check(converted.hpas.as_bytes(), &loaded.config, &limits);
                    assert!(!found.iter().any(is_error), "{found:?} in {}", converted.hpas);
                }
            }
        }
    }
    assert!(converted_rules > 200, "only {converted_rules} rules converted");
}

/// HPAs of versions without these fields are rejected.
#[test]
fn accepts_hpas_of_known_versions() {
    let hpa = |version: &str| {
        format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: web\n  namespace: shop\n  \
             annotations: {{metric-config.pods.rps.json-path/port: \"80\", metric-config.pods.rps.json-path/json-key: $.a}}\n\
             spec: {{scaleTargetRef: {{name: web}}, maxReplicas: 3, metrics: [{{type: Pods, pods: {{metric: {{name: rps}}, target: \
             {{averageValue: 9}}}}}}]}}\n"
        )
    };
    for (version, code) in [("v2", 0), ("v2beta2", 0), ("v2beta1", 65), ("v1", 65)] {
        let hpas = file("hpas.yaml", &hpa(version));
        let (found, stdout, stderr) = convert("kube-metrics-adapter", &["--hpas", hpas.to_str().unwrap()]);
        assert_eq!((found, stdout.is_empty()), (code, code != 0), "{version}: {stderr}");
        assert_eq!(
            stderr.contains("hpas.yaml:1:13: error: expected autoscaling/v2 or"),
            code != 0,
            "{version}: {stderr}"
        );
    }
}

/// Rules for any series need the list of series.
#[test]
fn does_not_guess_series() {
    let url = "http://prometheus.monitoring.svc:9090";
    let arguments = ["defaults.yaml", "--hpas", "defaults.hpas.yaml", "--prometheus", url];
    let (code, stdout, stderr) = convert("prometheus-adapter", &arguments);
    assert_eq!((code, stdout.as_str()), (65, ""));
    assert!(stderr.contains("metric \"http_requests\": several rules or series may serve it: "), "{stderr}");
    let json = r#"{"status":"success","data":["http_requests_total","queue_depth","jobs_total"]}"#;
    let series = file("series.json", json);
    let (code, stdout, stderr) =
        convert("prometheus-adapter", &[&arguments[..], &["--series", series.to_str().unwrap()]].concat());
    assert_eq!(code, 65);
    assert!(stdout.contains("value: sum(rate(http_requests_total[5m]))"), "{stdout}");
    assert!(stderr.contains("metric \"cpu_usage\": no rule serves it"), "{stderr}");
    passes_check(&stdout, None);
}

#[test]
fn reports_unreadable_files() {
    let hpas = file("hpas.yaml", "apiVersion: v1\nkind: Service\n");
    let hpas = hpas.to_str().unwrap();
    for (config, expected) in [
        ("rules: [", "bad.yaml:1:9: error: not YAML: "),
        (
            "rule: []",
            "bad.yaml:1:1: error: prometheus-adapter's configuration: unknown key \"rule\"; did you mean rules?",
        ),
        ("rules: x", "bad.yaml:1:8: error: rules: expected a list, found text"),
        ("rules:\n  - seriesQuery: up\n", "bad.yaml:2:5: error: metricsQuery: required"),
        (
            "rules:\n  - {seriesQuery: up, metricsQuery: 'sum(<<.Serie>>)'}\n",
            "bad.yaml:2:42: error: metricsQuery: expected <<.Series>>, ",
        ),
        (
            "rules:\n  - {seriesQuery: up, metricsQuery: 'sum(<<range .GroupBySlice>>)'}\n",
            "bad.yaml:2:42: error: metricsQuery: expected <<.Series>>, ",
        ),
        (
            "kind: ConfigMap\ndata: {a: b}\n",
            "bad.yaml:1:1: error: expected a ConfigMap whose data has one file of YAML",
        ),
        (
            "kind: ConfigMap\ndata:\n  a.yaml: |\n    rules:\n      - x\n",
            "bad.yaml:5:9: error: rules[0]: expected a mapping",
        ),
        ("kind: ConfigMap\ndata:\n  a.yaml: \"rules: [x]\"\n", "bad.yaml:3:3: error: rules[0]: expected a mapping"),
    ] {
        let path = file("bad.yaml", config);
        let arguments = [path.to_str().unwrap(), "--hpas", hpas, "--prometheus", "http://prometheus:9090"];
        let (code, stdout, stderr) = convert("prometheus-adapter", &arguments);
        assert_eq!((code, stdout.as_str()), (65, ""), "{config}");
        assert!(stderr.contains(expected), "{config}: {stderr}");
        assert!(stderr.contains("expected a HorizontalPodAutoscaler of autoscaling/v2, found none"), "{stderr}");
    }
}
