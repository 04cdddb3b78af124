//! Configuration files and files of HPAs: always a result, the same each time, with positions within the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::config::limits::{ConfigLimits, Limits};
use metriclet::internals::config::problem::Excerpts;
use metriclet::internals::config::{file, hpa};

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        config: ConfigLimits { bytes: 4096, nodes: 512, rules: 16, ..ConfigLimits::default() },
        ..Limits::default()
    };
    let loaded = file::load(data, &limits);
    assert_eq!(file::load(data, &limits), loaded);
    let text = String::from_utf8_lossy(data);
    // An error at the end of a file may be reported on the line after it.
    let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count() + 1;
    let excerpts = Excerpts::new("config.yaml", &text);
    for problem in &loaded.problems {
        assert!(problem.span.line >= 1 && problem.span.line <= lines, "{problem}");
        assert!(problem.span.column >= 1, "{problem}");
        assert!(!problem.message.chars().any(char::is_control), "{problem:?}");
        assert!(excerpts.show(problem).lines().count() <= 4);
    }
    for rule in &loaded.config.rules {
        assert!(rule.source < loaded.config.sources.len() && rule.is_external() == rule.objects.is_empty());
    }
    // The same text as a file of HPAs.
    for problem in hpa::check(data, &loaded.config, &limits) {
        assert!(problem.span.line >= 1 && problem.span.line <= lines && problem.span.column >= 1, "{problem}");
        assert!(!problem.message.chars().any(char::is_control), "{problem:?}");
        assert!(excerpts.show(&problem).lines().count() <= 4);
    }
    if !loaded.config.broken.is_empty() {
        assert!(loaded.problems.iter().any(|problem| problem.is_error()));
    }
});
