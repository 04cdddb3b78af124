//! Every recipe of `docs/recipes` gives the expected values for a page of its program; `tests/fixtures/pages/README.md` says
//! how each page was made.
//!
//! Values of one page come from the built binary. Values over time come from the same API with a clock that the test sets
//! between the program's two pages.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::documents::blocks;
use common::kubernetes::Kubernetes;
use common::pods::{PODS, bind, named, with};
use common::recipes::{Fixture, Kind, Page, Recipe, expected};
use common::secure::eventually;
use common::upstream::Upstream;
use common::{file, patient, run};
use metriclet::internals::api::message::Request;
use metriclet::internals::api::{Answer, Api};
use metriclet::internals::config::file as config_file;
use metriclet::internals::config::limits::Limits;
use metriclet::internals::kube_api::client::Client;
use metriclet::internals::kube_api::kubeconfig;
use metriclet::internals::metrics::objects::Objects;
use metriclet::internals::metrics::trace::Trace;
use metriclet::internals::source::waiting::AllowedWaits;
use metriclet::internals::telemetry::clock::{Clock, Now};
use serde_json::{Value, json};

#[test]
fn each_recipe_serves_its_values() {
    // One thread each, because most of the time is spent waiting.
    let recipes = Recipe::all();
    assert!(recipes.len() >= 2, "only {} recipes found", recipes.len());
    thread::scope(|scope| {
        let tries: Vec<_> = recipes.iter().map(|recipe| (recipe, scope.spawn(|| try_out(recipe)))).collect();
        let failed =
            tries.into_iter().filter_map(|(recipe, tried)| tried.join().is_err().then_some(recipe.name.as_str()));
        let failed: Vec<_> = failed.collect();
        assert!(failed.is_empty(), "{failed:?}");
    });
}

/// Requests each value of a recipe.
fn try_out(recipe: &Recipe) {
    let fixture = Fixture::of(&recipe.name);
    let served = Served::start(recipe, &fixture);
    let config = recipe.at(|source| served.address(source));
    let expected = fixture.expected();
    let told: BTreeSet<&str> = expected.iter().map(|(path, _)| metric(path)).collect();
    assert_eq!(told, recipe.metrics().into_iter().collect(), "{}: metrics expected, and metrics of rules", recipe.name);
    let looks_back = served.pages.iter().any(|(_, page)| page.before.is_some());
    let (path, kubeconfig) = (file("metrics.yaml", &config), served.kubernetes.kubeconfig("{token: t}"));
    let over_time = looks_back.then(|| OverTime::new(&config, &kubeconfig, &served));
    for (target, value) in &expected {
        let (code, found, error) = get(target, &path, &kubeconfig, None);
        let found = match &over_time {
            Some(over_time) if code == 69 && error.contains("gathering") => over_time.value(target),
            _ => {
                assert_eq!(code, 0, "{}: {target}: {error}", recipe.name);
                self::value(&found)
            }
        };
        assert_eq!(&found, value, "{}: {target}", recipe.name);
    }
}

/// `metriclet get`.
fn get(target: &str, config: &Path, kubeconfig: &Path, wait: Option<&str>) -> (i32, String, String) {
    let (config, kubeconfig) = (config.to_str().unwrap(), kubeconfig.to_str().unwrap());
    let mut arguments = vec!["get", target, "-o", "json", "--config", config, "--kubeconfig", kubeconfig];
    arguments.extend(wait.into_iter().flat_map(|time| ["--wait", time]));
    let (code, printed, error) = run(&arguments);
    (code, printed.clone(), format!("{error}{printed}"))
}

