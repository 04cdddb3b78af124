//! A rule on a source of pods: which pods, where the page of each is, and the value of each, or why it is left out.

use std::collections::HashMap;
use std::net::IpAddr;

use super::failure::Failure;
use super::objects::Unlisted;
use super::outcome::Verdict;
use super::request::Request;
use super::trace::Trace;
use super::{MetricPath, MetricRequest, over_time};
use crate::config::model::{PodPort, Pods};
use crate::kube::custom_metrics::MetricValue;
use crate::kube::pod::Pod;
use crate::kube_api::objects::Selection;
use crate::parse::path::ObjectName;
use crate::source::error::SourceError;
use crate::source::page::Found;
use crate::source::waiting::{Patience, Waiting};

/// Why a pod is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SkippedTarget {
    /// Its phase is another than Running.
    NotRunning,
    /// It is on its way out.
    Terminating,
    /// It has no address yet.
    NoAddress,
    /// None of its containers has the port.
    NoPort,
    /// It is on its node's own network, where somebody else may have the port.
    HostNetwork,
    /// Its annotations ask for that, or lead nowhere.
    Annotations,
    /// Another one has the same address and port: whose page that is, nobody can tell.
    SameAddress,
}

/// The values of the pods that are asked for.
pub(super) fn answer(
    request: &Request<'_>,
    of: &Pods,
    patience: Patience,
    trace: &mut Trace,
) -> Result<Vec<MetricValue>, Failure> {
    let pods = list(request, patience)?;
    let pods = match pods.as_ref() {
        Ok(pods) => pods.as_slice(),
        Err(_) => &[],
    };
    // Whatever the answer was: one that is asked for by name gets no other.
    let meant = |pod: &&Pod| match &request.ask.path.name {
        ObjectName::All => true,
        ObjectName::One(name) => pod.metadata.name == *name,
    };
    let pods: Vec<&Pod> = pods.iter().filter(meant).collect();
    trace.note("pods", || format!("{} are selected", pods.len()));
    let (mut asked, skipped) = pages(pods, of);
    for (pod, why) in &skipped {
        trace.note("pod", || format!("{}: not asked, as {}", pod.metadata.name, why.as_str()));
    }
    let skipped = skipped.into_iter().map(|(_, why)| why).collect();
    asked.sort_unstable_by(|(a, _), (b, _)| a.metadata.name.cmp(&b.metadata.name));
    if let Some(sampling) = &request.served.sampling {
        let mut outcome = Outcome { skipped, ..Outcome::default() };
        // Where nobody is, nothing is sampled: who may ask must not be able to fill the places of others.
        if !asked.is_empty() {
            over_time::answer(request, sampling, &asked, &mut outcome, trace);
        }
        return outcome.end(request);
    }
    let urls: Vec<String> = asked.iter().map(|(_, url)| url.clone()).collect();
    let upstream = &request.served.upstream;
    let waiting = Waiting::Source(upstream.index());
    let Some(pages) = upstream.pages(&urls, &request.served.want, patience.wait_for(waiting)) else {
        return Err(Failure::WouldWait(waiting));
    };
    let mut outcome = Outcome { skipped, ..Outcome::default() };
    for ((pod, url), page) in asked.into_iter().zip(pages) {
        let name = &pod.metadata.name;
        let path = MetricPath { name: ObjectName::One(name.clone()), ..request.ask.path.clone() };
        let incarnation = format!("#{}", pod.incarnation());
        let one = Request { ask: MetricRequest { path: &path, ..request.ask }, incarnation: &incarnation, ..*request };
        let verdict = match page {
            Ok(page) => {
                trace.note("page", || format!("{name}: {}, {}", plain(&url), page.describe()));
                let verdict = one.verdict(&page, trace);
                if let Some(Found::Refused(refusal)) = page.found(request.served.want.id) {
                    // Worded for all that are asked for: which of them it is changes with every rollout.
                    outcome.unusable.push(request.about().page(refusal));
                    continue;
                }
                verdict
            }
            Err(error) => {
                trace.note("page", || format!("{name}: {}, {}", plain(&url), error.detail()));
                outcome.failed.push(error);
                continue;
            }
        };
        match verdict {
            Ok(Verdict::Serve(value)) => outcome.items.push(one.item(name, value)),
            Ok(verdict) => outcome.left_out.push(verdict),
            Err(failure) => outcome.unusable.push(failure),
        }
    }
    outcome.end(request)
}

/// What came of all pods.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) items: Vec<MetricValue>,
    pub(super) left_out: Vec<Verdict>,
    pub(super) unusable: Vec<Failure>,
    pub(super) failed: Vec<SourceError>,
    skipped: Vec<SkippedTarget>,
}

