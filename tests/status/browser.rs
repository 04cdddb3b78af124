//! The page in a real browser: Chromium, driven by playwright-core, judged by axe-core. scripts/test installs them.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::common::kubernetes::Kubernetes;
use super::common::upstream::{Upstream, page};
use super::hpas::{self, condition, external, hpa, object};

/// Whether a browser is available; in CI it must be.
fn has_browser(modules: &Path) -> bool {
    let runs =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let lacking = [
        ("node", runs("node")),
        ("chromium", runs("chromium")),
        ("playwright-core", modules.join("playwright-core").exists()),
        ("axe-core", modules.join("axe-core").exists()),
    ];
    let lacking: Vec<_> = lacking.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| *name).collect();
    if !lacking.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "this machine lacks {lacking:?}");
        println!("skipped: this machine lacks {lacking:?}");
    }
    lacking.is_empty()
}

#[test]
fn matches_the_json_and_is_accessible() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = std::env::var_os("METRICLET_NODE_MODULES")
        .map_or_else(|| root.join("target/tools/node/node_modules"), Into::into);
    if !has_browser(&modules) {
        return;
    }
    // Each scrape returns one more job, so that a refreshed page differs.
    let scrapes = AtomicU32::new(40);
    let source = Upstream::start(move |_, stream| {
        let count = scrapes.fetch_add(1, Ordering::SeqCst);
        let text = format!(
            "depth{{service=\"web\",namespace=\"shop\"}} {count}\ndepth{{service=\"web\",namespace=\"bank\"}} 1\n\
             jobs{{pod=\"a\",namespace=\"shop\"}} 3\njobs{{pod=\"b\",namespace=\"shop\"}} NaN\n"
        );
        let _ = stream.write_all(&page("text/plain", &text));
    });
    let kubernetes = Kubernetes::start();
    let markup = "<img src=x onerror=alert(1)>\u{202e}";
    let status = json!({
        "currentReplicas": 3, "desiredReplicas": 4,
        "currentMetrics": [{"type": "Object", "object": {"metric": {"name": "depth"}, "current": {"value": "42500m"}}}],
        "conditions": [condition("ScalingActive", "False", "FailedGetExternalMetric", &markup.repeat(40))],
    });
    let hpas = vec![
        hpa("bank", "web", &json!([object("depth", "10")]), &json!({})),
        hpa("shop", "web", &json!([object("depth", "10"), external("mails"), external(markup)]), &status),
    ];
    let server = hpas::server(&kubernetes, &source, hpas);
    hpas::listed(&server);
    for path in [
        "shop/services/web/depth",
        "bank/services/web/depth",
        "shop/pods/*/jobs",
        "shop/services/web/gone",
        "shop/services/web/broken",
        // 240 characters of markup, and right-to-left text.
        "shop/services/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E/depth",
        &format!("shop/services/{}/depth", "%3Cscript%3E".repeat(30)),
        "shop/services/%D7%A9%D7%9C%D7%95%D7%9D%E2%80%AE/depth",
    ] {
        server.metric(&format!("namespaces/{path}"));
    }
    // A report is remembered for a moment: the browser must not get the one from before the requests.
    let begun = std::time::Instant::now();
    while !["<script><script>", "%3Cscript%3E%3Cscript"]
        .iter()
        .any(|text| server.get("/status.json").body.contains(text))
    {
        assert!(begun.elapsed().as_secs() < 60, "the report shows no requests");
        std::thread::yield_now();
    }
    let script = root.join("tests/status/browser.mjs");
    let output =
        Command::new("node").args([&script, &modules]).arg(format!("http://{}", server.address)).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
}
