//! Problems of sources.

use super::*;

#[test]
fn problems_of_sources() {
    let url = "url: 'http://app/metrics', namespaces: [shop], ";
    check(
        |source| with_source(&source.replace("URL, ", url).replace("HTTPS, ", &url.replace("http:", "https:"))),
        &[
            (
                "URL, ^bearer_token_file: /x",
                "error: source \"app\": unknown key \"bearer_token_file\"; did you mean bearerTokenFile?",
            ),
            ("URL, ^interval: 5s", "error: source \"app\": unknown key \"interval\""),
            (
                "URL, format: ^xml",
                "error: format: expected prometheus, openmetrics, json, yaml, csv, text or number, found \"xml\"",
            ),
            ("URL, timeout: ^5s", "error: timeout: expected at most 4s without refresh:, found 5s"),
            ("URL, refresh: 30s, timeout: ^11s", "error: timeout: expected at most 10s, found \"11s\""),
            ("URL, refresh: ^4s", "error: refresh: expected at least 5s, found 4s"),
            ("URL, refresh: ^6m", "error: refresh: expected at most 5m, found \"6m\""),
            (
                "URL, refresh: 30s, cache: ^1s",
                "error: cache: excluded by refresh:, whose pages are used until the next ones arrive",
            ),
            ("URL, timeout: ^0s", "error: timeout: expected more than 0"),
            ("URL, cache: ^25h", "error: cache: expected at most 1d, found \"25h\""),
            (
                "URL, cache: ^1m",
                "warning: cache: longer than the 15s between two HPA syncs, so an HPA may see stale values",
            ),
            ("URL, labelSelector: ^pods", "error: labelSelector: expected labels, found \"pods\""),
            ("URL, dangerAllowLoopback: ^yes", "error: dangerAllowLoopback: expected true or false, found \"yes\""),
            (
                "URL, dangerAllowLoopback: ^true",
                "warning: dangerAllowLoopback: has no effect: the URL's host has no placeholder",
            ),
            ("URL, bearerTokenFile: ^''", "error: bearerTokenFile: expected one line of text, found \"\""),
            ("HTTPS, certFile: ^/c", "error: certFile: requires keyFile:"),
            ("HTTPS, keyFile: ^/k", "error: keyFile: requires certFile:"),
            ("URL, caFile: ^/c", "error: caFile: needs a URL with https://"),
            (
                "HTTPS, serverName: ^'a b'",
                "error: serverName: expected a DNS name, an address or a SPIFFE ID, found \"a b\"",
            ),
            (
                "HTTPS, caFile: /c, serverName: ^'spiffe://shop/'",
                "error: serverName: expected path segments of letters, digits, dots, dashes and underscores, found \
                 \"spiffe://shop/\"",
            ),
            (
                "HTTPS, serverName: ^'spiffe://shop/web'",
                "error: serverName: a SPIFFE ID needs caFile: with the authorities of its trust domain",
            ),
            ("HTTPS, headers: {^Host: {file: /x}}", "error: headers: \"Host\" is set by Metriclet itself"),
            ("HTTPS, headers: {^'a b': {file: /x}}", "error: headers: \"a b\" is not a header name (RFC 9110)"),
            ("HTTPS, headers: {A: {file: /x}, ^a: {file: /x}}", "error: headers: \"a\" occurs twice"),
            (
                "HTTPS, headers: {A: ^/x}",
                "error: headers: expected {value: TEXT} or {file: PATH} for \"A\", found text",
            ),
            ("HTTPS, headers: {^A: {}}", "error: headers: \"A\" needs value: or file:"),
            ("HTTPS, headers: {A: {value: ^x, file: /x}}", "error: value: excludes file:"),
            ("HTTPS, headers: {A: {value: ^' x'}}", "error: value: expected no blank at its start and its end"),
            ("HTTPS, headers: {A: {value: ^''}}", "error: value: expected one line of text, found \"\""),
            (
                "HTTPS, headers: {^Content-Type: {value: a/b}}",
                "error: headers: \"Content-Type\" is set by contentType:",
            ),
            (
                "HTTPS, headers: ^{Authorization: {value: x}}",
                "warning: headers: a credential does not belong in the configuration; put it in a file and write {file: PATH}",
            ),
            ("HTTPS, query: {^'': {value: x}}", "error: query: \"\" is not a parameter name"),
            (
                "HTTPS, query: ^[a]",
                "error: query: expected a mapping of names to {value: TEXT} or {file: PATH}, found a list",
            ),
            ("HTTPS, oauth2: ^[a]", "error: oauth2: expected a mapping, found a list"),
            ("HTTPS, oauth2: ^{clientId: a, clientSecretFile: /s}", "error: tokenUrl: required"),
            (
                "HTTPS, oauth2: {tokenUrl: ^'https://{name}/', clientId: a, clientSecretFile: /s}",
                "error: tokenUrl: cannot have placeholders, because the secret is sent there",
            ),
            (
                "HTTPS, oauth2: {tokenUrl: 'https://t', clientId: a, clientSecretFile: /s, scopes: ^a}",
                "error: scopes: expected a list such as [metrics.read], found text",
            ),
            (
                "HTTPS, oauth2: {tokenUrl: 'https://t', clientId: a, clientSecretFile: /s, scopes: [^'a b']}",
                "error: scopes: expected a scope, found \"a b\"",
            ),
            (
                "HTTPS, bearerTokenFile: /t, oauth2: ^{tokenUrl: 'https://t', clientId: a, clientSecretFile: /s}",
                "error: oauth2: excludes basic:, bearerTokenFile: and a header Authorization, which it sends",
            ),
            (
                "HTTPS, oauth2: ^{tokenUrl: 'http://t', clientId: a, clientSecretFile: /s}",
                "warning: oauth2: the client's secret crosses the network unencrypted over http://",
            ),
            ("HTTPS, params: ^{a: b}", "error: params: is for prometheus: sources; see query:"),
            ("HTTPS, proxy: ^'http://proxy'", "error: proxy: expected http://HOST:PORT"),
            ("HTTPS, proxy: ^'https://proxy:3128'", "error: proxy: expected http://HOST:PORT"),
            ("HTTPS, proxy: ^'http://proxy:3128/x'", "error: proxy: expected http://HOST:PORT"),
            ("HTTPS, method: ^PUT", "error: method: expected GET or POST, found \"PUT\""),
            ("HTTPS, body: ^x", "error: body: requires method: POST"),
            ("HTTPS, method: POST, contentType: ^a/b", "error: contentType: requires body:"),
            (
                "HTTPS, method: POST, body: x, contentType: ^x",
                "error: contentType: expected a media type such as application/json",
            ),
            (
                "HTTPS, method: POST, body: ^'{\"a\":{metric}}'",
                "error: body: expected JSON, or contentType: for another format: expected value at line 1 column 6",
            ),
            (
                "HTTPS, method: POST, body: ^'{metric}', contentType: text/plain",
                "error: body: expected no placeholders, because the body is neither JSON nor a form",
            ),
            (
                "HTTPS, basic: {username: ^'a:b', passwordFile: /x}",
                "error: username: expected no colon and no control characters",
            ),
            ("URL, ^url: http://b/", "error: source \"app\": the key url is already on line 2"),
        ],
    );
    check(
        with_source,
        &[
            (
                "url: '^ftp://x/'",
                "error: url: expected a URL that starts with http:// or https:// at column 1, found \"ftp\"",
            ),
            (
                "url: '^me:pw@a/?u=http://'",
                "error: url: expected a URL that starts with http:// or https:// at column 1, found no scheme",
            ),
            ("url: ^'http://x/', pods: {port: 1}", "error: url: excluded by pods:, which defines where pages are"),
            ("pods: {port: 1}, method: ^POST", "error: method: pages of pods are requested with GET"),
            (
                "pods: {port: 1}, proxy: ^'http://p:1'",
                "error: proxy: a proxy resolves hosts itself, so the addresses of pods and of hosts with placeholders cannot be checked",
            ),
            ("pods: {port: 1}, refresh: ^30s", "error: refresh: is for sources with url: or prometheus:"),
            ("pods: {port: 1}, body: ^x", "error: body: is for sources with url:"),
            ("pods: ^[]", "error: pods: expected a mapping, found a list"),
            ("pods: ^{}", "error: port: required"),
            (
                "pods: {port: ^0}",
                "error: port: expected a number, a container port's name, or annotations, found \"0\"",
            ),
            (
                "pods: {port: 1, path: ^metrics}",
                "error: path: expected a path that starts with a slash, found \"metrics\"",
            ),
            ("pods: {port: 1, scheme: ^tcp}", "error: scheme: expected http or https, found \"tcp\""),
            (
                "pods: {port: 1}, labelSelector: ^labels",
                "error: labelSelector: pods are always selected by their own labels",
            ),
            ("url: http://x/, namespaces: ^shop", "error: namespaces: expected a list such as [shop], found text"),
            ("url: http://x/, namespaces: ^'*'", "error: namespaces: expected a list such as [\"*\"], found text"),
            ("url: http://x/, namespaces: ^[]", "error: namespaces: expected at least one"),
            ("url: http://x/, namespaces: [shop, ^'*']", "error: namespaces: expected \"*\" alone or names without it"),
            ("url: http://x/, namespaces: [^Shop]", "error: namespaces: expected a namespace, found \"Shop\""),
            (
                "url: http://x/, namespaces: ^['*']",
                "warning: namespaces: \"*\" lets the program that serves this page scale objects of every namespace",
            ),
        ],
    );
}

