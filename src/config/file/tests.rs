mod external;
mod formats;
mod open;
mod prometheus;
mod rules;
mod sources;

use crate::config::limits::{ConfigLimits, ExpressionLimits};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::model::{
    Basic, DescribedObject, Format, NamespaceLabels, ObjectMapping, OnMissing, OnNan, PodPort, Pods, Rule, Setting,
    Value as RuleValue,
};
use crate::parse::certificate_name::CertificateName;
use crate::promql::Expr;

const CLUSTER_SCOPED: &str = "warning: object: no HPA can request a metric of ";
/// Warnings that most of these tables ignore: about rules for cluster-scoped objects, which are valid on every source, and
/// about hosts that are Services. [`warns_of_cluster_scoped_objects`] and [`warns_of_replicas`] expect them.
const LEFT_OUT: [&str; 2] = [
    "warning: object: no HPA can request a metric of ",
    "warning: url: the host is a Service, so each fetch may reach",
];

/// `line:column: severity: message`, in order.
fn problems(file: &str) -> Vec<String> {
    let loaded = load(file.as_bytes(), &Limits::default());
    let problems = loaded.problems.iter().map(ToString::to_string);
    problems.filter(|problem| !LEFT_OUT.iter().any(|warning| problem.contains(warning))).collect()
}

/// Loads a configuration without problems.
fn good(file: &str) -> Config {
    assert_eq!(problems(file), [""; 0], "{file}");
    load(file.as_bytes(), &Limits::default()).config
}

/// A configuration with this source, and a rule that is valid on any source.
fn with_source(source: &str) -> String {
    format!("sources:\n  app: {{{source}}}\nmetrics:\n  - {{name: m, object: nodes, source: app}}\n")
}

/// A configuration with this rule, and sources of every kind.
fn with_rule(rule: &str) -> String {
    format!(
        "sources:\n  app: {{url: 'http://app/metrics', namespaces: [shop]}}\n  \
         json: {{url: 'http://app/x', namespaces: [shop], format: json}}\n  \
         number: {{url: 'http://app/x', namespaces: [shop], format: number}}\n  \
         each: {{url: 'http://{{name}}/x', namespaces: [shop, bank]}}\n  \
         two: {{url: 'http://app/x', namespaces: [shop, bank]}}\n  \
         none: {{url: 'http://app/x'}}\n\
         metrics:\n  - {{{rule}}}\n  - {{name: a, object: services, source: json, value: $.a, describes: {{namespace: shop, name: w}}}}\n  \
         - {{name: b, object: namespaces, source: number}}\n  - {{name: c, object: nodes, source: each}}\n  \
         - {{name: d, object: nodes, source: two}}\n  - {{name: e, object: nodes, source: none}}\n  \
         - {{name: f, object: nodes, source: app}}\n"
    )
}

