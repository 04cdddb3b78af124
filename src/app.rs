//! Runs the command that the arguments name.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::command::{self, exit};
use crate::config::cli::{self, Command};
use crate::config::limits::Limits;
use crate::telemetry::clock::Clock;

/// Runs the program with the arguments after its name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let limits = Limits::default();
    let clock = Clock::system();
    match cli::parse(args) {
        Ok(Command::Serve(serve)) => command::serve::run(&serve, &limits, &clock),
        Ok(Command::Check(check)) => command::check::run(&check, &limits),
        Ok(Command::Get(get)) => command::get::run(&get, &limits, &clock),
        Ok(Command::Certs(certs)) => command::certs::run(&certs, &limits, &clock),
        Ok(Command::Probe(url)) => command::probe::run(&url),
        Ok(Command::Help(topic)) => command::print(topic.text()),
        Ok(Command::Version) => command::print(concat!("metriclet ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => command::fail(exit::USAGE, &error),
    }
}