/// The values of a list, in its order.
fn value(list: &str) -> String {
    let list: Value = serde_json::from_str(list).unwrap();
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    items.map(|item| item["value"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// A duration such as `2m` or `15s`.
fn seconds(text: &str) -> u64 {
    let number = |suffix| text.strip_suffix(suffix).map(|number: &str| number.parse::<u64>().unwrap());
    number("m").map(|minutes| 60 * minutes).or(number("s")).unwrap_or_else(|| panic!("{text}"))
}

/// The metric of a path.
fn metric(path: &str) -> &str {
    path.split('?').next().unwrap().rsplit('/').next().unwrap()
}

/// The fixture's pages on loopback, and a Kubernetes API with one pod, `web-0` in the namespace `shop`.
struct Served {
    pages: Vec<(String, Page)>,
    upstreams: Vec<Upstream>,
    kubernetes: Kubernetes,
    /// Whether pages are those of a minute earlier.
    earlier: Arc<AtomicBool>,
}

impl Served {
    fn start(recipe: &Recipe, fixture: &Fixture) -> Self {
        let (kubernetes, earlier) = (Kubernetes::start(), Arc::new(AtomicBool::new(true)));
        let (mut pages, mut upstreams) = (Vec::new(), Vec::new());
        for (source, kind) in recipe.sources() {
            let page = fixture.page(source);
            let (served, earlier) = (page.clone(), earlier.clone());
            let handle = move |request: &str, stream: &mut std::net::TcpStream| {
                let before = served.before.as_ref().filter(|_| earlier.load(Ordering::SeqCst));
                served.serve(request, before.unwrap_or(&served.body), stream);
            };
            upstreams.push(match kind {
                Kind::Pods => Upstream::on(bind(1).1.remove(0), handle),
                Kind::Url | Kind::Prometheus => Upstream::start(handle),
            });
            pages.push((source.to_owned(), page));
        }
        let pod = upstreams.iter().map(|upstream| upstream.address.ip()).find(|ip| ip.to_string() != "127.0.0.1");
        kubernetes.set(PODS, pod.iter().map(|ip| named("web-0", &ip.to_string())).collect());
        let service = json!({"spec": {"selector": {"app": "web"}}});
        kubernetes.put("/api/v1/namespaces/shop/services/web", service);
        for (namespace, label, value) in recipe.pod_sets() {
            let exporter =
                |ip: &IpAddr| with(named("exporter-0", &ip.to_string()), "/metadata/labels", json!({label: value}));
            kubernetes.set(&format!("/api/v1/namespaces/{namespace}/pods"), pod.iter().map(exporter).collect());
        }
        Self { pages, upstreams, kubernetes, earlier }
    }

    fn address(&self, source: &str) -> SocketAddr {
        let at = self.pages.iter().position(|(name, _)| name == source);
        self.upstreams[at.unwrap_or_else(|| panic!("no source {source}"))].address
    }
}

/// The API with a clock that the test sets.
struct OverTime<'a> {
    api: Api,
    clock: Clock,
    limits: Limits,
    millis: Arc<AtomicU64>,
    served: &'a Served,
}

impl<'a> OverTime<'a> {
    fn new(config: &str, kubeconfig: &PathBuf, served: &'a Served) -> Self {
        let (limits, millis) = (patient(Limits::default()), Arc::new(AtomicU64::new(0)));
        // Ahead, so that no call to the Kubernetes API exceeds its deadline.
        let (base, told) = (Instant::now() + Duration::from_secs(3600), millis.clone());
        let clock = Clock::from_fn(move || {
            let millis = told.load(Ordering::SeqCst);
            let unix_millis = 1_790_000_000_000 + i64::try_from(millis).unwrap();
            Now { monotonic: base + Duration::from_millis(millis), unix_millis }
        });
        let api = Api::unconfigured(&limits, &clock);
        let text = fs::read_to_string(kubeconfig).unwrap();
        let target = kubeconfig::parse(&text, kubeconfig.parent().unwrap(), &limits).unwrap();
        let client = Client::new(target, &limits, api.shared_counters());
        api.metrics().set_objects(Objects::new(Arc::new(client), &limits));
        let loaded = config_file::load(config.as_bytes(), &limits);
        assert!(loaded.config.broken.is_empty(), "{:?}", loaded.problems);
        api.metrics().install(loaded.config, None);
        Self { api, clock, limits, millis, served }
    }

    /// The value once the range is full: the first sample is of the earlier page, all others of the later one. The clock
    /// never moves by more than the sampling interval, so that no sample is skipped as too late.
    fn value(&self, target: &str) -> String {
        self.served.earlier.store(true, Ordering::SeqCst);
        self.sampled(target, 1);
        self.served.earlier.store(false, Ordering::SeqCst);
        let steps = self.ask(target).1;
        let looks_back = steps.iter().find_map(|step| step.strip_prefix("range    looks back ")).unwrap();
        let (range, interval) = looks_back.split_once(", sampled every ").unwrap();
        let (range, interval) = (seconds(range), seconds(interval));
        for time in 1..range / interval {
            self.millis.fetch_add(interval * 1_000, Ordering::SeqCst);
            self.sampled(target, time + 1);
        }
        let found = value(&self.ask(target).0);
        // So long after the last request that no sample is kept.
        self.millis.fetch_add(24 * 3_600_000, Ordering::SeqCst);
        found
    }

    /// Waits until the page has been sampled this often.
    fn sampled(&self, target: &str, times: u64) {
        eventually(|| {
            let (body, steps) = self.ask(target);
            let sampled = format!("sampled {times} times over");
            let is = steps.iter().any(|step| step.starts_with("samples ") && step.contains(&sampled));
            if is { Ok(()) } else { Err(format!("{target}: not {times}: {body} {steps:?}")) }
        });
    }

    /// The response, and the events.
    fn ask(&self, target: &str) -> (String, Vec<String>) {
        let (now, mut trace) = (self.clock.now(), Trace::on());
        let target = format!("/apis/custom.metrics.k8s.io/v1beta2/{target}");
        let request = Request::get(&target);
        let wait = AllowedWaits::until(now.monotonic + self.limits.answer.deadline);
        let Answer::Reply(reply) = self.api.answer(&request, wait, now, &mut trace) else { panic!("no reply") };
        (String::from_utf8(reply.body.to_vec()).unwrap(), trace.events().iter().map(ToString::to_string).collect())
    }
}

/// All recipes have the same headings, a configuration and an HPA, a line in the index, and pages with their origin.
#[test]
fn recipes_have_the_same_structure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(root.join("docs/recipes/README.md")).unwrap();
    let origins = fs::read_to_string(Fixture::folder().join("README.md")).unwrap();
    let mut names = BTreeSet::new();
    for Recipe { name, text, .. } in Recipe::all() {
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let blocks = blocks(&text);
        let is_title = |line: &&str| line.starts_with("# ") && line.contains(": scale ");
        assert!(headings.first().is_some_and(is_title), "{name}: {headings:?}");
        assert_eq!(headings[1..], ["## Configuration", "## HorizontalPodAutoscaler", "## Pitfalls"], "{name}");
        let hpas = blocks
            .iter()
            .filter(|(_, language, text)| *language == "yaml" && text.starts_with("apiVersion: autoscaling/v2\n"));
        assert_eq!(hpas.count(), 1, "{name}: HPAs");
        assert!(index.contains(&format!("({name}.md)")), "docs/recipes/README.md lacks {name}");
        assert!(origins.contains(&format!("\n| {name} |")), "tests/fixtures/pages/README.md lacks {name}");
        names.insert(name);
    }
    let listed = index.lines().filter(|line| line.starts_with("| [")).count();
    assert_eq!(listed, names.len(), "docs/recipes/README.md lists others");
    // Other tests have pages in this folder, too, without expected values.
    let folders = fs::read_dir(Fixture::folder()).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.path().join("expected").exists());
    let folders: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(folders, names, "tests/fixtures/pages, and recipes");
    for entry in fs::read_dir(root.join("tests/recipes/live")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(names.contains(name), "{}: no such recipe", path.display());
    }
}