/// The line and column of the mark `^` in a file, and the file without the mark.
fn marked(file: &str) -> (String, String) {
    let at = file.find('^').unwrap();
    let line = file[..at].matches('\n').count() + 1;
    let column = at - file[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
    (file.replacen('^', "", 1), format!("{line}:{column}"))
}

/// Checks that each text, inserted by `around`, has one problem, at its mark.
fn check(around: impl Fn(&str) -> String, table: &[(&str, &str)]) {
    let wrong: Vec<_> = table
        .iter()
        .filter_map(|(text, expected)| {
            let (file, place) = marked(&around(text));
            let (found, expected) = (problems(&file), format!("{place}: {expected}"));
            (found != [expected.clone()]).then(|| format!("{text}\n  expected {expected}\n  found {found:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reads_a_whole_file() {
    let config = good(
        "sources:\n  exporter:\n    url: http://exporter.shop.svc:9100/metrics\n    namespaces: [shop]\n    timeout: 2s\n    \
         cache: 0s\n  stats:\n    url: https://{name}.{namespace}.svc/stats.json\n    format: json\n    \
         namespaces: [shop, bank]\n    basic: {username: me, passwordFile: /etc/password}\n    \
         headers:\n      X-Api-Key: {file: /etc/key}\n    caFile: /etc/ca\n    certFile: /etc/cert\n    keyFile: /etc/key\n    \
         serverName: stats.example\nmetrics:\n  - name: depth\n    object: [services, deployments.apps]\n    source: exporter\n  \
         - name: depth\n    object: statefulsets.apps\n    source: stats\n    value: sum($.queues[*].depth)\n    onMissing: last 2m\n    \
         onNaN: missing\n    maxAge: 10m\n",
    );
    let [exporter, stats] = &config.sources[..] else { panic!("{config:?}") };
    assert_eq!(
        (exporter.name.as_str(), exporter.timeout, exporter.cache, exporter.format),
        ("exporter", Duration::from_secs(2), Duration::ZERO, None)
    );
    assert_eq!(exporter.namespaces, Namespaces::Only(vec!["shop".into()]));
    assert_eq!(exporter.credentials, Credentials::default());
    let limits = Limits::default();
    assert_eq!(
        (stats.timeout, stats.cache, stats.format),
        (limits.fetch.timeout, limits.cache.ttl, Some(Format::Json))
    );
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(
        stats.credentials,
        Credentials {
            bearer_token_file: None,
            basic: Some(Basic { username: "me".into(), password_file: "/etc/password".into() }),
            headers: vec![("X-Api-Key".into(), Setting::File("/etc/key".into()))],
            query: Vec::new(),
            oauth2: None,
            ca_file: path("/etc/ca"),
            cert_file: path("/etc/cert"),
            key_file: path("/etc/key"),
            server_name: CertificateName::host("stats.example"),
        }
    );
    // Kinds whose objects have different labels become separate rules.
    let [services, deployments, pods] = &config.rules[..] else { panic!("{config:?}") };
    for (rule, kind, label) in [(services, "Service", "service"), (deployments, "Deployment", "deployment")] {
        assert_eq!((rule.name.as_str(), rule.source, rule.line), ("depth", 0, 19));
        assert_eq!(rule.objects.iter().map(|object| object.kind.as_str()).collect::<Vec<_>>(), [kind]);
        let labels = |name: &str| vec![format!("exported_{name}"), name.to_owned()];
        assert_eq!(
            rule.mapping,
            ObjectMapping::Labels { namespace: NamespaceLabels::First(labels("namespace")), name: labels(label) }
        );
        assert!(matches!(&rule.value, RuleValue::Series(Expr::Selector(_))));
        assert_eq!((rule.on_missing, rule.on_nan, rule.allow_negative), (OnMissing::Error, OnNan::Error, false));
        assert_eq!(rule.max_age, limits.freshness.max_age);
    }
    let Rule { mapping, on_missing, on_nan, max_age, source, value, .. } = pods;
    assert_eq!((mapping, *source), (&ObjectMapping::Requested, 1));
    assert_eq!((*on_missing, *on_nan), (OnMissing::Last(Duration::from_secs(120)), OnNan::Missing));
    assert_eq!(*max_age, Duration::from_secs(600));
    assert!(matches!(value, RuleValue::Json(_)));
}

#[test]
fn reads_kinds_outside_the_table() {
    let config = good(&with_rule(
        "name: m, object: widgets.example.com, kind: Widget, namespaced: true, source: app, apiVersion: example.com/v2",
    ));
    let object = &config.rules[0].objects[0];
    assert_eq!(
        (object.kind.as_str(), object.api_version.as_str(), object.namespaced),
        ("Widget", "example.com/v2", true)
    );
    assert_eq!(object.label.as_deref(), Some("widget"));
}

#[test]
fn problems_of_the_whole_file() {
    for (file, expected) in [
        ("", "1:1: error: the file: expected a mapping, found nothing"),
        ("- a\n", "1:1: error: the file: expected a mapping, found a list"),
        ("sources: {}\n", "1:1: error: metrics: required"),
        ("sources: {}\nmetrics: {}\n", "2:10: error: metrics: expected a list of rules"),
        ("sources: [a]\nmetrics: []\n", "1:10: error: sources: expected a mapping of names to sources"),
        ("sources: {}\nmetrics: []\n", "2:10: warning: metrics: no rules, so no metric is served"),
        ("sources: {}\nmetrics: []\nmetrics: []\n", "3:1: error: the file: the key metrics is already on line 2"),
        (
            "sources: {}\nmetrics: []\nmetric: []\n",
            "3:1: error: the file: unknown key \"metric\"; did you mean metrics?",
        ),
        (
            "sources: {}\nmetrics: []\nrules: []\n",
            "3:1: error: the file: unknown key \"rules\"; known are sources, metrics, forward, shadow",
        ),
        ("sources: {}\nmetrics:\n  - 5\n", "3:5: error: rule: expected a mapping, found text"),
        (
            "sources: {}\nmetrics: [\n",
            "2:11: error: not YAML: while parsing a node, did not find expected node content",
        ),
    ] {
        assert!(problems(file).contains(&expected.to_owned()), "{file}: {:#?}", problems(file));
    }
    let loaded = load(b"sources: {}\nmetrics: [\xff]\n", &Limits::default());
    assert_eq!(loaded.problems[0].to_string(), "2:11: error: expected UTF-8, found another encoding");
    assert!(loaded.unattributed().is_some());
}

#[test]
fn a_misspelt_key_is_the_only_error() {
    let rules = "[{name: m, external: true, source: p, value: q, shadow: true}]";
    for (file, expected) in [
        (
            format!(
                "sources: {{p: {{url: 'http://a/', namespaces: [c], single: true}}}}\nforwards: {{}}\nmetrics: {rules}\nshadow: true\n"
            ),
            "2:1: error: the file: unknown key \"forwards\"; did you mean forward?",
        ),
        ("source: {}\nmetrics: []\n".to_owned(), "1:1: error: the file: unknown key \"source\"; did you mean sources?"),
    ] {
        let errors: Vec<String> = problems(&file).into_iter().filter(|problem| problem.contains("error")).collect();
        assert_eq!(errors, [expected], "{file}");
    }
    // The rule is broken, not served without its comparison.
    let file = format!(
        "sources: {{p: {{url: 'http://a/', namespaces: [c], single: true}}}}\nforwards: {{}}\nmetrics: {rules}\n"
    );
    let Loaded { config, .. } = load(file.as_bytes(), &Limits::default());
    assert_eq!((config.rules.len(), config.broken.len()), (0, 1));
}

#[test]
fn each_part_fails_alone() {
    let file = "sources:\n  bad: {url: 5, timeout: x}\n  good: {url: 'http://10.0.0.1/', namespaces: [shop]}\n  idle: {url: 'http://10.0.0.2/'}\n\
                metrics:\n  - {name: a, object: services, source: bad}\n  - {name: b, object: services, source: good}\n  \
                - {name: c, object: [services, nodes], source: good, value: 'sum('}\n  - {name: b, object: pods, source: good}\n  \
                - {name: b, object: [nodes, services], source: good}\n  - {object: services, source: good}\n";
    let loaded = load(file.as_bytes(), &Limits::default());
    assert_eq!(
        loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "2:14: error: url: expected a URL that starts with http:// or https:// at column 1, found no scheme",
            "2:26: error: timeout: duration \"x\": expected a whole number before each unit",
            "4:3: warning: source \"idle\": no rule uses it",
            "8:68: error: value: expected a metric, a number, a function or \"(\" at column 5, found the end",
            "10:12: error: name: \"services\" already has this metric from the rule on line 7; several rules may serve it if each has describes:",
            "10:23: warning: object: no HPA can request a metric of nodes: it requests objects of its own namespace only",
            "11:5: error: name: required",
        ]
    );
    let Config { sources, rules, broken, .. } = &loaded.config;
    assert_eq!(sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["good", "idle"]);
    assert_eq!(rules.iter().map(|rule| (rule.name.as_str(), rule.line)).collect::<Vec<_>>(), [("b", 7), ("b", 9)]);
    let broken: Vec<_> =
        broken.iter().map(|rule| (rule.name.as_str(), rule.resources.join(" "), rule.problem.as_str())).collect();
    let bad = "6:41: error: source \"bad\" is broken: 2:14: error: url: expected a URL that starts with http:// or https:// at column 1, found no scheme";
    assert_eq!(
        broken,
        [
            ("a", "services".to_owned(), bad),
            (
                "c",
                "services nodes".to_owned(),
                "8:68: error: value: expected a metric, a number, a function or \"(\" at column 5, found the end"
            ),
            (
                "b",
                "nodes services".to_owned(),
                "10:12: error: name: \"services\" already has this metric from the rule on line 7; several rules may serve it if each has describes:"
            ),
        ]
    );
    // A rule without a name affects no metric.
    assert_eq!(loaded.unattributed().map(|problem| problem.span.line), Some(11));
}

#[test]
fn warns_of_cluster_scoped_objects() {
    let at = |file: &str| -> Vec<String> {
        let problems = load(file.as_bytes(), &Limits::default()).problems;
        problems.iter().map(ToString::to_string).filter(|problem| problem.contains(CLUSTER_SCOPED)).collect()
    };
    let rule = |object: &str| {
        format!(
            "sources:\n  a: {{url: 'http://a/', namespaces: [shop]}}\nmetrics:\n  - {{name: m, {object}, source: a}}\n"
        )
    };
    let warning =
        |resource: &str| format!("4:23: {CLUSTER_SCOPED}{resource}: it requests objects of its own namespace only");
    assert_eq!(at(&rule("object: nodes")), [warning("nodes")]);
    let queues = "queues.rabbitmq.example.com";
    assert_eq!(at(&rule(&format!("object: {queues}, kind: Queue, namespaced: false"))), [warning(queues)]);
    assert_eq!(at(&rule(&format!("object: {queues}, kind: Queue"))), [""; 0]);
    // An HPA requests a Namespace as an object without a namespace.
    assert_eq!(at(&rule("object: namespaces")), [""; 0]);
    assert_eq!(at(&rule("object: services")), [""; 0]);
}

#[test]
fn flags_make_a_configuration() {
    let limits = Limits::default();
    let config = simple("http://a:9100/metrics", None, &limits).unwrap();
    assert_eq!((config.sources.len(), config.rules.len(), config.implicit.is_some()), (1, 0, true));
    assert_eq!(config.sources[0].namespaces, Namespaces::All);
    let passed_on = simple("http://a/?q={labelSelector}", None, &limits).unwrap();
    assert_eq!(passed_on.sources[0].label_selector, SelectorMode::Url);
    assert!(simple("a:9100", None, &limits).is_err());
}

#[test]
fn enforces_limits() {
    let limits = Limits {
        config: ConfigLimits { rules: 2, bytes: 1_000, nodes: 60, url: 20, ..ConfigLimits::default() },
        expression: ExpressionLimits { depth: 4, bytes: 10, ..ExpressionLimits::default() },
        ..Limits::default()
    };
    let first = |file: &str| {
        let problems = load(file.as_bytes(), &limits).problems;
        problems.iter().map(ToString::to_string).find(|problem| !problem.contains(CLUSTER_SCOPED))
    };
    let rule = |more: &str| {
        format!(
            "sources:\n  a: {{url: 'http://10.0.0.1/'}}\nmetrics:\n  - {{name: m, object: nodes, source: a{more}}}\n"
        )
    };
    for (file, expected) in [
        (rule(""), None),
        ("#".repeat(1_001), Some("1:1: error: the file is longer than 1000 bytes")),
        (format!("a: [{}]", "x,".repeat(60)), Some("1:119: error: more than 60 keys and values")),
        ("a: [[[[x]]]]".to_owned(), Some("1:7: error: nested deeper than 4 levels")),
        ("sources: {a: , b: , c: }\nmetrics: []\n".to_owned(), Some("1:10: error: sources: more than 2 sources")),
        ("sources: {}\nmetrics: [a, b, c]\n".to_owned(), Some("2:10: error: metrics: more than 2 rules")),
        (
            rule(", value: abcdefghijk"),
            Some("4:48: error: value: expected an expression of at most 10 bytes, found 11"),
        ),
        (
            rule("").replace("http://10.0.0.1/", "http://a.example.com/"),
            Some("2:13: error: url: expected a URL of at most 20 bytes, found 21"),
        ),
    ] {
        assert_eq!(first(&file).as_deref(), expected, "{file}");
    }
}
