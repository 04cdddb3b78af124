//! `oauth2`: how a source's tokens are fetched.

use super::fields::{Fields, Sink};
use super::template::template;
use crate::config::limits::Limits;
use crate::config::model::{ClientAuth, ClientCredentials};
use crate::parse::escape::Escaped;
use crate::parse::url_template::Values;
use crate::parse::yaml::YamlValue;

const KEYS: &[&str] = &["tokenUrl", "clientId", "clientSecretFile", "scopes", "audience", "clientAuth", "caFile"];

/// Client credentials for an OAuth 2 server.
pub(super) fn read(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<ClientCredentials> {
    let node = fields.get("oauth2")?;
    let mut oauth2 = Fields::open(node, fields.span("oauth2"), "oauth2", KEYS, sink)?;
    let url = template("tokenUrl", &mut oauth2, limits, sink);
    let token_url = url.as_ref().and_then(|url| url.expand(&Values::default()).ok().filter(|_| !url.is_templated()));
    if url.is_some() && token_url.is_none() {
        oauth2.fail("tokenUrl", "cannot have placeholders, because the secret is sent there", sink);
    }
    oauth2.require("clientId", sink);
    let client_id = oauth2.line("clientId", sink).map(str::to_owned);
    oauth2.require("clientSecretFile", sink);
    let client_secret_file = oauth2.path("clientSecretFile", sink);
    let scopes = scopes(&mut oauth2, sink);
    let audience = oauth2.line("audience", sink).map(str::to_owned);
    let client_auth = oauth2.word("clientAuth", &[("basic", ClientAuth::Basic), ("body", ClientAuth::Body)], sink);
    let ca_file = oauth2.path("caFile", sink);
    if ca_file.is_some() && token_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        oauth2.fail("caFile", "needs a tokenUrl with https://", sink);
    }
    Some(ClientCredentials {
        token_url: token_url?,
        client_id: client_id?,
        client_secret_file: client_secret_file?,
        scopes: scopes?,
        audience,
        client_auth: client_auth.unwrap_or_default(),
        ca_file,
    })
}

/// `scope-token`s of RFC 6749 §3.3, joined.
fn scopes(oauth2: &mut Fields<'_>, sink: &mut Sink) -> Option<String> {
    let Some(node) = oauth2.get("scopes") else { return Some(String::new()) };
    let YamlValue::Sequence(scopes) = &node.value else {
        oauth2.fail("scopes", &format!("expected a list such as [metrics.read], found {}", node.kind()), sink);
        return None;
    };
    let mut texts = Vec::new();
    for scope in scopes {
        let text = scope.text().unwrap_or_default();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')) {
            oauth2.fail_at("scopes", scope.span, &format!("expected a scope, found {}", Escaped::new(text)), sink);
            return None;
        }
        texts.push(text);
    }
    Some(texts.join(" "))
}
