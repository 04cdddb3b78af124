//! Rules on pages of text, YAML and CSV.

use super::*;

/// A configuration with this rule and its source.
fn file_with(rule: &str) -> String {
    let source = rule.split("source: ").nth(1).unwrap().split(',').next().unwrap().trim_start_matches('^');
    let keys = match source {
        "any" => "url: 'http://h/', namespaces: [shop]",
        "two" => "url: 'http://h/', format: text, namespaces: [a, b]",
        "each" => "url: 'http://h/{name}', format: text, namespaces: [shop]",
        "prom" => "prometheus: 'http://h/', namespaces: [shop]",
        format => &format!("url: 'http://h/', format: {format}, namespaces: [shop]"),
    };
    format!("sources:\n  {source}: {{{keys}}}\nmetrics:\n  - {{name: m, {rule}}}\n")
}

#[test]
fn reads_rules() {
    let web = "describes: {namespace: shop, name: web}";
    let fixed =
        || ObjectMapping::Described(DescribedObject { namespace: Some("shop".to_owned()), name: "web".to_owned() });
    for (rule, value, mapping) in [
        (format!(r"object: services, source: text, value: /busy (\d+)/, {web}"), r"/busy (\d+)/", fixed()),
        (
            format!(r"object: services, source: text, value: 'SUM(/^busy: (\d+)$/)', {web}"),
            r"sum(/^busy: (\d+)$/)",
            fixed(),
        ),
        (
            r"object: services, source: text, value: '/(?<name>\w+) (?<value>\d+)/'".to_owned(),
            r"/(?<name>\w+) (?<value>\d+)/",
            ObjectMapping::CaptureGroups { namespace: false },
        ),
        (
            r"object: services, source: two, value: '/(?<namespace>\w+)/(?<name>\w+) (?<value>\d+)/'".to_owned(),
            r"/(?<namespace>\w+)/(?<name>\w+) (?<value>\d+)/",
            ObjectMapping::CaptureGroups { namespace: true },
        ),
        (r"object: services, source: each, value: /busy (\d+)/".to_owned(), r"/busy (\d+)/", ObjectMapping::Requested),
        (format!("object: services, source: yaml, value: $.queue.depth, {web}"), "$.queue.depth", fixed()),
        (format!("object: services, source: csv, value: \"$[?@.a == '5'].b\", {web}"), "$[?@.a == '5'].b", fixed()),
    ] {
        let config = good(&file_with(&rule));
        let found = match &config.rules[0].value {
            RuleValue::Text(expr) => expr.to_string(),
            RuleValue::Json(expr) => expr.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!((found.as_str(), &config.rules[0].mapping), (value, &mapping), "{rule}");
    }
}

#[test]
fn problems_of_rules() {
    let web = "describes: {namespace: shop, name: web}";
    let filter =
        "a filter compares numbers, and all fields of CSV are text: compare with a string such as '5', by == or !=";
    check(
        |rule| file_with(&rule.replace("WEB", web).replace("SERVICES", "object: services, source")),
        &[
            (
                r"SERVICES: text, value: '/busy ^(\d+/', WEB",
                "error: value: found open group without closing ')' (column 7)",
            ),
            (
                r"SERVICES: text, value: ^'busy (\d+)', WEB",
                r#"error: value: expected a regular expression between slashes, such as '/^BusyWorkers: (\d+)/', or sum(), avg(), min(), max() or count() of one, as the format of source "text" is text"#,
            ),
            (
                "SERVICES: text, value: ^$.busy, WEB",
                r#"error: value: expected a regular expression between slashes, such as '/^BusyWorkers: (\d+)/', or sum(), avg(), min(), max() or count() of one, as the format of source "text" is text"#,
            ),
            (
                "SERVICES: any, value: ^/(a)/, WEB",
                "error: value: a regular expression needs format: text on source \"any\"",
            ),
            (
                "SERVICES: json, value: ^/(a)/, WEB",
                "error: value: a regular expression, but the format of source \"json\" is json",
            ),
            (
                "SERVICES: prom, value: ^/(a)/, WEB",
                "error: value: source \"prom\" requires PromQL, and this is a regular expression",
            ),
            (
                "object: ^services, source: text, value: /(a)/",
                "error: object: all services would get the same value; add describes:, a group (?<name>…) or {name} in the URL of source \"text\"",
            ),
            (
                "object: services, source: ^two, value: '/(?<name>a)(?<value>b)/'",
                "error: source: source \"two\" has one page for several namespaces; list one namespace, or add a group (?<namespace>…)",
            ),
            (
                "SERVICES: text, value: ^'/(?<name>a)(?<value>b)/', WEB",
                "error: value: describes: already identifies the object; leave out the group (?<name>…)",
            ),
            (
                "SERVICES: each, value: ^'/(?<name>a)(?<value>b)/'",
                "error: value: {name} in the requests of source \"each\" already identifies the object; leave out the group (?<name>…)",
            ),
            (
                "object: nodes, source: text, value: ^'/(?<namespace>a)(?<name>a)(?<value>b)/'",
                "error: value: nodes are cluster-scoped; leave out the group (?<namespace>…)",
            ),
            (
                "SERVICES: text, value: '/(?<name>a)(?<value>b)/', nameLabel: ^x",
                "error: nameLabel: this value has no labels; a group (?<name>…) or (?<namespace>…) names objects",
            ),
            (
                "SERVICES: text, value: /(a)/, nameFrom: $.a, items: ^$.b",
                "error: items: needs a value that is a JSONPath",
            ),
            (
                "SERVICES: yaml, value: ^depth, WEB",
                "error: value: PromQL, but the format of source \"yaml\" is yaml; as a JSONPath it is $.depth",
            ),
            (
                r"SERVICES: text, value: ^'rate(/a (\d+)/)', WEB",
                r#"error: value: expected a regular expression between slashes, such as '/^BusyWorkers: (\d+)/', or sum(), avg(), min(), max() or count() of one, as the format of source "text" is text"#,
            ),
            (
                "SERVICES: yaml, value: listen ^queue, WEB",
                "error: value: expected the end of the expression at column 8, found \"queue\"; the format is yaml, and its values are JSONPaths such as $.queue.depth",
            ),
            ("SERVICES: csv, value: ^sum(x), WEB", "error: value: PromQL, but the format of source \"csv\" is csv"),
            ("SERVICES: csv, value: ^'$[?@.a > 5].b', WEB", &format!("error: value: {filter}")),
            ("SERVICES: csv, value: $.b, items: ^'$[?@.a == 5]', nameFrom: $.a", &format!("error: items: {filter}")),
        ],
    );
    for (format, example) in
        [("text", r"'/^BusyWorkers: (\d+)/'"), ("yaml", "$.queue.depth"), ("csv", "$[?@.queue == 'mail'].depth")]
    {
        let expected = format!("4:5: error: value: required where the format is {format}, such as {example}");
        assert_eq!(problems(&file_with(&format!("object: services, source: {format}, {web}"))), [expected]);
    }
}