impl Outcome {
    /// Counts who is left out; and where nobody is left, says why: always the same for the same reasons.
    fn end(self, request: &Request<'_>) -> Result<Vec<MetricValue>, Failure> {
        let about = request.about();
        if request.ask.path.name == ObjectName::All {
            let counters = request.shared.counters();
            self.left_out.iter().for_each(|verdict| counters.left_out(verdict.as_str()));
            self.failed.iter().for_each(|_| counters.left_out("pod_failed"));
            self.unusable.iter().for_each(|_| counters.left_out("page_refused"));
            self.skipped.iter().for_each(|why| counters.left_out(why.label()));
        }
        if !self.items.is_empty() {
            return Ok(self.items);
        }
        if let Some(error) = self.failed.iter().min_by_key(ToString::to_string) {
            return Err(about.source(error));
        }
        if let Some(failure) = self.unusable.into_iter().min_by_key(ToString::to_string) {
            return Err(failure);
        }
        match super::outcome::nothing_left(self.left_out) {
            Some(Verdict::Refuse(fault)) => return Err(about.refused(&fault)),
            Some(Verdict::Missing(absence)) => return Err(about.missing(&absence)),
            Some(Verdict::Serve(_)) | None => {}
        }
        match self.skipped.iter().min() {
            Some(why) => Err(about.page(&format_args!("no pod to scrape: {}", why.as_str()))),
            None => Err(about.nobody()),
        }
    }
}

/// The pods that the request is about, as the Kubernetes API lists them.
fn list(
    request: &Request<'_>,
    patience: Patience,
) -> Result<std::sync::Arc<Result<Vec<Pod>, crate::kube_api::error::CallError>>, Failure> {
    let Some(objects) = request.objects else {
        let why = "pods need the Kubernetes API; outside a cluster name one with --kubeconfig";
        return Err(request.about().page(&why));
    };
    let MetricPath { namespace, name, .. } = request.ask.path;
    let label_selector = match name {
        ObjectName::All => request.ask.label_selector.to_string(),
        ObjectName::One(_) => String::new(),
    };
    let name = match name {
        ObjectName::One(name) => Some(name.as_str()),
        ObjectName::All => None,
    };
    let selection = Selection { namespace: namespace.as_deref(), label_selector: &label_selector, name };
    let wait = patience.wait_for(Waiting::KubernetesLists);
    objects.pods(selection, wait, request.shared.clock().now().monotonic).map_err(|unlisted| match unlisted {
        Unlisted::WouldWait => Failure::WouldWait(Waiting::KubernetesLists),
        Unlisted::Failed(why) => request.about().page(&why),
    })
}

/// Pods, each with something about it.
type Each<'p, T> = Vec<(&'p Pod, T)>;

/// Pods with the addresses of their pages, and those that have none.
pub(super) fn pages<'p>(
    pods: impl IntoIterator<Item = &'p Pod>,
    of: &Pods,
) -> (Each<'p, String>, Each<'p, SkippedTarget>) {
    let (mut asked, mut skipped) = (Vec::new(), Vec::new());
    let mut taken: HashMap<String, usize> = HashMap::new();
    for pod in pods {
        match page(pod, of) {
            Ok(url) => {
                *taken.entry(authority(&url).to_owned()).or_default() += 1;
                asked.push((pod, url));
            }
            Err(why) => skipped.push((pod, why)),
        }
    }
    let alone = |(_, url): &(&Pod, String)| taken.get(authority(url)) == Some(&1);
    let (asked, same): (Each<'p, String>, Each<'p, String>) = asked.into_iter().partition(alone);
    skipped.extend(same.into_iter().map(|(pod, _)| (pod, SkippedTarget::SameAddress)));
    (asked, skipped)
}

/// The address of a pod's page. Behind `#` stands whose it is: another pod may get the same address later.
fn page(pod: &Pod, of: &Pods) -> Result<String, SkippedTarget> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(SkippedTarget::Terminating);
    }
    if pod.status.phase != "Running" {
        return Err(SkippedTarget::NotRunning);
    }
    if pod.spec.host_network && !of.host_network {
        return Err(SkippedTarget::HostNetwork);
    }
    let address = pod.address().ok_or(SkippedTarget::NoAddress)?;
    let annotations = &pod.metadata.annotations;
    let by_annotations = of.port == PodPort::Annotations;
    if by_annotations && annotations.scrape.as_deref() == Some("false") {
        return Err(SkippedTarget::Annotations);
    }
    let port = match &of.port {
        PodPort::Number(port) => Some(*port),
        PodPort::Name(name) => pod.port(name),
        PodPort::Annotations => annotations.port.as_deref().and_then(|port| port.parse().ok()),
    };
    let port = port.filter(|port| *port > 0).ok_or(SkippedTarget::NoPort)?;
    let plain = |path: &&str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let path = annotations.path.as_deref().filter(|_| by_annotations).unwrap_or(&of.path);
    if !plain(&path) {
        return Err(SkippedTarget::Annotations);
    }
    let https = if by_annotations { annotations.scheme.as_deref() == Some("https") } else { of.https };
    let scheme = if https { "https" } else { "http" };
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    Ok(format!("{scheme}://{host}:{port}{path}#{}", pod.incarnation()))
}

