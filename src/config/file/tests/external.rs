//! Rules of external metrics.

use super::*;
use crate::config::model::LabelledItems;

/// A configuration with this rule and its source.
fn file_with(rule: &str) -> String {
    let source = rule.split("source: ").nth(1).unwrap().split(',').next().unwrap();
    let keys = match source {
        "page" => "url: 'http://h.example/', namespaces: [shop]",
        "unlisted" => "url: 'http://h.example/'",
        "json" => "url: 'http://h.example/', format: json, namespaces: [shop]",
        "each" => "url: 'http://h.example/{name}', namespaces: [shop]",
        "kind" => "url: 'http://h.example/{resource}', namespaces: [shop]",
        "pods" => "pods: {port: 80}",
        _ => "prometheus: 'http://h.example/', namespaces: [\"*\"]",
    };
    format!("sources:\n  {source}: {{{keys}}}\nmetrics:\n  - {{name: M, external: true, {rule}}}\n")
}

#[test]
fn reads_rules() {
    let first = |labels: &[&str]| NamespaceLabels::First(labels.iter().map(|&label| label.to_owned()).collect());
    for (rule, namespace, namespaces) in [
        ("source: page", first(&[]), None),
        ("source: page, namespaceLabel: team", first(&["team"]), None),
        ("source: page, namespaceLabel: none", NamespaceLabels::Ignored, None),
        ("source: unlisted, namespaces: [a, b]", first(&[]), Some(Namespaces::Only(vec!["a".into(), "b".into()]))),
        ("source: prom, namespaces: [\"*\"]", first(&["namespace"]), Some(Namespaces::All)),
        ("source: prom, value: 'group(x)', namespaceLabel: none", NamespaceLabels::Ignored, None),
        ("source: prom, value: 'topk(1, x{$matchers})'", first(&["namespace"]), None),
    ] {
        let Loaded { config, problems } = load(file_with(rule).as_bytes(), &Limits::default());
        assert!(!problems.iter().any(Problem::is_error), "{rule}: {problems:?}");
        let read = &config.rules[0];
        assert!(read.is_external() && read.name == "M", "{rule}");
        assert_eq!(
            (&read.mapping, &read.namespaces),
            (&ObjectMapping::External { namespace, items: None }, &namespaces),
            "{rule}"
        );
    }
    let rule = "source: json, value: $.n, items: '$.q[*]', namespaceFrom: $.ns, labelsFrom: {queue: $.name, id: $.id}";
    let Loaded { config, problems } = load(file_with(rule).as_bytes(), &Limits::default());
    assert_eq!(problems, []);
    let ObjectMapping::External { items: Some(LabelledItems { items, namespace_from, labels_from }), .. } =
        &config.rules[0].mapping
    else {
        panic!("{config:?}")
    };
    let labels: Vec<String> = labels_from.iter().map(|(name, path)| format!("{name} {path}")).collect();
    assert_eq!(
        (items.to_string().as_str(), labels.as_slice()),
        ("$.q[*]", ["queue $.name", "id $.id"].map(str::to_owned).as_slice())
    );
    assert!(namespace_from.is_some());
}

#[test]
fn problems_of_rules() {
    for (rule, expected) in [
        ("source: page, object: services", "object: is for metrics of objects, and an external metric has no object"),
        (
            "source: page, describes: {name: x}",
            "describes: is for metrics of objects, and an external metric has no object",
        ),
        (
            "source: pods",
            "source: source \"pods\" scrapes the pods of each request; an external metric needs a fixed set of pods, such as pods: \
             {namespace: shop, selector: app=web, port: metrics}",
        ),
        (
            "source: each",
            "source: the requests of source \"each\" contain {name}, but an external metric has no object",
        ),
        (
            "source: kind",
            "source: the requests of source \"kind\" contain {resource}, but an external metric has no object",
        ),
        (
            "source: unlisted",
            "namespaces: required, as source \"unlisted\" has none: the namespaces that may request this metric",
        ),
        ("source: page, value: up, items: $.a", "items: needs a value that is a JSONPath"),
        ("source: page, labelsFrom: {a: $.b}", "labelsFrom: requires items:"),
        (
            "source: json, value: $.n, namespaceLabel: team",
            "namespaceLabel: this value has no labels; use items: and namespaceFrom:",
        ),
        (
            "source: json, value: $.n, items: $.q, namespaceFrom: $.ns, namespaceLabel: none",
            "namespaceFrom: excludes namespaceLabel: none, which ignores namespaces on the page",
        ),
        (
            "source: json, value: $.n, items: $.q, labelsFrom: {1a: $.b}",
            "labelsFrom: expected a label name of letters, digits and _, found \"1a\"",
        ),
        (
            "source: json, value: $.n, items: $.q, labelsFrom: $.b",
            "labelsFrom: expected a mapping such as {queue: $.name}, found text",
        ),
        (
            "source: prom, value: 'group(x)'",
            "value: group() at column 1 is not supported here; a query that the server evaluates needs {$matchers} after each metric, for the namespace of the request; with namespaceLabel: none it needs none",
        ),
        ("source: page, external: maybe", "rule \"M\": the key external is already on line 4"),
    ] {
        let problems = load(file_with(rule).as_bytes(), &Limits::default()).problems;
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(messages.contains(&expected), "{rule}: {messages:?}");
    }
}

#[test]
fn names_are_unique_in_lower_case() {
    let rules = "sources:\n  a: {url: 'http://h.example/', namespaces: [shop]}\nmetrics:\n  - {name: Lag, external: true, source: a}\n  \
                 - {name: lag, external: true, source: a}\n  - {name: lag, object: services, source: a}\n  \
                 - {name: status, external: true, source: a}\n  - {name: Finalize, external: true, source: a}\n  \
                 - {name: Größe, external: true, source: a}\n";
    let Loaded { config, problems } = load(rules.as_bytes(), &Limits::default());
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "name: the rule on line 4 already serves this external metric; clients send names in lower case, so case does not distinguish metrics",
            "name: status and finalize are subresources of namespaces; choose another name",
            "name: status and finalize are subresources of namespaces; choose another name",
            "name: expected ASCII, as clients send names in lower case, found \"Größe\"",
        ]
    );
    assert_eq!(config.rules.len(), 2);
    assert_eq!(config.broken.iter().filter(|broken| broken.external).count(), 4);
}

#[test]
fn a_page_may_describe_any_namespace() {
    let rule = |rest: &str| {
        format!(
            "sources:\n  a: {{url: 'http://h.example/', namespaces: [shop]}}\nmetrics:\n  - {{name: m, object: services, source: a{rest}}}\n"
        )
    };
    let Loaded { config, problems } =
        load(rule(", namespaceLabel: none, namespaces: [bank]").as_bytes(), &Limits::default());
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["namespaceLabel: none lets bank read the page's values of all namespaces"]);
    assert!(matches!(&config.rules[0].mapping, ObjectMapping::Labels { namespace: NamespaceLabels::Ignored, .. }));
    for (rest, expected) in [
        (", namespaces: [bank]", "namespaces: is for external: true and for namespaceLabel: none; "),
        (", labelsFrom: {a: $.b}", "labelsFrom: is for external: true, "),
    ] {
        let problems = load(rule(rest).as_bytes(), &Limits::default()).problems;
        assert!(problems.iter().any(|problem| problem.message.starts_with(expected)), "{problems:?}");
    }
}
