use super::*;

const BASE: &str = "/apis/custom.metrics.k8s.io/v1beta1";

fn metric(namespace: Option<&str>, resource: &str, name: &str, metric: &str) -> ApiPath {
    ApiPath::Metric(MetricPath {
        version: Version::V1Beta1,
        namespace: namespace.map(str::to_owned),
        resource: resource.to_owned(),
        name: if name == "*" { ObjectName::All } else { ObjectName::One(name.to_owned()) },
        metric: metric.to_owned(),
    })
}

#[test]
fn routes() {
    for (path, expected) in [
        ("/", ApiPath::Root),
        ("//", ApiPath::Root),
        ("/index.html", ApiPath::Root),
        ("/version", ApiPath::VersionInfo),
        ("/version/", ApiPath::VersionInfo),
        ("/metrics", ApiPath::OwnMetrics),
        ("/peers/samples", ApiPath::PeerSamples),
        ("/peers", ApiPath::Unknown),
        ("/status", ApiPath::Status(StatusFormat::Html)),
        ("/status.json", ApiPath::Status(StatusFormat::Json)),
        ("/healthz", ApiPath::Health(Probe::Healthz, None)),
        ("/livez/", ApiPath::Health(Probe::Livez, None)),
        ("/readyz/config", ApiPath::Health(Probe::Readyz, Some("config".into()))),
        ("/readyz/a/b", ApiPath::Unknown),
        ("/apis", ApiPath::Groups),
        ("/apis/", ApiPath::Groups),
        ("/apis/custom.metrics.k8s.io", ApiPath::Group(Group::Custom)),
        ("/apis/custom.metrics.k8s.io/", ApiPath::Group(Group::Custom)),
        ("/apis/custom.metrics.k8s.io/v1beta1", ApiPath::Resources(Group::Custom, Version::V1Beta1)),
        ("/apis/custom.metrics.k8s.io/v1beta2//", ApiPath::Resources(Group::Custom, Version::V1Beta2)),
        ("/apis/custom.metrics.k8s.io/v1", ApiPath::UnknownInGroup),
        ("/apis/custom.metrics.k8s.io/v1/pods/x/m", ApiPath::UnknownInGroup),
        ("/apis/custom.metrics.k8s.io//v1beta1", ApiPath::UnknownInGroup),
        ("/apis/external.metrics.k8s.io", ApiPath::Group(Group::External)),
        ("/apis/external.metrics.k8s.io/v1beta1/", ApiPath::Resources(Group::External, Version::V1Beta1)),
        ("/apis/external.metrics.k8s.io/v1beta2", ApiPath::UnknownInGroup),
        ("/apis/metrics.k8s.io", ApiPath::Unknown),
        ("//apis", ApiPath::Unknown),
        ("/api", ApiPath::Unknown),
        ("/openapi/v2", ApiPath::OpenApi(OpenApi::V2)),
        ("/openapi/v3/", ApiPath::OpenApi(OpenApi::V3)),
        (
            "/openapi/v3/apis/custom.metrics.k8s.io/v1beta1",
            ApiPath::OpenApi(OpenApi::Document("apis/custom.metrics.k8s.io/v1beta1".into())),
        ),
        ("/openapi/v3/apis/g%20h/v/", ApiPath::OpenApi(OpenApi::Document("apis/g h/v".into()))),
        ("/openapi/v3/apis", ApiPath::Unknown),
        ("/openapi/v3/apis/g", ApiPath::Unknown),
        ("/openapi/v3/apis/g/v/x", ApiPath::Unknown),
        ("/openapi/v3/api/g/v", ApiPath::Unknown),
        ("/openapi", ApiPath::Unknown),
        ("/%61pis", ApiPath::Groups),
    ] {
        assert_eq!(parse(path, 100), Ok(expected), "{path}");
    }
}

#[test]
fn routes_to_metrics() {
    for (path, expected) in [
        ("/namespaces/shop/pods/*/http_requests", metric(Some("shop"), "pods", "*", "http_requests")),
        ("/namespaces/shop/pods/%2A/http_requests", metric(Some("shop"), "pods", "*", "http_requests")),
        ("/namespaces/shop/deployments.apps/web/m/", metric(Some("shop"), "deployments.apps", "web", "m")),
        ("/namespaces/shop/metrics/queue", metric(None, "namespaces", "shop", "queue")),
        ("/namespaces/shop/metrics/queue/ignored", metric(None, "namespaces", "shop", "queue")),
        ("/nodes/n1/cpu", metric(None, "nodes", "n1", "cpu")),
        ("/nodes/*/cpu", metric(None, "nodes", "*", "cpu")),
        ("/nodes/n1%2Fcpu", metric(None, "nodes", "n1", "cpu")),
        ("/nodes/a+b/job:rate", metric(None, "nodes", "a+b", "job:rate")),
        ("/nodes/%C3%A9/m", metric(None, "nodes", "é", "m")),
        ("/nodes/foo", ApiPath::UnknownInGroup),
        ("/blah", ApiPath::UnknownInGroup),
        ("/namespaces/shop/pods/web", ApiPath::UnknownInGroup),
        ("/namespaces/shop/pods/web/m/x", ApiPath::UnknownInGroup),
        ("/nodes//cpu", ApiPath::UnknownInGroup),
    ] {
        let path = format!("{BASE}{path}");
        assert_eq!(parse(&path, 200), Ok(expected), "{path}");
    }
}

