//! Reads and changes single objects. A change applies to the version that was read, so an object that another client
//! has changed since is not overwritten.

use std::time::Instant;

use serde_json::{Value, json};

use super::client::Client;
use super::error::{CallError, CallFailure};

/// An object that was read.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    path: String,
    /// Its fields.
    pub content: Value,
}

impl Stored {
    /// Reads the object at a path such as `/api/v1/namespaces/shop/secrets/tls`; `None` if it does not exist.
    ///
    /// # Errors
    /// If there is no valid response by the deadline.
    pub(crate) fn read(client: &Client, path: String, deadline: Instant) -> Result<Option<Self>, CallError> {
        let body = match client.get("GET", &path, deadline) {
            Ok(body) => body,
            Err(CallError { failure: CallFailure::Code(404, _), .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let content: Value = serde_json::from_slice(&body).map_err(|error| client.unexpected("GET", &error))?;
        let stored = Self { path, content };
        match stored.version() {
            "" => Err(client.unexpected("GET", &"expected an object with a resourceVersion")),
            _ => Ok(Some(stored)),
        }
    }

    /// The text at a JSON pointer (RFC 6901); empty if there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.content.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Changes all of these fields at once if the object is unchanged since it was read; `null` removes a field.
    ///
    /// # Errors
    /// If there is no response by the deadline, or if the change is rejected: with 409 if the object has changed.
    pub(crate) fn change(&self, client: &Client, mut fields: Value, deadline: Instant) -> Result<(), CallError> {
        if let Some(fields) = fields.as_object_mut() {
            let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("resourceVersion".to_owned(), self.version().into());
            }
        }
        client.patch("PATCH", &self.path, fields.to_string().as_bytes(), deadline)
    }

    /// Checks for permission to change the object, by a change that the API server does not store.
    ///
    /// # Errors
    /// As for [`change`](Self::change).
    pub(crate) fn may_change(&self, client: &Client, deadline: Instant) -> Result<(), CallError> {
        client.patch("PATCH", &format!("{}?dryRun=All", self.path), b"{}", deadline)
    }

    fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }
}