/// Several processes may alternate behind a Service, unless the source sets `single`.
#[test]
fn warns_of_replicas() {
    let warned = |source: &str| {
        let file = format!("sources:\n  app: {{{source}}}\nmetrics:\n  - {{name: m, object: pods, source: app}}\n");
        let problems = load(file.as_bytes(), &Limits::default()).problems;
        problems.iter().filter(|problem| problem.message.contains("the host is a Service")).count()
    };
    for (source, expected) in [
        ("url: http://exporter.shop.svc/, namespaces: [shop]", 1),
        ("url: http://exporter.shop.svc.cluster.local:80/, namespaces: [shop]", 1),
        ("url: 'http://{name}.{namespace}.svc/', namespaces: [shop]", 1),
        ("url: http://exporter/, namespaces: [shop]", 1),
        ("url: http://exporter/, namespaces: [shop], single: true", 0),
        ("url: http://exporter/, namespaces: [shop], single: false", 0),
        ("url: 'http://{name}.shop.svc/', namespaces: [shop], single: false", 0),
        ("url: http://exporter.shop/, namespaces: [shop]", 1),
        ("url: 'http://{name}.{namespace}/', namespaces: [shop]", 1),
        ("url: http://exporter.example/, namespaces: [shop]", 0),
        ("url: http://web-0.web.shop.svc/, namespaces: [shop]", 0),
        ("url: http://localhost/, namespaces: [shop]", 0),
        ("url: http://10.0.0.1/, namespaces: [shop]", 0),
        ("url: http://exporter.example.com/, namespaces: [shop]", 0),
        ("prometheus: http://prometheus.monitoring.svc/, namespaces: [shop]", 0),
        ("pods: {port: 80}", 0),
    ] {
        assert_eq!(warned(source), expected, "{source}");
    }
}
