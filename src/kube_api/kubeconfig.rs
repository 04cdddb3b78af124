//! Reads the current context of a kubeconfig. Features that a server must not use, such as running a program for
//! credentials, are errors that name them.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::target::Target;
use crate::config::limits::Limits;
use crate::http::credentials::{Credentials, Material};
use crate::parse::certificate_name::CertificateName;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{self, Node, YamlValue};

/// Reads a kubeconfig. Relative paths in it begin at `directory`.
///
/// # Errors
/// What is wrong or cannot be used, in words that hold no secret.
pub fn parse(text: &str, directory: &Path, limits: &Limits) -> Result<Target, String> {
    parse_context(text, directory, None, limits)
}

/// The same of another context than the current one.
///
/// # Errors
/// As for [`parse`].
pub(crate) fn parse_context(
    text: &str,
    directory: &Path,
    context: Option<&str>,
    limits: &Limits,
) -> Result<Target, String> {
    let yaml_limits =
        yaml::YamlLimits { bytes: limits.config.bytes, depth: limits.expression.depth, nodes: limits.config.nodes };
    let root =
        yaml::parse(text, &yaml_limits).map_err(|error| format!("line {}: {}", error.span.line, error.message))?;
    let context_name = context.map_or_else(|| required(&root, "current-context"), Ok)?;
    let context = named(&root, "contexts", "context", context_name)?;
    let cluster = named(&root, "clusters", "cluster", required(context, "cluster")?)?;
    let user = match text_of(context, "user") {
        Some(name) => Some(named(&root, "users", "user", name)?),
        None => None,
    };
    let server = required(cluster, "server")?.trim_end_matches('/');
    if !server.starts_with("https://") {
        return Err(format!("server: expected an https:// URL, found {}", Escaped::new(server)));
    }
    if member(cluster, "proxy-url").is_some() {
        return Err("proxy-url is not supported: it would see every token".to_owned());
    }
    let reader = Reader { directory };
    let mut credentials = match user {
        Some(user) => credentials(user, &reader)?,
        None => Credentials::default(),
    };
    credentials.authorities = reader.material(cluster, "certificate-authority-data", "certificate-authority")?;
    credentials.insecure = text_of(cluster, "insecure-skip-tls-verify") == Some("true");
    credentials.server_name = match text_of(cluster, "tls-server-name") {
        Some(name) => Some(CertificateName::host(name).ok_or_else(|| {
            format!("tls-server-name: expected a DNS name or an address, found {}", Escaped::new(name))
        })?),
        None => None,
    };
    Ok(Target { server: server.to_owned(), credentials })
}

fn credentials(user: &Node, reader: &Reader<'_>) -> Result<Credentials, String> {
    for (key, why) in [
        ("exec", "a server runs no programs for credentials; give it a token or a client certificate"),
        ("auth-provider", "it is not supported any more by Kubernetes either; give it a token or a client certificate"),
        ("username", "Kubernetes takes no passwords any more; give it a token or a client certificate"),
        ("as", "impersonation is not supported"),
    ] {
        if member(user, key).is_some() {
            return Err(format!("{key}: {why}"));
        }
    }
    let bearer = match (text_of(user, "token"), text_of(user, "tokenFile")) {
        // As in kubectl, the file wins.
        (_, Some(path)) => Some(Material::File(reader.directory.join(path))),
        (Some(token), None) => Some(Material::Inline("token", token.as_bytes().to_vec())),
        (None, None) => None,
    };
    let certificate = reader.material(user, "client-certificate-data", "client-certificate")?;
    let key = reader.material(user, "client-key-data", "client-key")?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err("client-certificate needs client-key beside it".to_owned()),
        (None, Some(_)) => return Err("client-key needs client-certificate beside it".to_owned()),
    };
    Ok(Credentials { bearer, certificate, ..Credentials::default() })
}

struct Reader<'a> {
    directory: &'a Path,
}

impl Reader<'_> {
    /// Data in base64 under one key, or else the name of a file under the other.
    fn material(&self, node: &Node, data: &'static str, file: &str) -> Result<Option<Material>, String> {
        match (text_of(node, data), text_of(node, file)) {
            (Some(text), _) => {
                let bytes = STANDARD
                    .decode(text.trim())
                    .map_err(|_| format!("{data}: expected base64, found something else"))?;
                Ok(Some(Material::Inline(data, bytes)))
            }
            (None, Some(path)) => Ok(Some(Material::File(self.directory.join(path)))),
            (None, None) => Ok(None),
        }
    }
}

