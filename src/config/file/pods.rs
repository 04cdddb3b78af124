//! `pods` of a source: the pods to scrape, and the port and path of their pages.

use super::fields::{Fields, Sink};
use crate::config::limits::Limits;
use crate::config::model::{PodPort, PodSet, Pods};
use crate::parse::dns;
use crate::parse::escape::Escaped;
use crate::parse::selector::{Selector, SelectorLimits};

const KEYS: &[&str] = &["namespace", "selector", "port", "path", "scheme", "hostNetwork"];

/// Reads `pods`, which must be present.
pub(super) fn read(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Pods> {
    let node = fields.get("pods")?;
    let mut pods = Fields::open(node, fields.span("pods"), "pods", KEYS, sink)?;
    let set = set(&mut pods, limits, sink);
    let port = match pods.required_text("port", sink)? {
        "annotations" => PodPort::Annotations,
        text => match text.parse::<u16>() {
            Ok(number @ 1..) => PodPort::Number(number),
            // IANA_SVC_NAME, which Kubernetes requires of port names.
            Err(_) if dns::is_label(text) && text.len() <= 15 => PodPort::Name(text.to_owned()),
            _ => {
                let message =
                    format!("expected a number, a container port's name, or annotations, found {}", Escaped::new(text));
                pods.fail("port", &message, sink);
                return None;
            }
        },
    };
    let path = pods.line("path", sink).unwrap_or("/metrics");
    let plain = |b: u8| {
        b.is_ascii_graphic() && !matches!(b, b'#' | b'{' | b'}' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'|')
    };
    if !path.starts_with('/') || !path.bytes().all(plain) {
        pods.fail("path", &format!("expected a path that starts with a slash, found {}", Escaped::new(path)), sink);
        return None;
    }
    Some(Pods {
        set: set?,
        port,
        path: path.to_owned(),
        https: pods.word("scheme", &[("http", false), ("https", true)], sink).unwrap_or(false),
        host_network: pods.boolean("hostNetwork", sink).unwrap_or(false),
    })
}

/// The fixed set of pods, if `namespace` and `selector` define one; `None` (and a problem) if they are invalid.
fn set(pods: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Option<PodSet>> {
    let [has_namespace, has_selector] = ["namespace", "selector"].map(|key| pods.has(key));
    if !has_namespace && !has_selector {
        return Some(None);
    }
    for (key, is_there) in [("namespace", has_namespace), ("selector", has_selector)] {
        if !is_there {
            pods.fail(key, "required: a fixed set of pods has both namespace: and selector:", sink);
        }
    }
    let (namespace, text) = (pods.text("namespace", sink)?, pods.line("selector", sink)?);
    if !dns::is_label(namespace) {
        pods.fail("namespace", &format!("expected a namespace, found {}", Escaped::new(namespace)), sink);
        return None;
    }
    let limits = SelectorLimits { bytes: limits.request.selector, requirements: limits.request.selector_requirements };
    match Selector::parse(text, &limits) {
        Ok(selector) if selector.is_everything() => {
            pods.fail("selector", "expected a label selector such as app=web, found one that selects all pods", sink);
            None
        }
        Ok(selector) => Some(Some(PodSet { namespace: namespace.to_owned(), selector: selector.to_string() })),
        Err(error) => {
            pods.fail("selector", &error.to_string(), sink);
            None
        }
    }
}