/// Keys that no recipe needs; docs/sources.md, docs/rules.md and docs/migrate.md have examples of them.
const OTHER_KEYS: [&str; 8] = [
    "allowNegative",
    "certFile",
    "contentType",
    "dangerAllowLoopback",
    "keyFile",
    "labelSelector",
    "serverName",
    "shadow",
];

/// Every key of docs/configuration.md occurs in a recipe, except those above.
#[test]
fn every_key_has_a_recipe() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let reference = fs::read_to_string(reference).unwrap();
    let (_, tables) = reference.split_once("\n## A source\n").unwrap();
    // Keys of other adapters are in docs/migrate.md.
    let (tables, _) = tables.split_once("\n## Other adapters\n").unwrap();
    let cells = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let keys = cells.flat_map(|cell| cell.split('`').step_by(2)).map(|key| key.split(':').next().unwrap());
    let keys: BTreeSet<&str> = keys.filter(|key| !key.is_empty()).collect();
    assert!(keys.len() > 40, "only {keys:?}");
    let configs: Vec<String> = Recipe::all().into_iter().map(|recipe| recipe.config).collect();
    let used: BTreeSet<&str> = configs
        .iter()
        .flat_map(|config| config.lines())
        .filter_map(|line| line.trim().trim_start_matches("- ").split_once(':').map(|(key, _)| key))
        .collect();
    let unused: Vec<&str> = keys.difference(&used).copied().collect();
    assert_eq!(unused, OTHER_KEYS);
}

/// The same rules on a running program; scripts/test-recipes calls this.
#[test]
#[ignore = "scripts/test-recipes starts the programs"]
fn live() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let recipe = Recipe::named(&told("METRICLET_RECIPE"));
    // `SOURCE=ADDRESS` each, or one address for all.
    let addresses = told("METRICLET_RECIPE_ADDRESS");
    let address = |source: &str| -> SocketAddr {
        let of = addresses.split(' ').find_map(|word| word.strip_prefix(source)?.strip_prefix('='));
        of.unwrap_or(&addresses).parse().unwrap_or_else(|_| panic!("no address of {source} in {addresses:?}"))
    };
    let kubernetes = Kubernetes::start();
    kubernetes.set(PODS, vec![named("web-0", "127.0.0.1")]);
    let (config, kubeconfig) = (file("metrics.yaml", &recipe.at(address)), kubernetes.kubeconfig("{token: t}"));
    for (target, wanted) in expected(Path::new(&told("METRICLET_RECIPE_EXPECTED"))) {
        let (code, found, error) = get(&target, &config, &kubeconfig, Some("2m"));
        assert_eq!(code, 0, "{target}: {error}");
        let found = value(&found);
        println!("    {target} {found}");
        assert!(wanted == "number" || wanted == found, "{target}: expected {wanted}, found {found}");
    }
}
