//! Settings for the requests of a source, except their URL.

use std::path::PathBuf;

/// The method of requests (RFC 9110 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// POST, with a body that may be empty.
    Post,
}

/// The value of a header field or parameter.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// Written in the configuration.
    Text(String),
    /// The content of a file, which is read again when it changes.
    File(PathBuf),
}

/// An HTTP proxy for tunnels (CONNECT).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// A DNS name or an address; an IPv6 address is in brackets.
    pub host: String,
    pub port: u16,
}

impl Setting {
    /// Whether the value is in a file, as secrets must be.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
