//! `metriclet-conformance` sends a server of the metrics APIs the requests of Kubernetes' clients, and judges its
//! responses.
//!
//! - [`exchange`] is a request and its response, which [`body`], [`list`], [`status`] and [`protobuf`] parse.
//! - [`check`] is a check, and `checks` contains all checks; each plans requests and judges exchanges, and is pure.
//! - [`survey`] collects [`facts`] about the server; [`session`] sends requests over a [`connection`]; [`runner`] runs
//!   the checks in order, with a [`hook`] that sets values; [`report`] prints the results.

mod body;
mod check;
mod checks;
mod cli;
mod connection;
mod exchange;
mod facts;
mod help;
mod hook;
mod json;
mod limits;
mod list;
pub(crate) mod protobuf;
mod quantity;
mod report;
mod runner;
mod session;
mod status;
mod survey;
mod target;
#[cfg(test)]
mod tests;
mod timestamp;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use self::cli::{Command, Options, Place};
use self::connection::Connection;
use self::runner::{Environment, Hook};
use self::session::Session;
use crate::config::cli::Output;
use crate::config::exit;
use crate::config::limits::Limits;
use crate::config::read::read;
use crate::kube_api::kubeconfig::{self, KubeconfigUse};
use crate::kube_api::target::Target;

/// The exit code if a required check fails.
const NOT_CONFORMANT: u8 = 1;

/// Runs the program with the arguments after its name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let command = cli::parse(args);
    // The panic's message is already on stderr.
    catch_unwind(AssertUnwindSafe(|| execute(command))).unwrap_or(ExitCode::from(exit::SOFTWARE))
}

fn execute(command: Result<Command, String>) -> ExitCode {
    match command {
        Ok(Command::Check(options)) => judge(&options),
        Ok(Command::List) => print(&report::list(checks::all()), ExitCode::SUCCESS),
        Ok(Command::Help) => print(help::TEXT, ExitCode::SUCCESS),
        Ok(Command::Version) => {
            print(concat!("metriclet-conformance ", env!("CARGO_PKG_VERSION"), "\n"), ExitCode::SUCCESS)
        }
        Err(why) => fail(exit::USAGE, &format_args!("{why} (see metriclet-conformance --help)")),
    }
}

fn judge(options: &Options) -> ExitCode {
    let limits = Limits { fetch: limits::fetch(), ..Limits::default() };
    let target = match target(&options.server, &limits) {
        Ok(target) => target,
        Err(why) => return fail(exit::CONFIG, &why),
    };
    let mut session = Session::new(Connection::new(&target, &options.tokens, &limits));
    let is_tls = target.server.starts_with("https://");
    let facts = match survey::survey(&mut session, options, is_tls) {
        Ok(facts) => facts,
        Err(why) => return fail(exit::UNAVAILABLE, &format_args!("{}: {why}", target.server)),
    };
    let hook = options.hook.as_ref().map(|command| |value: &str| hook::set(command, value));
    let hook = hook.as_ref().map(|hook| hook as &Hook<'_>);
    let pause = || thread::sleep(limits::PAUSE);
    let rows = runner::run(&mut session, &facts, Environment { hook, pause: &pause }, &options.wanted);
    if rows.is_empty() {
        return fail(exit::USAGE, &"no check has an ID with this prefix (see metriclet-conformance --list)");
    }
    let report = match options.output {
        Output::Table => report::table(&target.server, &facts, &rows),
        Output::Json => report::json(&target.server, &facts, &rows),
    };
    print(&report, ExitCode::from(if report::is_conformant(&rows) { 0 } else { NOT_CONFORMANT }))
}

fn target(place: &Place, limits: &Limits) -> Result<Target, String> {
    let (file, context) = match place {
        Place::Address(target) => return Ok((**target).clone()),
        Place::Kubeconfig { file, context } => (file, context.as_deref()),
    };
    let wrong = |what: &dyn Display| format!("kubeconfig {}: {what}", file.display());
    let bytes = read(file, limits.config.bytes).map_err(|why| wrong(&why))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(&"expected UTF-8"))?;
    let directory = file.parent().unwrap_or(Path::new(""));
    kubeconfig::parse_context(&text, directory, context, KubeconfigUse::Server, limits).map_err(|why| wrong(&why))
}

/// Prints to stdout; a closed pipe is not an error.
fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    code
}

fn fail(code: u8, why: &dyn Display) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "metriclet-conformance: {why}");
    ExitCode::from(code)
}
