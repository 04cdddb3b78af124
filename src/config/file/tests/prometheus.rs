//! Servers that evaluate PromQL as sources, and the rules on them.

use super::*;
use crate::parse::url_template::Values;

/// A configuration with this rule.
fn with_query(rule: &str) -> String {
    format!(
        "sources:\n  prom: {{prometheus: 'http://p:9090', namespaces: [shop]}}\n  \
         app: {{url: 'http://app/metrics', namespaces: [shop]}}\nmetrics:\n  - {{name: m, {rule}}}\n  \
         - {{name: a, object: nodes, source: prom}}\n  - {{name: b, object: nodes, source: app}}\n"
    )
}

#[test]
fn reads_servers() {
    let config = good(
        "sources:\n  prom:\n    prometheus: https://mimir.monitoring.svc/prometheus/\n    namespaces: ['*']\n    \
         headers:\n      X-Scope-OrgID: {file: /etc/tenant}\n    caFile: /etc/ca\nmetrics:\n  \
         - {name: hits, object: pods, source: prom, value: 'sum(rate(hits_total[1m]))'}\n  \
         - {name: load, object: namespaces, source: prom}\n  \
         - {name: done, object: jobs.batch, source: prom, nameLabel: job_name, namespaceLabel: team}\n  \
         - {name: top, object: services, source: prom, value: 'topk by ($by) (1, x{$matchers})'}\n",
    );
    let [source] = &config.sources[..] else { panic!("{config:?}") };
    assert!(source.is_prometheus() && source.is_https() && !source.is_open() && !source.is_of_pods());
    assert_eq!((source.timeout, &source.namespaces), (Limits::default().fetch.timeout, &Namespaces::All));
    let labels = |namespace: &[&str], name: &str| ObjectMapping::Labels {
        namespace: NamespaceLabels::First(namespace.iter().map(|label| (*label).to_owned()).collect()),
        name: vec![name.to_owned()],
    };
    let found: Vec<_> = config.rules.iter().map(|rule| rule.mapping.clone()).collect();
    assert_eq!(
        found,
        [
            labels(&["namespace"], "pod"),
            labels(&[], "namespace"),
            labels(&["team"], "job_name"),
            labels(&["namespace"], "service")
        ]
    );
    assert!(matches!(&config.rules[3].value, RuleValue::QueryTemplate(_)));
}

