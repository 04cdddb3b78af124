//! Other adapters' configurations: conversion never panics, its result is the same each time, diagnostics have positions
//! within the input files, and the converted configuration and HPAs pass `metriclet check`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::config::limits::{ConfigLimits, Limits};
use metriclet::internals::config::problem::Excerpts;
use metriclet::internals::config::{file, hpa};
use metriclet::internals::convert::{
    Converted, Input, Known, go_template, keda, kube_metrics_adapter, prometheus_adapter,
};

/// Separates the files.
const BETWEEN: &str = "\n===\n";

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    template(&text);
    let limits =
        Limits { config: ConfigLimits { bytes: 8192, nodes: 1024, ..ConfigLimits::default() }, ..Limits::default() };
    let files: Vec<Input<'_>> =
        text.split(BETWEEN).map(|part| Input { name: "file.yaml", bytes: part.as_bytes() }).collect();
    let convert = || convert(*which, &files, &limits);
    let converted = convert();
    assert_eq!(convert(), converted);
    for diagnostic in &converted.diagnostics {
        let Some(file) = files.get(diagnostic.input) else { panic!("a diagnostic on no file: {diagnostic:?}") };
        let text = String::from_utf8_lossy(file.bytes);
        let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count() + 1;
        let problem = &diagnostic.problem;
        assert!(problem.span.line >= 1 && problem.span.line <= lines && problem.span.column >= 1, "{problem}");
        assert!(!problem.message.chars().any(char::is_control), "{problem:?}");
        assert!(Excerpts::new("file.yaml", &text).show(problem).lines().count() <= 4);
    }
    let loaded = file::load(converted.config.as_bytes(), &limits);
    assert!(converted.config.is_empty() || !loaded.problems.iter().any(|problem| problem.is_error()));
    if !converted.hpas.is_empty() {
        // The output may be longer than the input.
        let found = hpa::check(converted.hpas.as_bytes(), &loaded.config, &Limits::default());
        assert!(!found.iter().any(|problem| problem.is_error()), "{found:?}\n{}", converted.hpas);
    }
});

fn convert(which: u8, files: &[Input<'_>], limits: &Limits) -> Converted {
    let known = Known { prometheus: Some("http://prometheus:9090"), namespace: Some("shop"), series: None };
    match (which % 4, files) {
        (0, [config, hpas @ ..]) => prometheus_adapter::convert(*config, hpas, &known, limits),
        (1, [config, hpas @ .., series]) => {
            let known = Known { series: Some(series.bytes), ..known };
            prometheus_adapter::convert(*config, hpas, &known, limits)
        }
        (2, files) => kube_metrics_adapter::convert(files, &known, limits),
        (3, files) => keda::convert(files, &known, limits),
        _ => Converted::default(),
    }
}

/// The text and the names of a template's pieces occur in its text, in order.
fn template(text: &str) {
    match go_template::parse(text) {
        Ok(pieces) => {
            let mut rest = text;
            for piece in &pieces {
                let words = match piece {
                    go_template::TemplatePiece::Text(text) => std::slice::from_ref(text),
                    go_template::TemplatePiece::Field(names) => names.as_slice(),
                };
                for word in words {
                    let Some((_, after)) = rest.split_once(word.as_str()) else {
                        panic!("{word:?} is not in {rest:?}")
                    };
                    rest = after;
                }
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.at) && text[error.at..].starts_with("<<")),
    }
}
