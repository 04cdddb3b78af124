//! Log lines on stderr: `2026-08-18T02:35:04Z WARN  source exporter: …`.
//!
//! Contents by level:
//! - `error`, `warn`, `info`: names from the configuration, listening addresses, causes. Never paths of requests, bytes
//!   from upstream, or secrets.
//! - `debug`: also hosts and status codes of upstreams, routes and codes of requests.
//! - `trace`: also complete URLs and paths, with selectors. Never header values, credentials or bodies.
//!
//! Libraries log at `warn` and above unless RUST_LOG sets more, and never at `trace`, where ureq logs every byte that it
//! sends. rustls logs at `error` only, because it warns about bytes from peers, so any client could fill the log.

use std::io::Write;

use env_logger::{Builder, DEFAULT_FILTER_ENV, Env, Target};
use log::{Level, LevelFilter};

use super::clock::Clock;
use crate::kube::meta::Time;

/// Starts logging to stderr, by `RUST_LOG` if set, otherwise by `verbosity` (0 info, 1 debug, 2 trace). A second call
/// changes nothing.
pub(crate) fn start(verbosity: u8, quiet: bool, clock: Clock) {
    let level = match verbosity {
        0 if quiet => LevelFilter::Error,
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.target(Target::Stderr);
    let filter = std::env::var_os(DEFAULT_FILTER_ENV).unwrap_or_default();
    if !filter.is_empty() {
        builder.parse_env(Env::default());
        // If trace is enabled for ureq, its debug lines contain the queries of URLs, which may contain secrets.
        if filter.to_string_lossy().to_ascii_lowercase().contains("trace") {
            builder.filter_module("ureq", LevelFilter::Debug);
        }
    } else {
        // Libraries log complete requests at debug.
        builder.filter_level(LevelFilter::Warn).filter_module("metriclet", level);
        builder.filter_module("rustls", LevelFilter::Error);
    }
    builder.format(move |out, record| {
        if record.level() == Level::Trace && !record.target().starts_with("metriclet") {
            return Ok(());
        }
        let time = Time::from_millis(clock.now().unix_millis);
        writeln!(out, "{time} {:<5} {}", record.level(), record.args())
    });
    let _ = builder.try_init();
}
