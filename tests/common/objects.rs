//! Objects of a Kubernetes API that clients read and change by merge patches, with kube-apiserver's semantics: each change
//! creates a new resourceVersion, and a change of an older version is a conflict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::kubernetes::{Call, Reply};

/// The objects and their history.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    history: Vec<(String, Value)>,
}

impl Objects {
    /// Stores an object.
    pub fn put(&self, path: &str, mut object: Value) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        state.history.push((path.to_owned(), object.clone()));
        state.objects.insert(path.to_owned(), object);
    }

    /// The current object; `null` if there is none.
    pub fn get(&self, path: &str) -> Value {
        self.0.lock().unwrap().objects.get(path).cloned().unwrap_or_default()
    }

    /// Deletes an object.
    pub fn delete(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// Every stored object with its path, in order.
    pub fn history(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().history.clone()
    }

    /// The response of a correct API server to a GET or PATCH.
    pub fn answer(&self, call: &Call) -> Reply {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let found = self.get(path);
        let status = |code: u16, reason: &str| {
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code});
            Reply::Say(code, status.to_string())
        };
        if found.is_null() {
            return status(404, "NotFound");
        }
        if call.method == "GET" {
            return Reply::Say(200, found.to_string());
        }
        assert_eq!(call.method, "PATCH", "{call:?}");
        assert_eq!(call.header("content-type"), Some("application/merge-patch+json"));
        let patch: Value = serde_json::from_str(&call.body).unwrap();
        let expected = &patch["metadata"]["resourceVersion"];
        if !expected.is_null() && *expected != found["metadata"]["resourceVersion"] {
            return status(409, "Conflict");
        }
        let mut changed = found;
        merge(&mut changed, &patch);
        if query != "dryRun=All" {
            assert_eq!(query, "");
            self.put(path, changed.clone());
        }
        Reply::Say(200, changed.to_string())
    }
}

/// Applies a JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
