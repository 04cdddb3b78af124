//! The changes of the pods that a Kubernetes API has, and watches of them, as kube-apiserver serves them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// kube-apiserver sends a bookmark this long before the end of a watch.
const BEFORE_THE_END: Duration = Duration::from_secs(2);

/// Changes of objects, by the path of their list.
pub struct PodHistory {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    version: u64,
    /// The version of the oldest state that a watch may begin with.
    oldest: u64,
    changes: Vec<Change>,
    is_granted: bool,
    /// Incremented to end the connections of all watches.
    cut: u64,
    /// The watches that are being served.
    open: usize,
    /// Bytes of events sent.
    sent: usize,
}

struct Change {
    version: u64,
    path: String,
    event: Value,
}

impl Default for PodHistory {
    fn default() -> Self {
        let state = State { version: 7, oldest: 7, changes: Vec::new(), is_granted: false, cut: 0, open: 0, sent: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl PodHistory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether RBAC grants watches.
    pub fn grant(&self, is_granted: bool) {
        self.lock().is_granted = is_granted;
    }

    pub fn is_granted(&self) -> bool {
        self.lock().is_granted
    }

    /// The version of the newest state.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// The number of watches that are being served.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// Bytes of events that were sent.
    pub fn sent(&self) -> usize {
        self.lock().sent
    }

    /// Replaces the objects of a list; each of the new ones gets its version.
    pub fn replace(&self, path: &str, before: &[Value], mut after: Vec<Value>) -> Vec<Value> {
        let mut state = self.lock();
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut old: BTreeMap<String, &Value> = before.iter().map(|object| (name(object), object)).collect();
        for object in &mut after {
            let known = old.remove(&name(object));
            let same = known.is_some_and(|known| {
                object["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"].clone();
                known == object
            });
            if !same {
                let version = state.next();
                object["metadata"]["resourceVersion"] = version.to_string().into();
                let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
                state.push(path, version, kind, object);
            }
        }
        for gone in old.into_values() {
            let version = state.next();
            let mut object = gone.clone();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            state.push(path, version, "DELETED", &object);
        }
        drop(state);
        self.changed.notify_all();
        after
    }

    /// Increments the version, as if another object changed.
    pub fn advance(&self) {
        self.lock().version += 1;
    }

    /// Forgets all changes up to now, as etcd does when it is compacted.
    pub fn compact(&self) {
        let mut state = self.lock();
        state.changes.clear();
        state.version += 1;
        state.oldest = state.version;
    }

    /// Goes back to an earlier version, as after a restored backup.
    pub fn restore(&self, version: u64) {
        let mut state = self.lock();
        state.changes.clear();
        (state.version, state.oldest) = (version, version);
    }

    /// Ends the connections of all watches, in the middle of an event.
    pub fn cut(&self) {
        self.lock().cut += 1;
        self.changed.notify_all();
    }

    /// Serves a watch to its end; returns whether the connection can be used again.
    pub fn serve(&self, path: &str, query: &BTreeMap<&str, String>, stream: &mut impl Write) -> io::Result<bool> {
        let text = |key: &str| query.get(key).map_or("", String::as_str);
        let seconds = text("timeoutSeconds").parse().unwrap();
        let end = Instant::now() + Duration::from_secs(seconds);
        let bookmark_at = end.checked_sub(BEFORE_THE_END).unwrap_or(end);
        let name = text("fieldSelector").strip_prefix("metadata.name=");
        let mut state = self.lock();
        let (mut from, cut) = (text("resourceVersion").parse::<u64>().unwrap(), state.cut);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        stream.flush()?;
        if from == 0 {
            from = state.version;
        } else if from < state.oldest {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too old resource version", "reason": "Expired", "code": 410});
            chunk(stream, &json!({"type": "ERROR", "object": status}))?;
            stream.write_all(b"0\r\n\r\n")?;
            return stream.flush().map(|()| true);
        }
        state.open += 1;
        let mut is_marked = text("allowWatchBookmarks") != "true";
        let served = loop {
            let now = Instant::now();
            if state.cut != cut {
                let _ = stream.write_all(b"400\r\n{\"type\":\"ADDED\",").and_then(|()| stream.flush());
                break Ok(false);
            }
            let mut news: Vec<Value> = Vec::new();
            for change in state.changes.iter().filter(|change| change.version > from && change.path == path) {
                if name.is_none_or(|name| change.event["object"]["metadata"]["name"] == name) {
                    news.push(change.event.clone());
                }
            }
            if !is_marked && now >= bookmark_at {
                is_marked = true;
                // Until the cluster reaches the version at which the watch began, neither events nor bookmarks are sent.
                if state.version >= from {
                    let version = state.version.to_string();
                    news.push(json!({"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1",
                        "metadata": {"resourceVersion": version}, "spec": {"containers": null}, "status": {}}}));
                }
            }
            from = from.max(state.version);
            let mut sent = 0;
            let written = news.iter().try_for_each(|event| chunk(stream, event).map(|length| sent += length));
            state.sent += sent;
            if let Err(failure) = written {
                break Err(failure);
            }
            if now >= end {
                break stream.write_all(b"0\r\n\r\n").and_then(|()| stream.flush()).map(|()| true);
            }
            let next = if is_marked { end } else { bookmark_at };
            let pause = next.saturating_duration_since(now).max(Duration::from_millis(1));
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        };
        state.open -= 1;
        served
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn push(&mut self, path: &str, version: u64, kind: &str, object: &Value) {
        let event = json!({"type": kind, "object": object});
        self.changes.push(Change { version, path: path.to_owned(), event });
    }
}

/// Sends an event as one HTTP chunk; returns its length.
fn chunk(stream: &mut impl Write, event: &Value) -> io::Result<usize> {
    let line = format!("{event}\n");
    stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
    stream.flush()?;
    Ok(line.len())
}
