//! Puts the parts together: arguments to a command, and the API that every command asks.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::api::Api;
use crate::command::{self, exit};
use crate::config::cli::{self, Command};
use crate::config::limits::Limits;
use crate::metrics::Metrics;
use crate::source::upstream::Shared;
use crate::telemetry::clock::Clock;
use crate::telemetry::counters::Counters;

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

/// The API over all its parts, with nothing configured yet.
pub fn api(limits: &Limits, clock: &Clock) -> Api {
    let counters = Arc::new(Counters::default());
    let metrics = Metrics::new(Shared::new(limits.clone(), clock.clone(), counters.clone()));
    Api::new(metrics, counters, limits.clone(), clock.clone())
}
