//! The page of each pod, or why the pod is not scraped.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::net::IpAddr;

use crate::config::model::{PodPort, Pods};
use crate::kube::pod::{Pod, PodPhase};

/// Why a pod is not scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedTarget {
    /// Its phase is not Running.
    NotRunning,
    Terminating,
    /// It has no address yet.
    NoAddress,
    /// None of its containers has the port.
    NoPort,
    /// It is on the host network, where another process may have the port.
    HostNetwork,
    /// Its annotations forbid scraping.
    NotToBeScraped,
    /// Its annotations give an invalid path.
    NoPath,
    /// Another pod has the same address and port, so the page may be of either.
    SameAddress,
}

/// The page of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PodTarget<'p> {
    pub(super) pod: &'p Pod,
    is_https: bool,
    address: IpAddr,
    port: u16,
    path: &'p str,
}

/// Pods that are skipped, with the reason.
type Skipped<'p> = Vec<(&'p Pod, SkippedTarget)>;

/// The pages of pods, and the pods that are skipped.
pub(super) fn pages<'p>(pods: impl IntoIterator<Item = &'p Pod>, of: &'p Pods) -> (Vec<PodTarget<'p>>, Skipped<'p>) {
    let (mut targets, mut skipped): (Vec<PodTarget<'_>>, Vec<_>) = (Vec::new(), Vec::new());
    // The addresses and ports of the pods, and whether several pods have the same.
    let mut taken: HashMap<(IpAddr, u16), bool> = HashMap::new();
    let mut is_shared = false;
    for pod in pods {
        match PodTarget::of(pod, of) {
            Ok(target) => {
                let entry = taken.entry((target.address, target.port));
                entry.and_modify(|taken| (*taken, is_shared) = (true, true)).or_default();
                targets.push(target);
            }
            Err(why) => skipped.push((pod, why)),
        }
    }
    if is_shared {
        targets.retain(|target| {
            let is_alone = taken.get(&(target.address, target.port)) == Some(&false);
            if !is_alone {
                skipped.push((target.pod, SkippedTarget::SameAddress));
            }
            is_alone
        });
    }
    (targets, skipped)
}

impl<'p> PodTarget<'p> {
    fn of(pod: &'p Pod, of: &'p Pods) -> Result<Self, SkippedTarget> {
        if pod.is_terminating() {
            return Err(SkippedTarget::Terminating);
        }
        if pod.phase() != PodPhase::Running {
            return Err(SkippedTarget::NotRunning);
        }
        if pod.is_on_host_network() && !of.host_network {
            return Err(SkippedTarget::HostNetwork);
        }
        let address = pod.address().ok_or(SkippedTarget::NoAddress)?;
        let annotations = pod.annotations();
        let by_annotations = of.port == PodPort::Annotations;
        if by_annotations && annotations.scrape.as_deref() == Some("false") {
            return Err(SkippedTarget::NotToBeScraped);
        }
        let port = match &of.port {
            PodPort::Number(port) => Some(*port),
            PodPort::Name(name) => pod.port(name),
            PodPort::Annotations => annotations.port.as_deref().and_then(|port| port.parse().ok()),
        };
        let port = port.filter(|port| *port > 0).ok_or(SkippedTarget::NoPort)?;
        let is_plain =
            |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let path = annotations.path.as_deref().filter(|_| by_annotations).unwrap_or(&of.path);
        if !is_plain(path) {
            return Err(SkippedTarget::NoPath);
        }
        let is_https = if by_annotations { annotations.scheme.as_deref() == Some("https") } else { of.https };
        Ok(Self { pod, is_https, address, port, path })
    }

    /// The URL. Its fragment is the pod's incarnation: another pod may get the same address later.
    pub(super) fn url(&self) -> String {
        let mut url = self.plain_url();
        url.push('#');
        // Writing to memory cannot fail.
        let _ = self.pod.write_incarnation(&mut url);
        url
    }

    /// The URL without the incarnation.
    pub(super) fn plain_url(&self) -> String {
        let mut url = String::new();
        let _ = self.write_plain(&mut url);
        url
    }

    /// Whether this is its URL, with the incarnation.
    pub(super) fn is_at(&self, url: &str) -> bool {
        let mut left = PrefixMatcher(url.as_bytes());
        self.write_plain(&mut left).is_ok()
            && left.write_str("#").is_ok()
            && self.pod.write_incarnation(&mut left).is_ok()
            && left.0.is_empty()
    }

    fn write_plain(&self, to: &mut impl Write) -> fmt::Result {
        let mut buffer = itoa::Buffer::new();
        to.write_str(if self.is_https { "https://" } else { "http://" })?;
        match self.address {
            IpAddr::V4(address) => {
                for (at, part) in address.octets().into_iter().enumerate() {
                    to.write_str(if at == 0 { "" } else { "." })?;
                    to.write_str(buffer.format(part))?;
                }
            }
            IpAddr::V6(address) => write!(to, "[{address}]")?,
        }
        to.write_str(":")?;
        to.write_str(buffer.format(self.port))?;
        to.write_str(self.path)
    }
}