#[test]
fn routes_to_external_metrics() {
    let external = |namespace: &str, metric: &str| {
        ApiPath::External(ExternalPath { namespace: namespace.to_owned(), metric: metric.to_owned() })
    };
    for (path, expected) in [
        ("/namespaces/shop/queue_depth", external("shop", "queue_depth")),
        ("/namespaces/shop/queue_depth/", external("shop", "queue_depth")),
        ("/namespaces/shop/Job:Rate%20x", external("shop", "Job:Rate x")),
        ("/namespaces/shop/a%2Fb", ApiPath::UnknownInGroup),
        ("/namespaces/shop/status", ApiPath::UnknownInGroup),
        ("/namespaces/shop/finalize", ApiPath::UnknownInGroup),
        ("/namespaces/*/queue_depth", ApiPath::UnknownInGroup),
        ("/namespaces/shop/pods/web/m", ApiPath::UnknownInGroup),
        ("/namespaces//m", ApiPath::UnknownInGroup),
        ("/namespaces/shop", ApiPath::UnknownInGroup),
        ("/queue_depth", ApiPath::UnknownInGroup),
    ] {
        let path = format!("/apis/external.metrics.k8s.io/v1beta1{path}");
        let parsed = parse(&path, 200);
        assert_eq!(parsed, Ok(expected), "{path}");
        let parsed = parsed.unwrap();
        if matches!(parsed, ApiPath::External(_)) {
            assert_eq!(parse(&parsed.to_string(), 200), Ok(parsed), "{path}");
        }
    }
}

#[test]
fn rejects() {
    for (path, expected) in [
        ("", PathError::NotAbsolute),
        ("apis", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
        ("%2fapis", PathError::NotAbsolute),
        ("http://host/apis", PathError::NotAbsolute),
        ("/%", PathError::BadEscape("%".into())),
        ("/%4", PathError::BadEscape("%4".into())),
        ("/%zz", PathError::BadEscape("%zz".into())),
        ("/%é", PathError::BadEscape("%é".into())),
        ("/%ff", PathError::NotUtf8),
        ("/%00", PathError::Control),
        ("/a%0ab", PathError::Control),
        ("/\u{7f}", PathError::Control),
        ("/apis/../version", PathError::DotSegment),
        ("/apis/%2e%2E/version", PathError::DotSegment),
        ("/./version", PathError::DotSegment),
        ("/0123456789012345678901234567890123456789012345678901234567890123456789", PathError::TooLong(64)),
        ("/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/m", PathError::Invalid),
        ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/*/m", PathError::Invalid),
    ] {
        assert_eq!(parse(path, 64), Err(expected), "{path}");
    }
    let all = format!("{BASE}/namespaces/*/pods/web/m");
    assert_eq!(parse(&all, 100), Err(PathError::Invalid));
}

#[test]
fn describes_the_error() {
    let message = |path: &str| parse(path, 10).unwrap_err().to_string();
    assert_eq!(message("/%z\x1b"), r#"invalid request path: expected two hexadecimal digits after %, found "%z\x1b""#);
    assert_eq!(message("/0123456789"), "invalid request path: expected at most 10 bytes, found more");
}

#[test]
fn prints_paths_that_parse_to_the_same_value() {
    for path in [
        "/",
        "/version",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/apis/custom.metrics.k8s.io/v1beta1",
        "/openapi/v3/apis/a%25%3F/%C3%A9",
        "/openapi/v3/apis//v",
        "/livez",
        "/readyz/a%2520b",
        "/metrics",
        "/apis",
        "/apis/custom.metrics.k8s.io",
        "/x",
    ] {
        let parsed = parse(path, 200).unwrap();
        assert_eq!(parse(&parsed.to_string(), 200), Ok(parsed), "{path}");
    }
    for path in ["", "/x", "/nodes/a%25%3F%23/%C3%A9", "/namespaces/a/metrics/m", "/namespaces/a/pods/*/j:r"] {
        let parsed = parse(&format!("{BASE}{path}"), 200).unwrap();
        assert_eq!(parse(&parsed.to_string(), 200), Ok(parsed), "{path}");
    }
}

#[test]
fn returns_attributes_for_authorization() {
    let (custom, external) = ("custom.metrics.k8s.io/v1beta1", "external.metrics.k8s.io/v1beta1");
    for (base, path, expected) in [
        (custom, "/namespaces/ns/pods/*/m", (Some("ns"), "pods", Some("m"), Some("*"))),
        (custom, "/namespaces/ns/deployments.apps/web/m", (Some("ns"), "deployments.apps", Some("m"), Some("web"))),
        (custom, "/namespaces/ns/metrics/m", (Some("ns"), "metrics", None, Some("m"))),
        (custom, "/nodes/n1/m", (None, "nodes", Some("m"), Some("n1"))),
        (external, "/namespaces/ns/m", (Some("ns"), "m", None, None)),
    ] {
        let parsed = parse(&format!("/apis/{base}{path}"), 200).unwrap();
        let attributes = parsed.attributes().unwrap();
        let Attributes { group, version, namespace, resource, subresource, name } = attributes;
        assert_eq!((namespace, resource, subresource, name), expected, "{path}");
        assert_eq!(format!("{}/{}", group.as_str(), version.as_str()), base);
    }
    assert_eq!(parse("/apis", 200).unwrap().attributes(), None);
}
