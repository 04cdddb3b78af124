//! `metriclet convert`: converts another adapter's configuration to Metriclet's.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{counted, eprint, exit, fail, origin, print};
use crate::config::cli::{Convert, ConvertFrom};
use crate::config::limits::Limits;
use crate::config::problem::Excerpts;
use crate::convert::{Converted, Input, Known, keda, kube_metrics_adapter, prometheus_adapter};

/// A file's name and text.
struct InputFile {
    name: String,
    bytes: Vec<u8>,
}

/// Runs the command.
pub(crate) fn run(convert: &Convert, limits: &Limits) -> ExitCode {
    let paths = convert.files.iter().chain(&convert.hpas).chain(&convert.series);
    let given: Result<Vec<InputFile>, String> = paths.map(|path| given(path.as_path(), limits)).collect();
    let given = match given {
        Ok(given) => given,
        Err(why) => return fail(exit::NO_INPUT, &why),
    };
    let converted = converted(convert, &given, limits);
    for diagnostic in &converted.diagnostics {
        if let Some(InputFile { name, bytes }) = given.get(diagnostic.input) {
            let text = String::from_utf8_lossy(bytes);
            eprint(&Excerpts::new(name, &text).show(&diagnostic.problem).trim_end());
        }
    }
    converted.notes.iter().for_each(|note| eprint(&format_args!("note: {note}")));
    match (&convert.write_hpas, converted.hpas.as_str()) {
        (_, "") => {}
        (Some(path), hpas) => {
            if let Err(failure) = write(path, hpas) {
                return fail(exit::CANNOT_CREATE, &format_args!("cannot create {}: {failure}", path.display()));
            }
        }
        (None, _) => eprint(&"note: --write-hpas FILE writes the HPAs that go with it"),
    }
    print(&converted.config);
    match converted.diagnostics.iter().filter(|diagnostic| diagnostic.problem.is_error()).count() {
        0 => ExitCode::SUCCESS,
        errors => fail(exit::DATA, &format_args!("{}: not everything is converted", counted(errors, "error"))),
    }
}

/// Creates a file; fails if it exists.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn given(path: &Path, limits: &Limits) -> Result<InputFile, String> {
    let name = path.display().to_string();
    origin::read(path, limits).map(|bytes| InputFile { name, bytes })
}

fn converted(convert: &Convert, given: &[InputFile], limits: &Limits) -> Converted {
    let inputs: Vec<Input<'_>> = given.iter().map(|InputFile { name, bytes }| Input { name, bytes }).collect();
    let (files, series) = match convert.series {
        Some(_) => inputs.split_last().map_or((&[][..], None), |(last, files)| (files, Some(last.bytes))),
        None => (inputs.as_slice(), None),
    };
    let known = Known { prometheus: convert.prometheus.as_deref(), namespace: convert.namespace.as_deref(), series };
    match (convert.from, files) {
        (ConvertFrom::PrometheusAdapter, [config, hpas @ ..]) => {
            prometheus_adapter::convert(*config, hpas, &known, limits)
        }
        (ConvertFrom::PrometheusAdapter, []) => Converted::default(),
        (ConvertFrom::KubeMetricsAdapter, hpas) => kube_metrics_adapter::convert(hpas, &known, limits),
        (ConvertFrom::Keda, files) => keda::convert(files, &known, limits),
    }
}
