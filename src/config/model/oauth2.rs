//! OAuth 2 settings of a source.

use std::path::PathBuf;

/// Client credentials for an OAuth 2 server (RFC 6749 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Contains no placeholder.
    pub token_url: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    /// Separated by spaces.
    pub scopes: String,
    /// The token's audience, which some servers require.
    pub audience: Option<String>,
    pub client_auth: ClientAuth,
    /// A PEM bundle that replaces the built-in roots, for the token's server.
    pub ca_file: Option<PathBuf>,
}

/// How the client authenticates itself (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// HTTP Basic authentication, which every server must support.
    #[default]
    Basic,
    /// Parameters in the body, for servers that support nothing else.
    Body,
}

impl ClientCredentials {
    /// Whether the secret crosses the network encrypted.
    pub fn is_https(&self) -> bool {
        self.token_url.starts_with("https://")
    }
}
