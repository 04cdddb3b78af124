//! Every documented command runs as written, in a separate checkout with a stand-in for the cluster; or it is listed here
//! with the reason why it does not run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::documents::{blocks, commands, documents, flags};
use common::machine::{Machine, which};
use common::upstream::{Upstream, page};
use common::{Server, file, has, metriclet, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Commands that run with additional arguments, or not at all.
const OTHERWISE: [(&str, Option<&str>, &str); 11] = [
    ("scripts/test", None, "it runs this"),
    ("cargo build --release", None, "cargo has built just that, but for speed, before this is run"),
    ("scripts/fuzz", None, "it takes a quarter of an hour; scripts/test runs it for less"),
    ("scripts/fuzz path 600", None, "it takes ten minutes"),
    ("cargo +nightly fuzz run path fuzz/artifacts/path/crash-…", None, "the crash does not exist"),
    ("scripts/test-nodes", None, "it needs root, and half an hour"),
    ("scripts/image", Some("--dry-run"), "scripts/test-image builds it"),
    (
        "metriclet-conformance --kubeconfig ~/.kube/config --pods 'shop/queue_depth?app=web'",
        None,
        "it needs a cluster; tests/cluster runs it with one",
    ),
    ("scripts/develop --once", Some("--dry-run"), "Kind needs Docker"),
    ("metriclet explain hpa web -n shop", None, "it needs a cluster; tests/cluster runs it with one"),
    ("metriclet certs renew --renew-before 90d", None, "it needs a cluster; tests/renewal runs it with one"),
];

/// The response of kube-apiserver's stand-in to a request for a metric.
const LIST: &str = r#"{"kind":"MetricValueList"}"#;

/// The state after the steps of README.md: two pages, rules on them, and a cluster with Metriclet.
struct Checkout {
    machine: Machine,
    folder: PathBuf,
    upstream: Upstream,
    /// The processes that `cargo run` has started.
    server: Option<Server>,
}

impl Checkout {
    fn new() -> Self {
        let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
        let block = |start: &str| {
            let blocks = blocks(&readme);
            blocks.into_iter().find(|(_, _, text)| text.starts_with(start)).unwrap().2
        };
        let queue = block("# TYPE queue_depth gauge");
        let upstream = Upstream::start(move |head, stream| {
            let text = if head.starts_with("GET /metrics.txt ") { &queue } else { "# TYPE jobs gauge\njobs 3\n" };
            let _ = std::io::Write::write_all(stream, &page("text/plain; version=0.0.4", text));
        });
        let certs = file("x", "").with_file_name("certs");
        assert_eq!(run(&["certs", "--out", certs.to_str().unwrap()]).0, 0);
        let authority = Command::new("base64").arg("-w0").arg(certs.join("ca.crt")).output().unwrap().stdout;
        let machine = Machine::new(&["kubectl", "helm", "kind", "cargo", "clang"])
            .answer("*get --raw /apis/*", "0", LIST)
            .answer("*get secret *renewed*", "0", "1000000000")
            .installed(&String::from_utf8(authority).unwrap());
        symlink(env!("CARGO_BIN_EXE_metriclet"), machine.home.join("bin/metriclet")).unwrap();
        let folder = machine.home.join("checkout");
        fs::create_dir(&folder).unwrap();
        for name in ["scripts", "Cargo.toml", "src"] {
            symlink(Path::new(ROOT).join(name), folder.join(name)).unwrap();
        }
        // Commands write to it.
        let copied = Command::new("cp").arg("-R").arg(Path::new(ROOT).join("manifests")).arg(&folder).status().unwrap();
        assert!(copied.success());
        let config = block("# metrics.yaml").replace("localhost:9100", &upstream.address.to_string());
        fs::write(folder.join("metrics.yaml"), &config).unwrap();
        // Without comments, and with a typing error.
        let bare: Vec<_> = config.lines().filter_map(|line| line.split("#").next()).map(str::trim_end).collect();
        let bad = bare.join("\n").trim_start().replace("namespaces:", "namespace:");
        fs::write(folder.join("bad.yaml"), bad).unwrap();
        let zero = fs::read_to_string(Path::new(ROOT).join("docs/scale-to-zero.md")).unwrap();
        let hpa =
            blocks(&zero).into_iter().find(|(_, _, text)| text.starts_with("apiVersion: autoscaling/v2")).unwrap().2;
        fs::write(folder.join("hpa.yaml"), hpa).unwrap();
        let convert = fs::read_to_string(Path::new(ROOT).join("docs/convert.md")).unwrap();
        for (name, start) in [("adapter.yaml", "# adapter.yaml"), ("hpas.yaml", "apiVersion: autoscaling/v2")] {
            let block = blocks(&convert).into_iter().find(|(_, _, text)| text.starts_with(start)).unwrap().2;
            fs::write(folder.join(name), block).unwrap();
        }
        let migrate = fs::read_to_string(Path::new(ROOT).join("docs/migrate.md")).unwrap();
        let forward = blocks(&migrate).into_iter().find(|(_, _, text)| text.starts_with("# metrics.yaml")).unwrap().2;
        fs::write(folder.join("forward.yaml"), forward).unwrap();
        let explain = fs::read_to_string(Path::new(ROOT).join("docs/explain.md")).unwrap();
        let hpa = blocks(&explain).into_iter().find(|(_, _, text)| text.starts_with("apiVersion: autoscaling/v2"));
        fs::write(folder.join("web-hpa.yaml"), hpa.unwrap().2).unwrap();
        for (name, adapter) in [("old-hpas.yaml", "kube-metrics-adapter"), ("scaledobjects.yaml", "keda")] {
            let fixture = format!("tests/fixtures/convert/{adapter}/walkthrough.yaml");
            fs::copy(Path::new(ROOT).join(fixture), folder.join(name)).unwrap();
        }
        let mine = folder.join("manifests/overlays/mine");
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("metrics.yaml"), &config).unwrap();
        let install = fs::read_to_string(Path::new(ROOT).join("docs/install.md")).unwrap();
        let overlay = blocks(&install).into_iter().find(|(_, _, text)| text.contains("kind: Kustomization")).unwrap().2;
        fs::write(mine.join("kustomization.yaml"), overlay).unwrap();
        Self { machine, folder, upstream, server: None }
    }

    /// Replaces addresses by those of this run.
    fn here(&self, command: &str) -> String {
        command.replace("localhost:9100", &self.upstream.address.to_string())
    }

    fn try_out(&mut self, command: &str, shown: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        match *words.as_slice() {
            ["cargo", "run", "--release"] => self.server = Some(Server::start(&[])),
            ["curl", url] => self.ask(url, shown),
            ["metriclet-conformance", ..] => self.judge(&words),
            // A server.
            ["metriclet", flag, ..] if flag.starts_with("--") => self.serve(&words),
            [
                "metriclet" | "kubectl" | "helm" | "scripts/deploy" | "scripts/query" | "scripts/remove"
                | "scripts/certs",
                ..,
            ]
            | ["scripts/image" | "scripts/develop", .., "--dry-run"]
            | ["rm", _] => self.shell(command, shown),
            _ => panic!("no test runs it"),
        }
    }

    /// Runs the command that the server printed, and returns the documented part of the response.
    fn ask(&mut self, url: &str, shown: &str) {
        let server = self.server.as_mut().unwrap();
        let url = url.replace("127.0.0.1:8080", &server.address.to_string());
        let mut printed = String::new();
        while !printed.contains("curl ") {
            assert!(server.printed.read_line(&mut printed).unwrap() > 0, "no curl line in {printed}");
        }
        assert!(printed.trim_end().ends_with(&format!("curl {url}")), "{printed}");
        if has("curl") {
            let output =
                Command::new("curl").args(["--silent", "--show-error", "--noproxy", "*", &url]).output().unwrap();
            let answer = String::from_utf8(output.stdout).unwrap();
            assert_eq!(without_values(&answer), without_values(shown));
        }
    }

    /// Starts a server and requests a metric of its page or file.
    fn serve(&self, words: &[&str]) {
        let words: Vec<String> = words.iter().skip(1).map(|word| self.here(word)).collect();
        let mut command = metriclet(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.args(["--listen", "127.0.0.1:0"]).current_dir(&self.folder);
        let server = Server::spawn(command);
        let (metric, value) = match words.first().unwrap().as_str() {
            "--upstream" => ("jobs", "web 3"),
            _ => ("queue_depth", "web 42500m"),
        };
        assert_eq!(server.metric(&format!("namespaces/shop/services/web/{metric}")).values(), value);
    }

    /// Runs the conformance suite against a server with the checkout's rules.
    fn judge(&self, words: &[&str]) {
        let config = self.folder.join("metrics.yaml");
        let server = Server::start(&["--config", config.to_str().unwrap()]);
        let address = server.address.to_string();
        let words = words.iter().skip(1).map(|word| word.replace("127.0.0.1:8080", &address));
        let output = Command::new(env!("CARGO_BIN_EXE_metriclet-conformance")).args(words).output().unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && report.contains(", 0 must fail, "), "{report}");
    }

    /// Runs a command that ends by itself, and compares its output with the documented one, except for times.
    fn shell(&self, command: &str, shown: &str) {
        let outcome = self.machine.shell(&self.folder, &self.here(command));
        let said = format!("{}{}", outcome.stderr, outcome.stdout);
        let said = said.replace(&self.upstream.address.to_string(), "localhost:9100");
        assert_eq!(outcome.code != 0, shown.contains(": error: "), "{said}");
        assert!(shown.is_empty() || without_times(&said) == without_times(shown), "expected {shown}found {said}");
        if command.starts_with("scripts/") {
            assert!(!said.is_empty());
        }
        if command.starts_with("scripts/query") {
            assert_eq!(outcome.stdout.trim_end(), LIST);
        }
        if command.starts_with("kubectl") {
            let called = outcome.calls.last().unwrap();
            assert!(!command.contains("caBundle") || called.contains(r#""caBundle":"LS0t"#), "{called}");
            // The stand-in accepts any flag; these are flags of kubectl itself.
            let command = self.here(command);
            let own = command.split_once(' ').unwrap().1.split(" -- ").next().unwrap();
            let real = format!("{} {own} --help", which("kubectl").display());
            let help = self.machine.shell(&self.folder, &real);
            assert_eq!(help.code, 0, "{}", help.stderr);
        }
    }
}

#[test]
fn commands_print_the_documented_output() {
    let mut met = BTreeSet::new();
    let mut tried = 0;
    for (path, text) in documents() {
        for (line, language, _) in blocks(&text) {
            // A block with another name for the shell would be skipped.
            let known = ["sh", "console", "yaml", "text", "promql"].contains(&language);
            assert!(known, "{}:{line}: a block of {language:?}", path.display());
        }
        let commands = commands(&text);
        let mut checkout = if commands.is_empty() { continue } else { Checkout::new() };
        for (line, command, shown) in commands {
            println!("{}:{line}: {command}", path.display());
            match OTHERWISE.iter().find(|(other, ..)| *other == command) {
                Some((other, Some(more), _)) => {
                    met.insert(*other);
                    checkout.try_out(&format!("{command} {more}"), &shown);
                }
                Some((other, None, _)) => {
                    met.insert(*other);
                    let script = Path::new(ROOT).join(command.split(' ').next().unwrap());
                    if command.starts_with("scripts/") {
                        assert!(Command::new(script).arg("--help").output().unwrap().status.success());
                    }
                    continue;
                }
                None => checkout.try_out(&command, &shown),
            }
            tried += 1;
        }
    }
    assert!(tried >= 30, "only {tried} commands tried");
    assert_eq!(met.len(), OTHERWISE.len(), "some commands are no longer documented: only {met:?} are");
}

/// Without its sum(), the rule in README.md gets the documented message.
#[test]
fn readme_shows_the_message() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let message = blocks(&readme).into_iter().find(|(_, _, text)| text.starts_with("metriclet: Serv")).unwrap().2;
    let checkout = Checkout::new();
    let path = checkout.folder.join("metrics.yaml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("sum(queue_depth)", "queue_depth")).unwrap();
    let ask = "metriclet get --config metrics.yaml namespaces/shop/services/web/queue_depth";
    assert_eq!(checkout.machine.shell(&checkout.folder, ask).stderr, message);
}

/// Documented scripts exist, and accept the documented flags.
#[test]
fn scripts_and_their_flags_exist() {
    let mut named = 0;
    for (path, text) in documents() {
        for command in text.lines().flat_map(|line| line.split('`')).filter(|span| span.starts_with("scripts/")) {
            let command = command.split_once("  #").map_or(command, |(command, _)| command);
            let script = command.split(' ').next().unwrap();
            let about = format!("{}: {command}", path.display());
            let help = Command::new(Path::new(ROOT).join(script)).arg("--help").output();
            let help = String::from_utf8(help.unwrap_or_else(|error| panic!("{about}: {error}")).stdout).unwrap();
            assert!(help.contains(&format!("Usage: {script}")), "{about}");
            for flag in flags(command) {
                assert!(flags(&help).any(|known| known == flag), "{about}: no flag {flag}");
            }
            named += 1;
        }
    }
    assert!(named >= 30, "only {named} found");
}

/// Replaces each timestamp by the same word.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.starts_with("20");
    let line = |line: &str| {
        line.split(' ').map(|word| if is_time(word) { "TIME" } else { word }).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Masks the two fields that differ in each run; their formats remain.
fn without_values(json: &str) -> String {
    let line = |line: &str| match line.split_once("\": \"") {
        Some((name, value)) if ["timestamp", "value"].contains(&name.trim().trim_start_matches('"')) => {
            let mut shape: Vec<char> = value.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            // The number of digits varies, and a multiple of a thousand has a suffix.
            shape.retain(|c| !"kM".contains(*c));
            shape.dedup();
            format!("{name}: {}", shape.iter().collect::<String>())
        }
        _ => line.to_owned(),
    };
    json.lines().map(line).collect::<Vec<_>>().join("\n")
}
