//! Authorization.

use super::*;

/// The attributes for each route and method.
#[test]
fn reviews_have_kubernetes_attributes() {
    let (kubernetes, secure) = start(&[]);
    kubernetes.policy(|_| json!({"allowed": false, "reason": "as told"}));
    let mut stream = front_proxy(&secure).connect();
    let group = "custom.metrics.k8s.io";
    let metric = |namespace: Value, verb: &str, resource: &str, subresource: Value, name: &str| {
        let mut of = json!({"verb": verb, "group": group, "version": "v1beta1", "resource": resource, "name": name});
        for (key, value) in [("namespace", namespace), ("subresource", subresource)] {
            if !value.is_null() {
                of[key] = value;
            }
        }
        json!({"resourceAttributes": of})
    };
    let path = |path: &str, verb: &str| json!({"nonResourceAttributes": {"path": path, "verb": verb}});
    let null = Value::Null;
    for (method, target, attributes, message) in [
        (
            "GET",
            format!("{V1}/namespaces/ns/pods/%2A/m?labelSelector=a"),
            metric(json!("ns"), "get", "pods", json!("m"), "*"),
            "pods.custom.metrics.k8s.io \"*\" is forbidden: User \"u\" cannot get resource \"pods/m\" in API group \
             \"custom.metrics.k8s.io\" in the namespace \"ns\": as told",
        ),
        (
            "GET",
            format!("{V1}/namespaces/ns/deployments.apps/web%2Fm/"),
            metric(json!("ns"), "get", "deployments.apps", json!("m"), "web"),
            "deployments.apps.custom.metrics.k8s.io \"web\" is forbidden: User \"u\" cannot get resource \
             \"deployments.apps/m\" in API group \"custom.metrics.k8s.io\" in the namespace \"ns\": as told",
        ),
        (
            "GET",
            format!("{V1}/namespaces/ns/metrics/m"),
            metric(json!("ns"), "get", "metrics", null.clone(), "m"),
            "metrics.custom.metrics.k8s.io \"m\" is forbidden: User \"u\" cannot get resource \"metrics\" in API group \
             \"custom.metrics.k8s.io\" in the namespace \"ns\": as told",
        ),
        (
            "GET",
            format!("{V1}/nodes/n1/m"),
            metric(null.clone(), "get", "nodes", json!("m"), "n1"),
            "nodes.custom.metrics.k8s.io \"n1\" is forbidden: User \"u\" cannot get resource \"nodes/m\" in API group \
             \"custom.metrics.k8s.io\" at the cluster scope: as told",
        ),
        (
            "GET",
            "/metrics".into(),
            path("/metrics", "get"),
            "forbidden: User \"u\" cannot get path \"/metrics\": as told",
        ),
        ("GET", "/".into(), path("/", "get"), "forbidden: User \"u\" cannot get path \"/\": as told"),
        (
            "GET",
            "/readyz/trust?verbose".into(),
            path("/readyz/trust", "get"),
            "forbidden: User \"u\" cannot get path \"/readyz/trust\": as told",
        ),
    ] {
        let answer = ask(&mut stream, method, &target, &by("u"));
        let mut question = json!({"user": "u", "groups": ["system:authenticated"]});
        question.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        assert_eq!(kubernetes.asked().pop(), Some(question), "{target}");
        let of = &attributes["resourceAttributes"];
        let details = match of.is_null() {
            true => json!({}),
            false => json!({"name": of["name"], "group": group, "kind": of["resource"]}),
        };
        assert_eq!(forbidden(&answer, &details), message, "{target}");
    }
    for (method, verb) in [
        ("HEAD", "get"),
        ("POST", "create"),
        ("PUT", "update"),
        ("PATCH", "patch"),
        ("DELETE", "delete"),
        ("OPTIONS", ""),
    ] {
        let mut stream = front_proxy(&secure).connect();
        let user = by(&format!("by-{method}"));
        let request = format!("{method} {V1}/nodes/n1/m HTTP/1.1\r\nHost: a\r\n{user}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert!(common::secure::read_to_end(&mut stream).starts_with("HTTP/1.1 403 "), "{method}");
        assert_eq!(kubernetes.asked().pop().unwrap()["resourceAttributes"]["verb"], verb, "{method}");
    }
    // An authorized user gets 405.
    kubernetes.policy(|_| json!({"allowed": true}));
    assert_eq!(ask(&mut stream, "DELETE", METRIC, &by("other")).code, 405);
}

#[test]
fn always_allowed_paths_can_be_configured() {
    let (kubernetes, secure) = start(&["--authorization-always-allow-paths", "/metrics,/readyz/*"]);
    let client = secure.client();
    for (path, code) in [("/metrics", 200), ("/readyz/trust", 200), ("/readyz", 403), ("/livez", 403), (METRIC, 403)] {
        assert_eq!(client.get(path).code, code, "{path}");
    }
    assert_eq!(kubernetes.calls(ACCESS).len(), 0);
}

/// Fifty simultaneous requests cause one call of each kind; the second round causes none.
#[test]
fn callers_share_reviews() {
    let (kubernetes, secure) = start(&[]);
    kubernetes.token("good", json!({"username": "sa"}));
    let gate = Gate::default();
    let door = gate.clone();
    kubernetes.script(move |call| match call.path.as_str() {
        TOKENS => Reply::Late(door.clone()),
        _ => Reply::Good,
    });
    let (client, (sent, all_sent)) = (secure.client(), mpsc::channel());
    thread::scope(|scope| {
        for _ in 0..50 {
            let (client, sent) = (&client, sent.clone());
            scope.spawn(move || {
                let mut stream = client.connect();
                stream
                    .write_all(format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\n{}\r\n", token("good")).as_bytes())
                    .unwrap();
                sent.send(()).unwrap();
                assert_eq!(common::secure::read_answer(&mut stream).unwrap().values(), "web 1");
            });
        }
        assert_eq!(all_sent.iter().take(50).count(), 50);
        arrived(&kubernetes, TOKENS, 1);
        gate.open();
    });
    assert_eq!((kubernetes.calls(TOKENS).len(), kubernetes.calls(ACCESS).len()), (1, 1));
    let page = front_proxy(&secure);
    let page = ask(&mut page.connect(), "GET", "/metrics", &(by("m") + "X-Remote-Group: system:masters\r\n")).body;
    for (series, value) in [
        ("authentication_attempts{result=\"success\"}", 50.0),
        ("authentication_attempts{result=\"failure\"}", 0.0),
        ("authorization_attempts_total{result=\"allowed\"}", 50.0),
        ("authorization_attempts_total{result=\"denied\"}", 0.0),
        ("apiserver_delegated_authn_request_total{code=\"200\"}", 1.0),
        ("apiserver_delegated_authz_request_total{code=\"200\"}", 1.0),
    ] {
        assert_eq!(own(&page, series), value, "{series}");
    }
}

/// During an outage of the Kubernetes API, only the aggregator's own requests are answered.
#[test]
fn an_outage_leaves_discovery_and_grants_nothing() {
    let (kubernetes, secure) = start(&[]);
    let hanging = Gate::default();
    let door = hanging.clone();
    kubernetes.script(move |_| Reply::Late(door.clone()));
    let proxy = front_proxy(&secure);
    let mut waiting: Vec<_> = (0..40)
        .map(|number| {
            let (client, headers) = match number % 2 {
                0 => (&proxy, by(&format!("user-{number}"))),
                _ => (&secure.client(), token(&format!("token-{number}"))),
            };
            let mut stream = client.connect();
            stream.write_all(format!("GET {METRIC} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();
            stream
        })
        .collect();
    arrived(&kubernetes, ACCESS, 1);
    let mut aggregator = proxy.connect();
    let probe = by("system:kube-aggregator") + "X-Remote-Group: system:masters\r\n";
    for _ in 0..50 {
        assert_eq!(ask(&mut aggregator, "GET", DISCOVERY, &probe).code, 200);
        assert_eq!(ask(&mut aggregator, "GET", "/apis", &by("system:kube-aggregator")).code, 200);
        assert_eq!(ask(&mut aggregator, "GET", "/openapi/v2", &by("system:aggregator")).code, 200);
        assert_eq!(ask(&mut aggregator, "GET", "/version", &by("kubectl")).code, 200);
        assert_eq!(ask(&mut aggregator, "GET", "/readyz", "").body, "ok");
        assert_eq!(ask(&mut aggregator, "GET", METRIC, &probe).values(), "web 1");
    }
    let server = kubernetes.url();
    let who = format!("503 ServiceUnavailable: cannot authenticate the request: TokenReview to {server}: timeout");
    let may = format!("503 ServiceUnavailable: cannot authorize the request: SubjectAccessReview to {server}: timeout");
    let full = "503 ServiceUnavailable: too many requests are waiting for TokenReview or SubjectAccessReview";
    for (number, stream) in waiting.iter_mut().enumerate() {
        let status = common::secure::read_answer(stream).unwrap().status();
        assert!(status == full || status == [&may, &who][number % 2].as_str(), "{status}");
    }
    // The outage has no effect after its end.
    hanging.open();
    kubernetes.script(|_| Reply::Good);
    assert_eq!(ask(&mut aggregator, "GET", METRIC, &by("user-0")).values(), "web 1");
    let page = ask(&mut aggregator, "GET", "/metrics", &probe).body;
    assert!(own(&page, "authentication_attempts{result=\"error\"}") >= 1.0);
    assert!(own(&page, "authorization_attempts_total{result=\"error\"}") >= 1.0);
    assert!(own(&page, "apiserver_delegated_authz_request_total{code=\"<error>\"}") >= 1.0);
}

/// An invalid response authorizes no request.
#[test]
fn invalid_reviews_grant_nothing() {
    let (kubernetes, secure) = start(&[]);
    let mut proxy = front_proxy(&secure).connect();
    let mut direct = secure.client().connect();
    let server = kubernetes.url();
    let something_else = "answered something unexpected";
    let yes =
        json!({"allowed": true, "authenticated": true, "user": {"username": "root", "groups": ["system:masters"]}});
    let huge =
        format!("{{\"status\":{{\"allowed\":true,\"authenticated\":true,\"reason\":\"{}\"}}}}", "x".repeat(2 << 20));
    for (number, (reply, why)) in [
        (Reply::Say(200, "yes".into()), something_else),
        (Reply::Say(200, "{}".into()), something_else),
        (Reply::Say(201, json!({"status": yes}).to_string()), something_else),
        (Reply::Say(201, json!({"kind": "Pod", "apiVersion": "v1", "status": yes}).to_string()), something_else),
        (Reply::Say(201, huge), "answered a body of more than 1048576 bytes"),
        (Reply::Say(204, String::new()), "answered 204"),
        (Reply::Say(301, json!({"status": yes}).to_string()), "answered 301"),
        (Reply::Say(403, "\u{1b}[2J secret".into()), "answered 403: Metriclet's service account lacks the permission"),
        (Reply::Say(401, String::new()), "answered 401: Metriclet's credentials were rejected"),
    ]
    .into_iter()
    .enumerate()
    {
        kubernetes.script(move |_| reply.clone());
        let answer = ask(&mut proxy, "GET", METRIC, &by(&format!("u{number}")));
        let what = "503 ServiceUnavailable: cannot authorize the request: SubjectAccessReview";
        assert_eq!(answer.status(), format!("{what} to {server}: {why}"), "{number}");
        let answer = ask(&mut direct, "GET", METRIC, &token(&format!("t{number}")));
        let what = "503 ServiceUnavailable: cannot authenticate the request: TokenReview";
        assert_eq!(answer.status(), format!("{what} to {server}: {why}"), "{number}");
    }
    // `denied` overrides `allowed`.
    kubernetes.script(|_| Reply::Good);
    kubernetes.policy(|_| json!({"allowed": true, "denied": true, "reason": "<no>"}));
    let answer = ask(&mut proxy, "GET", "/metrics", &by("u"));
    assert_eq!(forbidden(&answer, &json!({})), "forbidden: User \"u\" cannot get path \"/metrics\": &lt;no&gt;");
}

#[test]
fn without_a_kubernetes_api_no_client_gets_metrics() {
    let ca = file("proxies.crt", &FRONT_PROXIES.pem());
    let secure = secure(&config(), &["--requestheader-client-ca-file", ca.to_str().unwrap()]);
    assert!(secure.server.seen.iter().any(|line| line.contains("no Kubernetes API is configured")));
    let mut stream = front_proxy(&secure).connect();
    assert_eq!(get(&mut stream, "/readyz").body, "ok");
    assert_eq!(ask(&mut stream, "GET", DISCOVERY, &by("u")).code, 200);
    let why = "503 ServiceUnavailable: cannot authorize the request: SubjectAccessReview needs the Kubernetes API";
    assert_eq!(ask(&mut stream, "GET", METRIC, &by("u")).status(), why);
    assert_eq!(
        ask(&mut secure.client().connect(), "GET", METRIC, &token("t")).status(),
        "401 Unauthorized: Unauthorized"
    );
}
