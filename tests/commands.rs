//! The built binary's commands: output and exit codes.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::io::Read;
use std::process::Stdio;

use common::upstream::Upstream;
use common::{Server, file, metriclet, run};

const PAGE: &str = "\
# TYPE queue_depth gauge
queue_depth{namespace=\"shop\",service=\"web\"} 3
queue_depth{namespace=\"shop\",service=\"db\"} 1.5
# TYPE jobs_total counter
jobs_total{namespace=\"shop\",service=\"web\"} 12
";

fn config(upstream: &Upstream) -> String {
    let config = format!(
        "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  \
         - {{name: queue_depth, object: services, source: app}}\n  \
         - {{name: broken, object: services, source: nowhere}}\n",
        upstream.url()
    );
    file("metrics.yaml", &config).to_str().unwrap().to_owned()
}

/// Masks parts that differ between runs.
fn masked(text: &str, upstream: &Upstream) -> String {
    let text = text.replace(&upstream.address.to_string(), "ADDRESS");
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let word = |word: &str| match word.len() == 20 && word.ends_with('Z') {
        true => word.chars().map(digits).collect(),
        false => word.to_owned(),
    };
    text.split_inclusive('\n')
        .map(|line| line.trim_end_matches('\n').split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

#[test]
fn prints_help() {
    for (arguments, expected) in [
        (&["--help"][..], include_str!("fixtures/help/metriclet.txt")),
        (&["-h"], include_str!("fixtures/help/metriclet.txt")),
        (&["serve", "--help"], include_str!("fixtures/help/serve.txt")),
        (&["check", "--help"], include_str!("fixtures/help/check.txt")),
        (&["get", "--help"], include_str!("fixtures/help/get.txt")),
        (&["explain", "--help"], include_str!("fixtures/help/explain.txt")),
        (&["certs", "--help"], include_str!("fixtures/help/certs.txt")),
        (&["certs", "renew", "--help"], include_str!("fixtures/help/certs-renew.txt")),
        (&["convert", "--help"], include_str!("fixtures/help/convert.txt")),
        (&["rbac", "--help"], include_str!("fixtures/help/rbac.txt")),
        (&["probe", "--help"], include_str!("fixtures/help/probe.txt")),
    ] {
        assert_eq!(run(arguments), (0, expected.to_owned(), String::new()), "{arguments:?}");
        for line in expected.lines() {
            assert!(line.chars().count() <= 100, "too wide: {line}");
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
    }
}

#[test]
fn prints_its_version() {
    for arguments in [&["--version"][..], &["-V"], &["get", "--version"]] {
        let expected = concat!("metriclet ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(run(arguments), (0, expected.to_owned(), String::new()), "{arguments:?}");
    }
}

/// A closed pipe is not an error.
#[test]
fn prints_into_closed_pipes() {
    let mut child = metriclet(&["--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn rejects_invalid_command_lines() {
    let wide = "the plain listener has no authentication and binds to loopback only; for network access use --tls-cert-file and --tls-private-key-file";
    for (arguments, why) in [
        (&["--nope"][..], "unknown option \"--nope\" (see metriclet --help)".to_owned()),
        (&["get", "--nope", "x"], "unknown option \"--nope\" (see metriclet get --help)".to_owned()),
        (
            &["srve"],
            "expected a command (serve, check, get, explain, certs, convert, rbac or probe), found \"srve\" (see metriclet --help)"
                .to_owned(),
        ),
        (&["serve", "x"], "expected no further argument, found \"x\" (see metriclet serve --help)".to_owned()),
        (&["check"], "expected a file to check (see metriclet check --help)".to_owned()),
        (&["--config"], "--config needs a value (see metriclet --help)".to_owned()),
        (&["get", "nodes/n1/load"], "expected --upstream URL or --config FILE".to_owned()),
        (
            &["--listen", "0.0.0.0:8080"],
            format!("--listen: \"0.0.0.0:8080\" is not a loopback address; {wide} (see metriclet --help)"),
        ),
        (
            &["serve", "--listen", "[::]:8080"],
            format!("--listen: \"[::]:8080\" is not a loopback address; {wide} (see metriclet serve --help)"),
        ),
        (
            &["--listen", "example.com:80"],
            "--listen: expected off or a loopback address and port such as 127.0.0.1:8080, found \"example.com:80\" \
             (see metriclet --help)"
                .to_owned(),
        ),
        (
            &["--listen", "off"],
            "--listen off disables the only listener; HTTPS needs --tls-cert-file and --tls-private-key-file"
                .to_owned(),
        ),
        (
            &["--listen", "127.0.0.1:0", "--upstream", "ftp://x/"],
            "--upstream: expected a URL that starts with http:// or https:// at column 1, found \"ftp\"".to_owned(),
        ),
    ] {
        assert_eq!(run(arguments), (64, String::new(), format!("metriclet: {why}\n")), "{arguments:?}");
    }
}

/// In a cluster, Metriclet's own page is not served by default.
#[test]
fn needs_a_configuration_in_a_cluster() {
    let output = metriclet(&[]).env("KUBERNETES_SERVICE_HOST", "10.0.0.1").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(stderr, "metriclet: in a cluster, serve needs --config FILE or --upstream URL\n");
}

#[test]
fn checks_a_configuration() {
    let good = file(
        "good.yaml",
        "sources:\n  app: {url: 'http://10.0.0.1/metrics', namespaces: [shop]}\nmetrics:\n  \
         - {name: queue_depth, object: services, source: app}\n",
    );
    let good = good.to_str().unwrap();
    assert_eq!(
        run(&["check", good]),
        (0, format!("{good}: 1 rule on 1 source; no errors, no warnings\n"), String::new())
    );

    let surprising = file(
        "surprising.yaml",
        "sources:\n  app: {url: 'http://app/metrics', namespaces: [\"*\"], single: true}\nmetrics:\n  \
         - name: queue_depth\n    object: services\n    source: app\n    onMissing: zero\n",
    );
    let surprising = surprising.to_str().unwrap();
    let (code, stdout, stderr) = run(&["check", surprising]);
    assert_eq!(code, 0);
    assert_eq!(stdout, format!("{surprising}: 1 rule on 1 source; no errors, 2 warnings\n"));
    assert_eq!(
        stderr,
        format!(
            "{surprising}:2:48: warning: namespaces: \"*\" lets the program that serves this page scale objects of every \
             namespace\n  |\n2 |   app: {{url: 'http://app/metrics', namespaces: [\"*\"], single: true}}\n  \
             |                                                ^\n\
             {surprising}:7:16: warning: onMissing: zero scales to the minimum if the program that updates this page stops; error keeps the replicas\n  |\n7 |     onMissing: zero\n  |                ^^^^\n"
        )
    );

    let broken = file(
        "broken.yaml",
        "sources:\n  app:\n    urll: http://app/metrics\nmetrics:\n  - name: queue_depth\n    object: service\n    \
         source: app\n    value: 'sum(queue_depth'\n  - name: load\n    object: nodes\n    source: nowhere\n",
    );
    let broken = broken.to_str().unwrap();
    let (code, stdout, stderr) = run(&["check", broken]);
    assert_eq!(code, 78);
    assert_eq!(stdout, format!("{broken}: 5 errors, no warnings; nothing can be served\n"));
    let half = file(
        "half.yaml",
        "sources: {app: {url: 'http://10.0.0.1/', namespaces: [shop]}}\nmetrics:\n  - {name: a, object: services, source: app}\n  \
         - {name: b, object: services, source: nowhere}\n",
    );
    let half = half.to_str().unwrap();
    let (code, stdout, _) = run(&["check", half]);
    let expected = format!("{half}: 1 error, no warnings; what is left serves 1 rule on 1 source\n");
    assert_eq!((code, stdout), (78, expected));
    let heads: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix(&format!("{broken}:"))).collect();
    assert_eq!(
        heads,
        [
            "2:3: error: url: required",
            "3:5: error: source \"app\": unknown key \"urll\"; did you mean url?",
            "6:13: error: object: unknown resource \"service\"; did you mean services?",
            "8:28: error: value: expected \")\" at column 16, found the end",
            "11:13: error: source: unknown source \"nowhere\"",
        ]
    );

    let (code, stdout, stderr) = run(&["check", "/nowhere/metrics.yaml"]);
    assert_eq!((code, stdout.as_str()), (66, ""));
    assert_eq!(stderr, "metriclet: cannot read configuration /nowhere/metrics.yaml: not found\n");
}

#[test]
fn gets_a_table() {
    let upstream = Upstream::text(PAGE);
    let config = config(&upstream);
    // The abbreviated path, the complete path, and the flag first.
    for arguments in [
        ["get", "namespaces/shop/services/*/queue_depth", "--config", &config],
        ["get", "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/services/%2A/queue_depth", "-c", &config],
        ["get", "-c", &config, "namespaces/shop/services/*/queue_depth?timeout=5s"],
    ] {
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(
            masked(&stdout, &upstream),
            "NAMESPACE   OBJECT        METRIC        VALUE   TIMESTAMP\n\
             shop        Service/db    queue_depth   1500m   0000-00-00T00:00:00Z\n\
             shop        Service/web   queue_depth   3       0000-00-00T00:00:00Z\n"
        );
    }
}

#[test]
fn gets_json() {
    let upstream = Upstream::text(PAGE);
    let path = "namespaces/shop/services/web/queue_depth";
    let (code, stdout, _) = run(&["get", "-o", "json", path, "--upstream", &upstream.url()]);
    assert_eq!(code, 0);
    let list: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(list["apiVersion"], "custom.metrics.k8s.io/v1beta2");
    assert_eq!(list["items"][0]["value"], "3");
    // An error is also JSON, and shown by the exit code.
    let (code, stdout, _) =
        run(&["get", "--output=json", "namespaces/shop/services/web/nope", "--upstream", &upstream.url()]);
    let status: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &status["reason"]), (65, &"NotFound".into()));
}

#[test]
fn shows_events() {
    let upstream = Upstream::text(PAGE);
    let (code, _, stderr) =
        run(&["get", "-v", "namespaces/shop/services/web/queue_depth", "--config", &config(&upstream)]);
    assert_eq!(code, 0, "{stderr}");
    let steps: String =
        masked(&stderr, &upstream).split_inclusive('\n').filter(|line| !line.contains("nowhere")).collect();
    assert_eq!(
        steps,
        format!(
            "rule     queue_depth of services, value queue_depth\n\
             url      http://ADDRESS/metrics\n\
             page     Prometheus text, {} bytes, 3 samples\n\
             series   2 match, TYPE gauge\n\
             object   web: found 3, answer 3\n",
            PAGE.len()
        )
    );
}

/// The page's TYPE determines counters, not the suffix of a name.
#[test]
fn warns_of_counters_by_their_type() {
    let upstream = Upstream::text(
        "# TYPE accepted counter\naccepted 900\n# TYPE jobs_total gauge\njobs_total 3\n# TYPE t histogram\nt_count 9\n\
         # TYPE other untyped\nactive{handler=\"/metrics\"} 1\nactive{handler=\"/buy\"} 2\n",
    );
    for (value, series, warning) in [
        ("accepted", "series   1 match, TYPE counter\n", Some("accepted")),
        ("max(t_count)", "series   1 match, TYPE histogram\n", Some("t_count")),
        ("jobs_total", "series   1 match, TYPE gauge\n", None),
        ("'sum(active{handler=~\".*\"})'", "series   2 match\n", Some("")),
        ("'sum(active{handler!=\"/metrics\"})'", "series   1 match\n", None),
        ("jobs_total + t_count / accepted", "series   3 match, TYPE counter, gauge, histogram\n", None),
    ] {
        let config = file(
            "metrics.yaml",
            &format!(
                "sources:\n  app: {{url: '{}', namespaces: [shop]}}\nmetrics:\n  - {{name: a, object: services, source: \
                 app, value: {value}, describes: {{namespace: shop, name: web}}}}\n",
                upstream.url()
            ),
        );
        let config = config.to_str().unwrap();
        let (code, _, stderr) = run(&["get", "-v", "namespaces/shop/services/web/a", "--config", config]);
        assert_eq!(code, 0, "{stderr}");
        let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("warning ")).collect();
        let expected = warning.map(|name| match name {
            "" => "warning  series with handler=\"/metrics\" count scrapes too; exclude them with \
                   handler!=\"/metrics\""
                .to_owned(),
            name => {
                format!("warning  {name} is a counter (TYPE): it only grows, and so would the replicas; use its rate()")
            }
        });
        assert!(stderr.contains(series), "{value}: {stderr}");
        assert_eq!(lines, expected.as_slice(), "{value}");
    }
}

#[test]
fn logs_more_with_v() {
    let upstream = Upstream::text(PAGE);
    for (level, flag, told) in [
        (None, None, false),
        (None, Some("-v"), true),
        (Some(""), None, false),
        (Some("warn,metriclet::command=info"), Some("-vv"), false),
        (Some("metriclet=debug"), None, true),
    ] {
        let url = upstream.url();
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--upstream", &url];
        arguments.extend(flag);
        let mut command = metriclet(&arguments);
        command.envs(level.map(|level| ("RUST_LOG", level)));
        let mut server = Server::spawn(command);
        assert_eq!(server.metric("namespaces/shop/services/web/queue_depth").values(), "web 3");
        server.signal("INT");
        server.wait_for("stopping");
        assert!(server.wait().success());
        let log = server.seen.join("\n");
        assert_eq!(log.contains("source upstream: Prometheus text"), told, "{level:?} {flag:?}: {log}");
    }
}

#[test]
fn check_counts_rules_as_they_are_written() {
    let rule = "{name: a, object: [services, pods], source: app, value: 'sum(a)'}";
    let config = format!(
        "sources:\n  app: {{url: 'http://app.shop/metrics', namespaces: [shop], single: true}}\nmetrics:\n  - {rule}\n"
    );
    let path = file("metrics.yaml", &config);
    let (code, printed, told) = run(&["check", path.to_str().unwrap()]);
    assert_eq!((code, told.as_str()), (0, ""));
    assert!(printed.ends_with(": 1 rule on 1 source; no errors, no warnings\n"), "{printed}");
}

/// The rule that a message suggests for a series of `--upstream` is valid.
#[test]
fn the_suggested_rule_passes_check() {
    let upstream = Upstream::text(
        "# TYPE x_total counter\nx_total 3\n# TYPE \"jobs.done\" counter\n{\"jobs.done\"} 5\n{\"it's_total\"} 6\n\
         # TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n",
    );
    for metric in ["x_total", "jobs.done", "it's_total", "h_bucket", "h_count"] {
        let path = format!("namespaces/shop/services/web/{metric}");
        let (code, _, told) = run(&["get", &path, "--upstream", &upstream.url(), "--describes", "services/shop/web"]);
        assert_eq!(code, 69, "{told}");
        let rule = told.split("of one process: ").nth(1).and_then(|rest| rest.split("; the rule takes").next());
        let rule = rule.unwrap_or_else(|| panic!("{told}"));
        let config = format!(
            "sources:\n  upstream: {{url: '{}', namespaces: [shop], single: true}}\nmetrics:\n  - {rule}\n",
            upstream.url()
        );
        let config = file("metrics.yaml", &config);
        let (code, printed, told) = run(&["check", config.to_str().unwrap()]);
        assert_eq!((code, told.as_str()), (0, ""), "{rule}");
        assert!(printed.ends_with(": 1 rule on 1 source; no errors, no warnings\n"), "{printed}");
    }
}

/// Waiting does not fix a rule.
#[test]
fn get_does_not_wait_for_an_invalid_rule() {
    let config = "sources:\n  app: {url: 'http://127.0.0.1:1/', namespaces: [shop]}\nmetrics:\n  \
                  - {name: a, object: services, source: app, value: 'sum('}\n";
    let config = file("metrics.yaml", config);
    let path = "namespaces/shop/services/web/a";
    let (code, _, told) = run(&["get", path, "--wait", "24h", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 69);
    assert!(told.contains("its rule is invalid"), "{told}");
}
