//! Series served under their own names.

use super::*;

/// `--upstream`: gauges under their own names, and suggested rules for other series.
#[test]
fn by_name() {
    let upstream = Upstream::text(
        "# TYPE depth gauge\ndepth{namespace=\"shop\",service=\"web\"} 3\nplain 4\n# TYPE jobs_total counter\n\
         jobs_total{service=\"web\"} 5\n# TYPE docs_total gauge\ndocs_total{service=\"web\"} 6\n\
         # TYPE took_seconds histogram\ntook_seconds_bucket{service=\"web\",le=\"+Inf\"} 7\n\
         # TYPE other untyped\nsent_total{service=\"web\"} 8\nshards{service=\"web\",shard=\"1\"} 1\nshards{service=\"web\",shard=\"2\"} 2\n",
    );
    let server = Server::start(&["--upstream", &upstream.url()]);
    let rates = " on a source with single: true, as a rate takes several samples of one process";
    let write = |metric: &str, why: &str, value: &str| {
        let place = if value.contains("rate(") { rates } else { "" };
        format!(
            "503 ServiceUnavailable: {metric} of services/web in namespace shop: {why}; write a rule{place}: {{name: {metric}, \
             object: services, source: upstream, value: '{value}'}}; the rule takes {metric} from source upstream"
        )
    };
    for (path, expected) in [
        ("namespaces/shop/services/web/depth", "web 3".to_owned()),
        ("namespaces/shop/metrics/plain", "shop 4".to_owned()),
        (
            "namespaces/shop/services/web/jobs_total",
            write("jobs_total", "it is a counter, and only gauges are served by name", "sum(rate(jobs_total[2m]))"),
        ),
        ("namespaces/shop/services/web/docs_total", "web 6".to_owned()),
        (
            "namespaces/shop/services/web/took_seconds_bucket",
            write(
                "took_seconds_bucket",
                "it is part of a histogram, and only gauges are served by name",
                "histogram_quantile(0.9, sum by (le) (rate(took_seconds_bucket[2m])))",
            ),
        ),
        (
            "namespaces/shop/services/web/sent_total",
            write(
                "sent_total",
                "it has no TYPE and is named like a counter, and only gauges are served by name",
                "sum(rate(sent_total[2m]))",
            ),
        ),
        (
            "namespaces/shop/services/web/shards",
            write("shards", "several values match; wrap it in sum(), max(), min() or avg()", "sum(shards)"),
        ),
        (
            "namespaces/shop/services/web/plain",
            "404 NotFound: plain of services/web in namespace shop: no matching series on the page has a label \
             exported_service or service to name an object; --describes services/shop/web would bind it; the rule takes \
             plain from source upstream"
                .to_owned(),
        ),
    ] {
        assert_eq!(server.metric(path).values(), expected, "{path}");
    }
    let bound = Server::start(&["--upstream", &upstream.url(), "--describes", "services/shop/web"]);
    assert_eq!(bound.metric("namespaces/shop/services/web/plain").values(), "web 4");
    assert_eq!(bound.metric("namespaces/shop/services/*/plain").values(), "web 4");
    assert!(bound.metric("namespaces/shop/services/db/plain").values().starts_with("404 "));
}
