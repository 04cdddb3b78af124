//! `metriclet check`: prints all problems of a configuration.

use std::process::ExitCode;

use super::{counted, exit, fail, origin, print, tell};
use crate::config::cli::Check;
use crate::config::file;
use crate::config::limits::Limits;
use crate::config::problem::{Excerpts, Severity};

/// Runs the command.
pub(crate) fn run(check: &Check, limits: &Limits) -> ExitCode {
    let bytes = match origin::read(&check.file, limits) {
        Ok(bytes) => bytes,
        Err(why) => return fail(exit::NO_INPUT, &why),
    };
    let loaded = file::load(&bytes, limits);
    let name = check.file.display().to_string();
    let text = String::from_utf8_lossy(&bytes);
    let excerpts = Excerpts::new(&name, &text);
    for problem in &loaded.problems {
        tell(&excerpts.show(problem).trim_end());
    }
    let count = |severity| loaded.problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let (rules, sources) = (loaded.config.written_rules(), loaded.config.sources.len());
    let good = format!("{} on {}", counted(rules, "rule"), counted(sources, "source"));
    let found = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    print(&match (errors, rules) {
        (0, _) => format!("{name}: {good}; {found}\n"),
        (_, 0) => format!("{name}: {found}; nothing is left to serve\n"),
        _ => format!("{name}: {found}; what is left serves {good}\n"),
    });
    if errors > 0 { ExitCode::from(exit::CONFIG) } else { ExitCode::SUCCESS }
}
