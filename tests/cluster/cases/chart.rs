//! The chart, installed, upgraded and uninstalled by Helm, by each version that scripts/helm builds.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::access::grant;
use super::fixture::{ROUTES, config, path, source};
use super::production::every;
use crate::installed::{VERSIONS, services, values};
use crate::kubectl::Kubectl;
use crate::node::run_pod;
use crate::plane::ControlPlane;
use crate::process::eventually;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAMESPACE: &str = "--namespace=custom-metrics";

pub fn comes_stays_and_goes(plane: &mut ControlPlane) {
    let admin = plane.admin();
    let [first, second] = services();
    admin.run(&["delete", "--ignore-not-found", &first, &second, "namespace/custom-metrics"]).unwrap();
    grant(plane);
    let paths = Command::new(format!("{ROOT}/scripts/helm")).arg("--paths").output().unwrap();
    let paths = String::from_utf8(paths.stdout).unwrap();
    let (there, missing): (Vec<_>, Vec<_>) = paths.lines().map(Path::new).partition(|path| path.exists());
    assert!(missing.is_empty() || env::var_os("CI").is_none(), "{missing:?} are missing; scripts/helm builds them");
    if !missing.is_empty() {
        println!("    left out, as they are missing: {missing:?}; scripts/helm builds them");
    }
    for helm in there {
        by(plane, &Chart { admin: admin.clone(), helm, values: plane.file("values.yaml") });
    }
}

/// A release of the chart.
struct Chart<'a> {
    admin: Kubectl,
    helm: &'a Path,
    values: PathBuf,
}

impl Chart<'_> {
    /// Installs or upgrades it.
    fn install_or_upgrade(&self, verb: &[&str], sets: &[&str]) {
        let chart = format!("{ROOT}/manifests/chart");
        let values = self.values.to_str().unwrap();
        let mut arguments = [verb, &["metriclet", &chart, NAMESPACE, "--values", values]].concat();
        for set in sets {
            arguments.extend(["--set", set]);
        }
        self.admin.tool(self.helm, &arguments).unwrap();
    }

    fn secret(&self, name: &str) -> Value {
        self.admin.get(&["secret", name, NAMESPACE])
    }
}

fn by(plane: &ControlPlane, chart: &Chart<'_>) {
    let admin = &chart.admin;
    let before = every("", admin);
    let source = source();
    let mut values = "config:\n".to_owned();
    for line in config(&source).lines() {
        writeln!(values, "  {line}").unwrap();
    }
    fs::write(&chart.values, values).unwrap();
    chart.install_or_upgrade(&["install", "--create-namespace"], &[]);
    let [authority, made] = ["metriclet-ca", "metriclet-tls"].map(|name| chart.secret(name)["data"].take());

    let server = run_pod(plane, NAMESPACE, "deployment/metriclet");
    // There is no pod network: the name resolves to this machine, with a free port.
    let outside = json!({"spec": {"type": "ExternalName", "externalName": "localhost"}}).to_string();
    admin.run(&["patch", "service", "metriclet", NAMESPACE, "--patch", &outside]).unwrap();
    let port = format!("service.port={}", server.address.port());
    let available = || {
        for service in services() {
            admin.run(&["wait", "--for=condition=Available", "--timeout=60s", &service]).unwrap();
            let bundle = admin.get(&[&service])["spec"]["caBundle"].take();
            assert_eq!(bundle, authority["tls.crt"], "upgrades keep the authority");
        }
        assert_eq!(chart.secret("metriclet-ca")["data"], authority);
    };

    chart.install_or_upgrade(&["upgrade"], &[&port]);
    available();
    assert_eq!(chart.secret("metriclet-tls")["data"], made, "a certificate that is new enough is kept");
    for version in VERSIONS {
        for (route, expected) in ROUTES {
            let found = eventually("it responds", || admin.raw(&path(version, route)));
            assert_eq!(self::values(&found), expected, "{route}");
        }
    }

    // With other names a new certificate is issued, by the same authority.
    chart.install_or_upgrade(&["upgrade"], &[&port, "replicas=1", "tls.clusterDomain=example.internal"]);
    available();
    let renewed = chart.secret("metriclet-tls")["data"].take();
    assert!(renewed["tls.crt"] != made["tls.crt"] && renewed["ca.crt"] == made["ca.crt"]);
    admin.tool(chart.helm, &["rollback", "metriclet", "2", NAMESPACE]).unwrap();
    available();

    // Its pods are gone before the chart is uninstalled: no hook waits for them.
    drop(server);
    admin.tool(chart.helm, &["uninstall", "metriclet", NAMESPACE]).unwrap();
    admin.run(&["delete", "namespace", "custom-metrics", "--timeout=90s"]).unwrap();
    let left: Vec<_> = every("", admin).difference(&before).cloned().collect();
    assert_eq!(left, Vec::<String>::new());
}
