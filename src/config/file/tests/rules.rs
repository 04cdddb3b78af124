//! Problems of single rules.

use super::*;

#[test]
fn problems_of_rules() {
    let series = "name: m, object: services, source: app, ";
    let json = "name: m, object: services, source: json, ";
    let web = "describes: {namespace: shop, name: web}";
    check(
        |rule| with_rule(&rule.replace("SERIES, ", series).replace("JSON, ", json).replace("WEB", web)),
        &[
            ("name: ^'', object: services, source: app", "error: name: expected a name, found nothing"),
            (
                "name: ^a/b, object: services, source: app",
                "error: name: expected a name without /, %, control characters, . and .., found \"a/b\"",
            ),
            ("SERIES, ^valu: x", "error: rule \"m\": unknown key \"valu\"; did you mean value?"),
            ("SERIES, ^query: x", "error: rule \"m\": unknown key \"query\""),
            ("name: m, object: services, source: ^ap", "error: source: unknown source \"ap\"; did you mean app?"),
            (
                "name: m, object: ^service, source: app",
                "error: object: unknown resource \"service\"; did you mean services?",
            ),
            (
                "name: m, object: ^widgets, source: app",
                "error: object: unknown resource \"widgets\"; outside the core group it is plural.group",
            ),
            (
                "name: m, object: ^widgets.example.com, source: app",
                "error: object: \"widgets.example.com\" is not built in; add kind: and namespaced:",
            ),
            ("name: m, object: ^[], source: app", "error: object: expected at least one resource"),
            ("name: m, object: [services, ^services], source: app", "error: object: \"services\" occurs twice"),
            (
                "name: m, object: [^[a]], source: app",
                "error: object: expected a resource such as services or deployments.apps, found a list",
            ),
            (
                "SERIES, kind: ^Service",
                "error: kind: is for resources outside the built-in table, and this rule has none",
            ),
            (
                "name: m, object: a.b.c, source: app, namespaced: true, kind: ^a",
                "error: kind: expected a kind such as Deployment, found \"a\"",
            ),
            (
                "name: m, object: a.b.c, source: app, namespaced: true, kind: A, apiVersion: ^v1",
                "error: apiVersion: expected b.c/ and a version, such as b.c/v1, found \"v1\"",
            ),
            ("SERIES, value: sum(x^", "error: value: expected \")\" at column 6, found the end"),
            (
                "name: m, object: ^services, source: app, value: $.a",
                "error: object: all services would get the same value; add describes:, items: or {name} in the URL of source \"app\"",
            ),
            (
                "JSON, value: ^x, WEB",
                "error: value: PromQL, but the format of source \"json\" is json; as a JSONPath it is $.x",
            ),
            ("JSON, value: ^sum(x), WEB", "error: value: PromQL, but the format of source \"json\" is json"),
            (
                "JSON, value: data^.result.0.value.1, WEB",
                "error: value: expected the end of the expression at column 5, found \".result.0.value.1\"; as a JSONPath it is $.data.result[0].value[1]",
            ),
            (
                "JSON, value: '$.active^ processes', WEB",
                "error: value: expected the JSONPath (RFC 9535) to continue, found \" processes\"; write $['active processes'] (column 9)",
            ),
            (
                "name: m, object: services, source: number, value: ^$.a, WEB",
                "error: value: must be absent with format: number, because the page is the value",
            ),
            (
                "SERIES, onMissing: ^none",
                "error: onMissing: expected error, zero, a number, or last and a duration, such as last 2m, found \"none\"",
            ),
            ("SERIES, onMissing: ^last 25h", "error: onMissing: expected at most 1d, found \"25h\""),
            (
                "SERIES, onMissing: ^zero",
                "warning: onMissing: zero scales to the minimum if the program that updates this page stops; error keeps the replicas",
            ),
            (
                "SERIES, onMissing: ^2.5",
                "warning: onMissing: 2500m is also served if the program that updates this page stops; error keeps the replicas",
            ),
            ("SERIES, onMissing: ^-1", "error: onMissing: a negative number requires allowNegative: true"),
            (
                "SERIES, onMissing: ^1e30",
                "error: onMissing: expected error, zero, a number, or last and a duration, such as last 2m, found \"1e30\"",
            ),
            (
                "JSON, value: $.used / ^b, WEB",
                "error: value: expected sum, avg, min, max, count, first or last of a JSONPath, found \"b\" (column 10)",
            ),
            (
                "SERIES, onNaN: ^zero",
                "warning: onNaN: zero scales to the minimum on 0/0, which mostly means no data; error keeps the replicas",
            ),
            (
                "SERIES, allowNegative: ^true",
                "warning: allowNegative: an HPA scales to the minimum on a negative value",
            ),
            ("SERIES, allowNegative: ^'true'", "error: allowNegative: expected true or false, found \"true\""),
            (
                "SERIES, maxAge: ^1s",
                "warning: maxAge: 1s is less than the 5s that source \"app\" is cached: values will go missing",
            ),
            ("SERIES, maxAge: ^0s", "error: maxAge: expected more than 0"),
            (
                "SERIES, value: ^'sum(rate(jobs_total[1m30s]))'",
                "error: value: [1m30s] needs samples over time, which only sources with pods:, prometheus: or single: true have",
            ),
            (
                "SERIES, value: ^sum(jobs) or vector(0), WEB",
                "warning: value: vector() or absent() has a value even if the program that updates this page has stopped; an error would keep the replicas",
            ),
            (
                "SERIES, value: ^sum(jobs) or vector(0)",
                "warning: value: vector() or absent() gives no value to an object without series; use onMissing:",
            ),
            (
                "SERIES, value: ^'sum(jobs) - sum(jobs offset 1h)'",
                "error: value: offset 1h needs samples over time, which only sources with pods:, prometheus: or single: true have",
            ),
            (
                "SERIES, value: ^count(jobs_total) * max(jobs_bucket) + jobs_count",
                "warning: value: \"jobs_bucket\" is named like a counter, which only grows, and so would the replicas; use its rate(), or ignore this if its TYPE is gauge",
            ),
            (
                "SERIES, value: ^jobs_total",
                "warning: value: \"jobs_total\" is named like a counter, which only grows, and so would the replicas; use its rate(), or ignore this if its TYPE is gauge",
            ),
        ],
    );
    // Missing keys are reported at the rule.
    for (rule, expected) in [
        ("name: m, object: services, source: json", "value: required where the format is json, such as $.queue.depth"),
        (
            "name: m, object: services, source: json, items: $.q, nameFrom: $.n",
            "value: required where the format is json, such as $.queue.depth",
        ),
        ("name: m, object: services, source: json, value: $.a, items: $.q", "nameFrom: required beside items:"),
        (
            "name: m, object: jobs.batch, source: app",
            "nameLabel: required for jobs.batch: a label job means the scrape job on most pages",
        ),
        ("name: m, object: a.b.c, kind: A, source: app", "namespaced: required"),
        ("name: m, object: a.b.c, namespaced: true, source: app", "kind: required"),
        ("name: m, object: services", "source: required"),
        ("name: m, source: app", "object: required"),
        ("object: services, source: app", "name: required"),
    ] {
        assert_eq!(problems(&with_rule(rule)), [format!("9:5: error: {expected}")], "{rule}");
    }
    check(
        |rule| with_rule(&rule.replace("SERIES, ", series).replace("JSON, ", json)),
        &[
            ("SERIES, describes: ^web", "error: describes: expected a mapping, found text"),
            (
                "SERIES, describes: {^nam: web, name: web, namespace: shop}",
                "error: describes: unknown key \"nam\"; did you mean name?",
            ),
            ("SERIES, describes: ^{name: web}", "error: describes: namespace: is required, as services are namespaced"),
            (
                "SERIES, describes: {name: web, namespace: ^Shop}",
                "error: namespace: expected a namespace, found \"Shop\"",
            ),
            (
                "SERIES, describes: ^{name: web, namespace: bank}",
                "error: describes: \"bank\" is not among the namespaces of source \"app\"",
            ),
            (
                "name: m, object: nodes, source: app, describes: ^{name: n, namespace: shop}",
                "error: describes: namespace: nodes are cluster-scoped",
            ),
            ("SERIES, nameFrom: ^$.a", "error: nameFrom: requires items:"),
            (
                "JSON, value: $.a, nameFrom: $.n, items: '$.q^['",
                "error: items: expected the JSONPath (RFC 9535) to continue, found \"[\" (column 4)",
            ),
            (
                "JSON, value: $.a, nameFrom: $.n, items: $.q, nameLabel: ^x",
                "error: nameLabel: items: already identifies the object",
            ),
            (
                "name: m, object: nodes, source: app, namespaceLabel: ^x",
                "error: namespaceLabel: nodes are cluster-scoped",
            ),
            (
                "name: m, object: services, source: ^none",
                "error: source: source \"none\" needs namespaces:, the namespaces whose services its page may describe",
            ),
            (
                "name: m, object: services, source: ^each",
                "error: source: source \"each\" has one page for several namespaces; list one namespace, or put {namespace} into the URL",
            ),
            (
                "name: m, object: services, source: ^two, value: $.a, items: '$.q[*]', nameFrom: $.n",
                "error: source: source \"two\" has one page for several namespaces; list one namespace, or add namespaceFrom:",
            ),
        ],
    );
}