/// The rest of a text after the parts that were written so far; writing anything else is an error.
struct PrefixMatcher<'a>(&'a [u8]);

impl Write for PrefixMatcher<'_> {
    fn write_str(&mut self, expected: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(expected.as_bytes()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The host and port of a URL.
pub(super) fn authority(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}

impl SkippedTarget {
    /// The reason as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "it is not running",
            Self::Terminating => "it is terminating",
            Self::NoAddress => "it has no address yet",
            Self::NoPort => "none of its containers has the port",
            Self::HostNetwork => "it uses the host network; set hostNetwork: true to allow that",
            Self::NotToBeScraped => "its annotations say prometheus.io/scrape: false",
            Self::NoPath => "its annotation prometheus.io/path is no path",
            Self::SameAddress => "another pod has the same address and port",
        }
    }

    /// The label value in the counter of objects left out.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotRunning => "pod_not_running",
            Self::Terminating => "pod_terminating",
            Self::NoAddress => "pod_no_address",
            Self::NoPort => "pod_no_port",
            Self::HostNetwork => "pod_host_network",
            Self::NotToBeScraped | Self::NoPath => "pod_annotations",
            Self::SameAddress => "pod_same_address",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::pod_object::{Annotations, PodObject};

    fn object() -> PodObject {
        let json = r#"{"metadata":{"name":"web-0","uid":"u","annotations":{"prometheus.io/port":"81","prometheus.io/path":"/m",
            "prometheus.io/scheme":"https"}},"spec":{"containers":[{"ports":[{"name":"metrics","containerPort":80}]}]},
            "status":{"phase":"Running","podIP":"10.0.0.1","startTime":"t"}}"#;
        serde_json::from_str(json).unwrap()
    }

    fn pods(port: PodPort) -> Pods {
        Pods { set: None, port, path: "/metrics".to_owned(), https: false, host_network: false }
    }

    fn page(pod: &Pod, of: &Pods) -> Result<String, SkippedTarget> {
        let target = PodTarget::of(pod, of)?;
        let url = target.url();
        assert!(target.is_at(&url) && url.starts_with(&target.plain_url()));
        let others = [url[1..].to_owned(), url[..url.len() - 1].to_owned(), format!("{url}0"), url.replace('0', "1")];
        for other in &others {
            assert!(!target.is_at(other), "{other}");
        }
        Ok(url)
    }

    #[test]
    fn finds_pages() {
        for (port, url) in [
            (PodPort::Number(9), "http://10.0.0.1:9/metrics#u@t+0"),
            (PodPort::Name("metrics".into()), "http://10.0.0.1:80/metrics#u@t+0"),
            (PodPort::Annotations, "https://10.0.0.1:81/m#u@t+0"),
        ] {
            assert_eq!(page(&object().into(), &pods(port)).as_deref(), Ok(url));
        }
        let mut six = object();
        six.status.pod_ip = "fd00::1".to_owned();
        assert_eq!(page(&six.into(), &pods(PodPort::Number(9))).as_deref(), Ok("http://[fd00::1]:9/metrics#u@t+0"));
    }

    #[test]
    fn skips_pods_that_share_an_address() {
        let named = |name: &str, ip: &str| {
            let mut pod = object();
            (pod.metadata.name, pod.metadata.uid, pod.status.pod_ip) = (name.into(), name.into(), ip.into());
            Pod::from(pod)
        };
        let all = [named("a", "10.0.0.1"), named("b", "10.0.0.2"), named("c", "10.0.0.1")];
        let of = pods(PodPort::Number(9));
        let (targets, skipped) = pages(&all, &of);
        assert_eq!(targets.iter().map(|target| target.pod.name()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(
            skipped.iter().map(|(pod, why)| (pod.name(), *why)).collect::<Vec<_>>(),
            [("a", SkippedTarget::SameAddress), ("c", SkippedTarget::SameAddress)]
        );
    }

    #[test]
    fn annotations_choose_pods() {
        let with = |annotations: Annotations| {
            let mut pod = object();
            pod.metadata.annotations = Annotations { port: Some("81".to_owned()), ..annotations };
            let pod = Pod::from(pod);
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
    fn skips_pods_that_cannot_answer() {
        let changed = |change: fn(&mut PodObject)| {
            let mut pod = object();
            change(&mut pod);
            page(&pod.into(), &pods(PodPort::Name("metrics".into())))
        };
        for (change, why) in [
            ((|pod| pod.status.phase = "Pending".to_owned()) as fn(&mut PodObject), SkippedTarget::NotRunning),
            (|pod| pod.metadata.deletion_timestamp = Some("t".to_owned()), SkippedTarget::Terminating),
            (|pod| pod.status.pod_ip.clear(), SkippedTarget::NoAddress),
            (|pod| pod.spec.containers.clear(), SkippedTarget::NoPort),
            (|pod| pod.spec.host_network = true, SkippedTarget::HostNetwork),
        ] {
            assert_eq!(changed(change), Err(why));
        }
        let on_node = Pods { host_network: true, ..pods(PodPort::Number(9)) };
        let mut node = object();
        node.spec.host_network = true;
        assert!(page(&node.into(), &on_node).is_ok());
    }
}
