//! Runs the command that the arguments name.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::command::{self, exit};
use crate::config::cli::{self, Command, UsageError};
use crate::config::limits::Limits;
use crate::telemetry::clock::Clock;

/// Runs the program with the arguments after its name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let parsed = cli::parse(args);
    // The message of a panic is on stderr already.
    catch_unwind(AssertUnwindSafe(|| command(parsed))).unwrap_or(ExitCode::from(exit::SOFTWARE))
}

fn command(parsed: Result<Command, UsageError>) -> ExitCode {
    let limits = Limits::default();
    let clock = Clock::system();
    match parsed {
        Ok(Command::Serve(serve)) => command::serve::run(&serve, &limits, &clock),
        Ok(Command::Check(check)) => command::check::run(&check, &limits),
        Ok(Command::Get(get)) => command::get::run(&get, &limits, &clock),
        Ok(Command::Explain(explain)) => command::explain::run(&explain, &limits, &clock),
        Ok(Command::Certs(certs)) => command::certs::run(&certs, &limits, &clock),
        Ok(Command::Renew(renewal)) => command::certs::renew::run(&renewal, &limits, &clock),
        Ok(Command::Convert(convert)) => command::convert::run(&convert, &limits),
        Ok(Command::Rbac(rbac)) => command::rbac::run(&rbac, &limits),
        Ok(Command::Probe(url)) => command::probe::run(&url),
        Ok(Command::Help(topic)) => command::print(topic.text()),
        Ok(Command::Version) => command::print(concat!("metriclet ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => command::fail(exit::USAGE, &error),
    }
}