/// Host and port.
fn authority(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}

/// Without whose it is.
pub(super) fn plain(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

impl SkippedTarget {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "it is not running",
            Self::Terminating => "it is terminating",
            Self::NoAddress => "it has no address yet",
            Self::NoPort => "none of its containers has the port",
            Self::HostNetwork => "it uses the host network; set hostNetwork: true to allow that",
            Self::Annotations => "its annotations say prometheus.io/scrape: false, or give a path that is none",
            Self::SameAddress => "another pod has the same address and port",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::NotRunning => "pod_not_running",
            Self::Terminating => "pod_terminating",
            Self::NoAddress => "pod_no_address",
            Self::NoPort => "pod_no_port",
            Self::HostNetwork => "pod_host_network",
            Self::Annotations => "pod_annotations",
            Self::SameAddress => "pod_same_address",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::pod::Annotations;

    fn pod() -> Pod {
        let json = r#"{"metadata":{"name":"web-0","uid":"u","annotations":{"prometheus.io/port":"81","prometheus.io/path":"/m",
            "prometheus.io/scheme":"https"}},"spec":{"containers":[{"ports":[{"name":"metrics","containerPort":80}]}]},
            "status":{"phase":"Running","podIP":"10.0.0.1","startTime":"t"}}"#;
        serde_json::from_str(json).unwrap()
    }

    fn pods(port: PodPort) -> Pods {
        Pods { port, path: "/metrics".to_owned(), https: false, host_network: false }
    }

    #[test]
    fn finds_pages() {
        for (port, url) in [
            (PodPort::Number(9), "http://10.0.0.1:9/metrics#u@t+0"),
            (PodPort::Name("metrics".into()), "http://10.0.0.1:80/metrics#u@t+0"),
            (PodPort::Annotations, "https://10.0.0.1:81/m#u@t+0"),
        ] {
            assert_eq!(page(&pod(), &pods(port)).as_deref(), Ok(url));
        }
        let mut six = pod();
        six.status.pod_ip = "fd00::1".to_owned();
        assert_eq!(page(&six, &pods(PodPort::Number(9))).as_deref(), Ok("http://[fd00::1]:9/metrics#u@t+0"));
    }

    #[test]
    fn leaves_pods_alone_whose_pages_nobody_can_tell_apart() {
        let named = |name: &str, ip: &str| {
            let mut pod = pod();
            (pod.metadata.name, pod.metadata.uid, pod.status.pod_ip) = (name.into(), name.into(), ip.into());
            pod
        };
        let all = [named("a", "10.0.0.1"), named("b", "10.0.0.2"), named("c", "10.0.0.1")];
        let (asked, skipped) = pages(&all, &pods(PodPort::Number(9)));
        assert_eq!(asked.iter().map(|(pod, _)| &*pod.metadata.name).collect::<Vec<_>>(), ["b"]);
        assert_eq!(
            skipped.iter().map(|(pod, why)| (&*pod.metadata.name, *why)).collect::<Vec<_>>(),
            [("a", SkippedTarget::SameAddress), ("c", SkippedTarget::SameAddress)]
        );
    }

    #[test]
    fn annotations_say_who_is_asked() {
        let with = |annotations: Annotations| {
            let mut pod = pod();
            pod.metadata.annotations = Annotations { port: Some("81".to_owned()), ..annotations };
            [PodPort::Annotations, PodPort::Number(9)].map(|port| page(&pod, &pods(port)).is_ok())
        };
        let scrape = |text: &str| with(Annotations { scrape: Some(text.to_owned()), ..Annotations::default() });
        assert_eq!((scrape("true"), scrape("false")), ([true, true], [false, true]));
        let path = |text: &str| with(Annotations { path: Some(text.to_owned()), ..Annotations::default() });
        assert_eq!(
            (path("/m?x=y"), path("m"), path("/a b"), path("/#")),
            ([true; 2], [false, true], [false, true], [false, true])
        );
    }

    #[test]
    fn leaves_pods_alone_that_cannot_answer() {
        let changed = |change: fn(&mut Pod)| {
            let mut pod = pod();
            change(&mut pod);
            page(&pod, &pods(PodPort::Name("metrics".into())))
        };
        for (change, why) in [
            ((|pod| pod.status.phase = "Pending".to_owned()) as fn(&mut Pod), SkippedTarget::NotRunning),
            (|pod| pod.metadata.deletion_timestamp = Some("t".to_owned()), SkippedTarget::Terminating),
            (|pod| pod.status.pod_ip.clear(), SkippedTarget::NoAddress),
            (|pod| pod.spec.containers.clear(), SkippedTarget::NoPort),
            (|pod| pod.spec.host_network = true, SkippedTarget::HostNetwork),
        ] {
            assert_eq!(changed(change), Err(why));
        }
        let on_node = Pods { host_network: true, ..pods(PodPort::Number(9)) };
        let mut node = pod();
        node.spec.host_network = true;
        assert!(page(&node, &on_node).is_ok());
    }
}
