//! `metriclet check`: prints all problems of a configuration.

use std::fmt::Write;
use std::process::ExitCode;

use super::{counted, eprint, exit, fail, origin, print};
use crate::config::check::REPLICAS_HINT;
use crate::config::cli::Check;
use crate::config::file;
use crate::config::hpa;
use crate::config::limits::Limits;
use crate::config::model::Config;
use crate::config::problem::{Excerpts, Severity};
use crate::http::resolve::{LookupTime, Resolver};
use crate::parse::escape::Escaped;
use crate::parse::glob::NameGlob;
use crate::parse::path::Group;
use crate::parse::sort;

/// The maximum number of hosts to look up.
const LOOKED_UP: usize = 16;

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
        eprint(&excerpts.show(problem).trim_end());
    }
    let replicated = replicated(&loaded.config, limits);
    for source in &replicated {
        eprint(&format!(
            "{name}: warning: source {}: the host of its url resolves to several addresses{REPLICAS_HINT}",
            Escaped::new(source)
        ));
    }
    let mut problems = loaded.problems;
    if let Some(hpa) = &check.hpa {
        let bytes = match origin::read(hpa, limits) {
            Ok(bytes) => bytes,
            Err(why) => return fail(exit::NO_INPUT, &why),
        };
        let (name, text) = (hpa.display().to_string(), String::from_utf8_lossy(&bytes));
        let excerpts = Excerpts::new(&name, &text);
        let found = hpa::check(&bytes, &loaded.config, limits);
        found.iter().for_each(|problem| eprint(&excerpts.show(problem).trim_end()));
        problems.extend(found);
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning) + replicated.len());
    let (rules, sources) = (loaded.config.written_rules(), loaded.config.sources.len());
    let good = format!("{} on {}{}", counted(rules, "rule"), counted(sources, "source"), forwarded(&loaded.config));
    let found = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    print(&match (errors, rules) {
        (0, _) => format!("{name}: {good}; {found}\n"),
        (_, 0) if loaded.config.forward.is_none() => format!("{name}: {found}; nothing can be served\n"),
        _ => format!("{name}: {found}; what is left serves {good}\n"),
    });
    if errors > 0 { ExitCode::from(exit::CONFIG) } else { ExitCode::SUCCESS }
}

/// `, 2 of them shadowed; forwards other metrics to monitoring/prometheus-adapter`
fn forwarded(config: &Config) -> String {
    let Some(forward) = &config.forward else { return String::new() };
    let shadowed = sort::set(config.rules.iter().filter(|rule| rule.shadow).map(|rule| rule.line)).len();
    let mut text = if shadowed > 0 { format!(", {shadowed} shadowed") } else { String::new() };
    let names: Vec<&str> = forward.metrics.iter().map(NameGlob::as_str).collect();
    let of_names = if names == ["*"] { String::new() } else { format!(" {}", Escaped::new(&names.join(", "))) };
    for (at, (group, adapter)) in forward.adapters().enumerate() {
        let (verb, what) = match group {
            Group::Custom => ("; forwards", "other metrics"),
            Group::External => (if at == 0 { "; forwards" } else { "," }, "other external metrics"),
        };
        let _ = write!(text, "{verb} {what}{of_names} to {}", adapter.address);
    }
    text
}

/// The sources whose hosts have several addresses, as a headless Service has. A host that cannot be resolved here may
/// exist in the cluster.
fn replicated(config: &Config, limits: &Limits) -> Vec<String> {
    let resolver = Resolver::new(limits);
    let is_replicated = |host: &str| {
        let time = LookupTime { longest: limits.resolve.timeout, is_full: true };
        let addresses = resolver.look_up(host, time).unwrap_or_default();
        let version_4 = addresses.iter().filter(|address| address.is_ipv4()).count();
        version_4.max(addresses.len() - version_4) > 1
    };
    let hosts = config.sources.iter().filter_map(|source| {
        // The proxy resolves the host.
        let url = source.shared_url().filter(|_| !source.is_behind_a_service() && source.proxy.is_none())?;
        Some((source, url.fixed_host().filter(|host| !host.starts_with('['))?))
    });
    // Each lookup may take a second.
    let looked_up = hosts.take(LOOKED_UP).filter(|(_, host)| is_replicated(host));
    looked_up.map(|(source, _)| source.name.clone()).collect()
}