/// What a key holds; nothing where it is absent or null.
fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        YamlValue::Mapping(pairs) => {
            pairs.iter().find(|(known, _)| known.text == key).map(|(_, value)| value).filter(|value| !value.is_null())
        }
        _ => None,
    }
}

/// Text that is not empty.
fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    member(node, key).and_then(Node::text).filter(|text| !text.is_empty())
}

fn required<'n>(node: &'n Node, key: &str) -> Result<&'n str, String> {
    text_of(node, key).ok_or_else(|| format!("line {}: expected {key}, found none", node.span.line))
}

/// The entry of this name in a list of named entries.
fn named<'n>(root: &'n Node, list: &str, kind: &str, name: &str) -> Result<&'n Node, String> {
    let entries = match member(root, list).map(|node| &node.value) {
        Some(YamlValue::Sequence(entries)) => entries.as_slice(),
        _ => &[],
    };
    let entry = entries.iter().find(|entry| text_of(entry, "name") == Some(name));
    entry.and_then(|entry| member(entry, kind)).ok_or_else(|| {
        format!("{list}: expected an entry with a {kind} and the name {}, found none", Escaped::new(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(cluster: &str, user: &str) -> Result<Target, String> {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {{name: other}}\n- name: c\n  context: {{cluster: k, user: u}}\n\
             clusters:\n- name: k\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\n"
        );
        parse(&text, Path::new("/home/.kube"), &Limits::default())
    }

    #[test]
    fn reads_credentials() {
        let inline = |key, text: &str| Some(Material::Inline(key, text.as_bytes().to_vec()));
        let file = |path: &str| Some(Material::File(path.into()));
        for (cluster, user, credentials) in [
            ("{server: 'https://k:6443/'}", "{}", Credentials::default()),
            (
                "{server: 'https://k:6443', certificate-authority-data: Y2E=, certificate-authority: x}",
                "{token: t}",
                Credentials {
                    authorities: inline("certificate-authority-data", "ca"),
                    bearer: inline("token", "t"),
                    ..Credentials::default()
                },
            ),
            (
                "{server: 'https://k:6443', certificate-authority: ca.crt, tls-server-name: kubernetes}",
                "{token: t, tokenFile: /run/token}",
                Credentials {
                    server_name: CertificateName::host("kubernetes"),
                    authorities: file("/home/.kube/ca.crt"),
                    bearer: file("/run/token"),
                    ..Credentials::default()
                },
            ),
            (
                "{server: 'https://k:6443', insecure-skip-tls-verify: true}",
                "{client-certificate-data: Yw==, client-key: k.pem}",
                Credentials {
                    insecure: true,
                    certificate: inline("client-certificate-data", "c").zip(file("/home/.kube/k.pem")),
                    ..Credentials::default()
                },
            ),
        ] {
            let expected = Target { server: "https://k:6443".into(), credentials };
            assert_eq!(parsed(cluster, user), Ok(expected), "{cluster} {user}");
        }
    }

    #[test]
    fn refuses_what_a_server_must_not_do() {
        let good = "{server: 'https://k:6443'}";
        for (cluster, user, why) in [
            ("{server: 'http://k:80'}", "{}", r#"server: expected an https:// URL, found "http://k:80""#),
            ("{}", "{}", "line 10: expected server, found none"),
            (
                "{server: 'https://k', proxy-url: 'http://p'}",
                "{}",
                "proxy-url is not supported: it would see every token",
            ),
            (
                good,
                "{exec: {command: aws}}",
                "exec: a server runs no programs for credentials; give it a token or a client certificate",
            ),
            (
                "{server: 'https://k', tls-server-name: 'spiffe://a/b'}",
                "{}",
                r#"tls-server-name: expected a DNS name or an address, found "spiffe://a/b""#,
            ),
            (good, "{client-key: k}", "client-key needs client-certificate beside it"),
            (good, "{client-certificate-data: '!'}", "client-certificate-data: expected base64, found something else"),
            (
                good,
                "{username: admin, password: secret}",
                "username: Kubernetes takes no passwords any more; give it a token or a client certificate",
            ),
        ] {
            assert_eq!(parsed(cluster, user), Err(why.to_owned()), "{cluster} {user}");
        }
        let parse = |text| parse(text, Path::new("/"), &Limits::default());
        assert_eq!(parse("a: b"), Err("line 1: expected current-context, found none".to_owned()));
        assert_eq!(
            parse("current-context: c"),
            Err("contexts: expected an entry with a context and the name \"c\", found none".to_owned())
        );
        assert!(parse("a: [").is_err());
    }
}