/// The URL of queries for one namespace.
#[test]
fn composes_urls() {
    for (source, expected) in [
        ("prometheus: 'http://p:9090'", "http://p:9090/api/v1/query"),
        ("prometheus: 'https://p/prometheus/'", "https://p/prometheus/api/v1/query"),
        (
            "prometheus: 'https://p/select/0/prometheus/?x=y&namespace={namespace}'",
            "https://p/select/0/prometheus/api/v1/query?x=y&namespace=shop",
        ),
        (
            "prometheus: 'http://p', params: {dedup: false, 'a b': 'c&{d}', namespace: '{namespace}'}",
            "http://p/api/v1/query?dedup=false&a%20b=c%26%7Bd%7D&namespace=shop",
        ),
        ("prometheus: 'http://p?x', params: {y: z}", "http://p/api/v1/query?x&y=z"),
    ] {
        let config = load(with_source(source).as_bytes(), &Limits::default()).config;
        let Target::Prometheus(template) = &config.sources[0].target else { panic!("{source}") };
        let values = Values { namespace: Some("shop"), ..Values::default() };
        assert_eq!(template.expand(&values).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn problems_of_servers() {
    check(
        with_source,
        &[
            (
                "prometheus: ^p",
                "error: prometheus: expected a URL that starts with http:// or https:// at column 1, found no scheme",
            ),
            (
                "prometheus: 'http://a', url: ^'http://p'",
                "error: url: excluded by prometheus:, which is the server's address",
            ),
            (
                "pods: {port: 1}, prometheus: ^'http://p'",
                "error: prometheus: excluded by pods:, which defines where pages are",
            ),
            (
                "prometheus: ^'http://p/{namespace}'",
                "error: prometheus: expected no placeholder except {namespace} in the query",
            ),
            (
                "prometheus: ^'http://p?tenant={name}'",
                "error: prometheus: expected no placeholder except {namespace} in the query",
            ),
            (
                "prometheus: ^'http://p?query=up'",
                "error: prometheus: expected no query in the query, because Metriclet sends it",
            ),
            ("prometheus: 'http://p', params: {^time: 1}", "error: params: time is sent by Metriclet"),
            (
                "prometheus: 'http://p', params: {^a: '{name}'}",
                "error: params: expected no placeholder but {namespace} in \"a\"",
            ),
            (
                "prometheus: 'http://p', params: ^[a]",
                "error: params: expected a mapping of names to texts, found a list",
            ),
            ("prometheus: 'http://p', params: {a: ^[b]}", "error: params: expected text for \"a\", found a list"),
            ("prometheus: 'http://p', body: ^x", "error: body: is for sources with url:"),
            (
                "prometheus: ^'http://p/api/v1/query'",
                "error: prometheus: expected a server's address without /api/v1, which is added to it",
            ),
            ("prometheus: 'http://p', single: ^true", "error: single: a server stores samples over time itself"),
            ("prometheus: 'http://p', format: ^json", "error: format: a server's responses have a fixed format"),
            (
                "prometheus: 'http://p', labelSelector: ^labels",
                "error: labelSelector: objects are always selected by their own labels",
            ),
            (
                "prometheus: ^'http://p', bearerTokenFile: /x",
                "warning: prometheus: credentials cross the network unencrypted over http://",
            ),
            ("prometheus: 'http://p', caFile: ^/x", "error: caFile: needs a URL with https://"),
        ],
    );
}

#[test]
fn problems_of_queries() {
    let places = "a query that the server evaluates needs {$matchers} after each metric and by ($by) for each aggregation; with \
                  describes: it needs neither";
    check(
        with_query,
        &[
            (
                "object: pods, source: prom, value: 'sum(x) / ^group(x)'",
                &format!("error: value: group() at column 10 is not supported here; {places}"),
            ),
            (
                "object: services, source: prom, describes: {namespace: shop, name: web}, value: 'scalar(x) + time^('",
                "error: value: the bracket at column 17 is not closed by )",
            ),
            (
                "object: pods, source: prom, value: 'stddev by ($by) (^x)'",
                "error: value: expected $matchers in braces after \"x\" at column 18",
            ),
            (
                "object: pods, source: prom, value: ^'stddev(x{$matchers})'",
                "error: value: the aggregation at column 1 mixes objects; add by ($by)",
            ),
            (
                "object: pods, source: prom, value: ^sum without (pod) (x)",
                "error: value: sum without (pod) drops the label that identifies objects",
            ),
            (
                "object: pods, source: prom, value: ^'x / scalar(sum(y))'",
                "error: value: scalar() drops the label that identifies objects",
            ),
            (
                "object: pods, source: prom, value: ^sum(x) + vector(0)",
                "error: value: vector() lacks the label that identifies objects",
            ),
            (
                "object: pods, source: prom, value: ^$.x",
                "error: value: source \"prom\" requires PromQL, and this is a JSONPath",
            ),
            (
                "object: services, source: prom, describes: {namespace: shop, name: web}, value: ^'stddev by ($by) (x{$matchers})'",
                "error: value: $by at column 12 has no meaning with describes: or {name}, which name one object",
            ),
            (
                "object: services, source: prom, describes: ^{namespace: bank, name: web}, value: x",
                "error: describes: \"bank\" is not among the namespaces of source \"prom\"",
            ),
            (
                "object: services, source: app, value: ^'stddev by ($by) (x{$matchers})'",
                "error: value: $matchers and $by are for prometheus: sources",
            ),
            (
                "object: pods, source: prom, value: ^x_total",
                "warning: value: \"x_total\" is named like a counter, which only grows, and so would the replicas; use its rate(), or ignore this if its TYPE is gauge",
            ),
        ],
    );
    // One label identifies pods, another one services.
    good(&with_query("object: services, source: prom, value: sum without (pod) (x)"));
    good(&with_query("object: pods, source: prom, value: 'sum(rate(x_total[5m]))'"));
    assert_eq!(
        problems(&with_query("object: jobs.batch, source: prom, value: x")),
        ["5:5: error: nameLabel: required for jobs.batch: a label job means the scrape job on most pages"]
    );
}
