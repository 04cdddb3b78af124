//! How the requests of a source look, beside their URL.

use std::path::PathBuf;

/// The method of requests (RFC 9110 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// With a body, or an empty one.
    Post,
}

/// A value that is sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// In the configuration.
    Text(String),
    /// In a file that is read again when it changes.
    File(PathBuf),
}

/// An HTTP proxy that makes tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// A DNS name or an address; an IPv6 address is in brackets.
    pub host: String,
    pub port: u16,
}

impl Setting {
    /// Whether it is kept out of the configuration, as secrets are.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}
