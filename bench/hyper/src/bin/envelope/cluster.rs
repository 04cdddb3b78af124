//! A cluster whose pods are divided equally among HPAs. Its pods never change.

use std::borrow::Cow;

use metriclet_bench_hyper::http::Request;
use metriclet_bench_hyper::kubernetes::{self, list, pod};

/// The maximum number of namespaces.
const NAMESPACES: usize = 20;

/// The pods of each HPA.
pub struct Cluster(Vec<Vec<String>>);

/// The namespace of an HPA and its pods.
pub fn namespace(hpa: usize) -> String {
    format!("team-{}", hpa % NAMESPACES)
}

/// The value of the label `app` of the HPA's pods.
pub fn app(hpa: usize) -> String {
    format!("app-{hpa}")
}

/// The name of an HPA's pod.
pub fn name(hpa: usize, number: usize) -> String {
    format!("{}-{number:05}", app(hpa))
}

/// The number of each pod and of its HPA, for `pods` pods divided among `hpas` HPAs.
pub fn pods(hpas: usize, pods: usize) -> impl Iterator<Item = (usize, usize)> {
    let each = pods / hpas;
    (0..hpas * each).map(move |number| (number, number / each))
}

impl Cluster {
    pub fn new(hpas: usize, count: usize) -> Self {
        let mut of_hpas = vec![Vec::new(); hpas];
        for (number, hpa) in pods(hpas, count) {
            let labels = format!("\"app\":\"{}\"", app(hpa));
            of_hpas[hpa].push(pod(&namespace(hpa), &name(hpa, number), &labels, number, 1));
        }
        Self(of_hpas)
    }

    fn list(&self, wanted: &str, selector: Option<&str>) -> String {
        // An empty selector is no selector.
        let selected =
            selector.filter(|text| !text.is_empty()).map(|text| text.split_once("%3D").unwrap_or_default().1);
        let is_wanted =
            |hpa: &usize| namespace(*hpa) == wanted && selected.is_none_or(|selected| selected == app(*hpa));
        let pods: Vec<&String> = (0..self.0.len()).filter(is_wanted).flat_map(|hpa| &self.0[hpa]).collect();
        list(1, &pods)
    }
}

impl kubernetes::Cluster for Cluster {
    fn answer(&self, request: &Request) -> Cow<'_, str> {
        match request.path().split('/').collect::<Vec<_>>()[..] {
            ["", "api", "v1", "namespaces", namespace, "pods"] => {
                self.list(namespace, request.query("labelSelector")).into()
            }
            _ => kubernetes::other(request).into(),
        }
    }
}
