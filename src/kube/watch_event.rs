//! One event of a watch of pods: a line of JSON.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pod_object::{Named, PodObject};
use super::resource_version::ResourceVersion;

/// An event (`meta/v1` WatchEvent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A pod was created or changed.
    Applied(Box<PodObject>, ResourceVersion),
    /// The pod with this name was deleted.
    Deleted(String, ResourceVersion),
    /// All changes up to this version have been sent.
    Bookmark(ResourceVersion),
    /// The watch ends with a Status of this code; 410 means that its version is too old.
    Error(u16),
}

/// An event, reduced to its type.
#[derive(Deserialize)]
struct EventType<'a> {
    #[serde(borrow)]
    r#type: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct WithObject<T> {
    object: T,
}

/// A Status, reduced to its code.
#[derive(Deserialize)]
struct FailureCode {
    code: u16,
}

impl WatchEvent {
    /// Reads a line.
    ///
    /// # Errors
    /// The reason why it is invalid, with unescaped text of the line: it must be escaped and truncated.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let EventType { r#type } = read(line)?;
        let named = || -> Result<Named, String> { object_of(line) };
        match &*r#type {
            "ADDED" | "MODIFIED" => {
                let pod: Box<PodObject> = object_of(line)?;
                let version = version(&pod.metadata.resource_version)?;
                match pod.metadata.name.is_empty() {
                    true => Err("expected a pod with a name".to_owned()),
                    false => Ok(Self::Applied(pod, version)),
                }
            }
            "DELETED" => {
                named().and_then(|of| Ok(Self::Deleted(of.metadata.name, version(&of.metadata.resource_version)?)))
            }
            "BOOKMARK" => Ok(Self::Bookmark(version(&named()?.metadata.resource_version)?)),
            "ERROR" => object_of(line).map(|FailureCode { code }| Self::Error(code)),
            other => {
                Err(format!("expected an event of type ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, found {other}"))
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

fn object_of<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    read::<WithObject<T>>(line).map(|event| event.object)
}

fn version(text: &str) -> Result<ResourceVersion, String> {
    ResourceVersion::parse(text).ok_or_else(|| format!("expected a resourceVersion that is a number, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_events() {
        let version = |text| ResourceVersion::parse(text).unwrap();
        let pod = r#"{"kind":"Pod","metadata":{"name":"web-0","resourceVersion":"8"},"status":{"phase":"Running"}}"#;
        for kind in ["ADDED", "MODIFIED"] {
            // Keys may come in any order.
            for line in
                [format!(r#"{{"type":"{kind}","object":{pod}}}"#), format!(r#"{{"object":{pod},"type":"{kind}"}}"#)]
            {
                let Ok(WatchEvent::Applied(pod, at)) = WatchEvent::parse(line.as_bytes()) else { panic!("{line}") };
                assert_eq!((&*pod.metadata.name, &*pod.status.phase, at), ("web-0", "Running", version("8")));
            }
        }
        for (line, expected) in [
            (format!(r#"{{"type":"DELETED","object":{pod}}}"#), WatchEvent::Deleted("web-0".into(), version("8"))),
            (
                r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"12","creationTimestamp":null},"spec":{"containers":null},"status":{}}}"#.to_owned(),
                WatchEvent::Bookmark(version("12")),
            ),
            (
                r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#.to_owned(),
                WatchEvent::Error(410),
            ),
        ] {
            assert_eq!(WatchEvent::parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn rejects_other_lines() {
        for line in [
            "",
            "{}",
            "7",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
            r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"8"}}}"#,
            r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"x"}}}"#,
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"0"}}}"#,
            r#"{"type":"ERROR","object":{"status":"Failure"}}"#,
            r#"{"type":"OTHER","object":{}}"#,
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}"#,
        ] {
            assert!(WatchEvent::parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
