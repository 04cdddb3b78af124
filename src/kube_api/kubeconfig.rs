//! Reads the current context of a kubeconfig. A feature that the caller does not allow, such as a credential plugin in
//! a server, is an error that names the feature.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::exec::{Exec, ExecVersion, Interactive};
use super::target::Target;
use crate::config::limits::Limits;
use crate::http::credentials::{Credentials, SecretSource};
use crate::parse::certificate_name::CertificateName;
use crate::parse::escape::Escaped;
use crate::parse::yaml::{self, Node, YamlValue};

/// The purpose for which a kubeconfig is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KubeconfigUse {
    /// A server, or a command in a pod.
    Server,
    /// A command of a user: it may run a credential plugin, and connect to `kubectl proxy` on this machine.
    Command,
}

/// Reads a kubeconfig. Relative paths in it start at `directory`.
///
/// # Errors
/// The invalid or unsupported part, without secrets.
pub fn parse(text: &str, directory: &Path, limits: &Limits) -> Result<Target, String> {
    parse_context(text, directory, None, KubeconfigUse::Server, limits)
}

/// Like [`parse`], but reads the named context if there is one.
///
/// # Errors
/// As for [`parse`].
pub(crate) fn parse_context(
    text: &str,
    directory: &Path,
    context: Option<&str>,
    by: KubeconfigUse,
    limits: &Limits,
) -> Result<Target, String> {
    let root = yaml::parse(text, &limits.document())
        .map_err(|error| format!("line {}: {}", error.span.line, error.message))?;
    let context_name = context.map_or_else(|| required(&root, "current-context"), Ok)?;
    let context = named(&root, "contexts", "context", context_name)?;
    let cluster = named(&root, "clusters", "cluster", required(context, "cluster")?)?;
    let user = match text_of(context, "user") {
        Some(name) => Some(named(&root, "users", "user", name)?),
        None => None,
    };
    let server = required(cluster, "server")?.trim_end_matches('/');
    let is_plain = server.starts_with("http://") && by == KubeconfigUse::Command;
    if !is_plain && !server.starts_with("https://") {
        return Err(format!("server: expected an https:// URL, found {}", Escaped::new(server)));
    }
    if member(cluster, "proxy-url").is_some() {
        return Err("proxy-url is not supported: it would see every token".to_owned());
    }
    let reader = Reader { directory };
    let (mut credentials, exec) = match user {
        Some(user) => (credentials(user, &reader)?, exec(user, cluster, directory, by)?),
        None => (Credentials::default(), None),
    };
    credentials.authorities = reader.material(cluster, "certificate-authority-data", "certificate-authority")?;
    credentials.insecure = text_of(cluster, "insecure-skip-tls-verify") == Some("true");
    credentials.server_name = match text_of(cluster, "tls-server-name") {
        Some(name) => Some(CertificateName::host(name).ok_or_else(|| {
            format!("tls-server-name: expected a DNS name or an address, found {}", Escaped::new(name))
        })?),
        None => None,
    };
    let target = Target { server: server.to_owned(), credentials, exec };
    let host = target.address().0;
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_plain && !is_here {
        let found = Escaped::new(server);
        return Err(format!(
            "server: expected https://, or http:// on this machine as by kubectl proxy, found {found}"
        ));
    }
    Ok(target)
}

/// The credential plugin. A command with a slash is relative to `directory`, as in kubectl.
fn exec(user: &Node, cluster: &Node, directory: &Path, by: KubeconfigUse) -> Result<Option<Exec>, String> {
    let Some(exec) = member(user, "exec") else { return Ok(None) };
    if by == KubeconfigUse::Server {
        let why = "a server runs no programs for credentials, and metriclet get does so outside of a cluster only; give it a token \
                   or a client certificate";
        return Err(format!("exec: {why}"));
    }
    let wrong = |what: &str| format!("exec: line {}: {what}", exec.span.line);
    let text = |key| text_of(exec, key);
    let command = text("command").ok_or_else(|| wrong("expected command, found none"))?;
    let command = if command.contains('/') { directory.join(command) } else { command.into() };
    let version =
        [ExecVersion::V1, ExecVersion::V1Beta1].into_iter().find(|known| Some(known.name()) == text("apiVersion"));
    let version = version.ok_or_else(|| wrong("expected the apiVersion client.authentication.k8s.io/v1 or v1beta1"))?;
    let interactive = match (text("interactiveMode"), version) {
        (Some("Never"), _) => Interactive::Never,
        (Some("Always"), _) => Interactive::Always,
        (Some("IfAvailable"), _) | (None, ExecVersion::V1Beta1) => Interactive::IfAvailable,
        _ => return Err(wrong("expected the interactiveMode Never, IfAvailable or Always")),
    };
    let entries = |key| match member(exec, key).map(|node| &node.value) {
        Some(YamlValue::Sequence(entries)) => entries.as_slice(),
        _ => &[],
    };
    let whole = |node: &Node| node.text().unwrap_or_default().to_owned();
    let variable = |entry: &Node| Some((text_of(entry, "name")?.to_owned(), member(entry, "value").map(whole)?));
    let provides_cluster = text("provideClusterInfo") == Some("true");
    if provides_cluster && member(cluster, "extensions").is_some() {
        return Err(wrong("provideClusterInfo is not supported for a cluster with extensions"));
    }
    Ok(Some(Exec {
        command,
        args: entries("args").iter().map(whole).collect(),
        env: entries("env").iter().filter_map(variable).collect(),
        version,
        interactive,
        hint: text("installHint").map(str::to_owned),
        provides_cluster,
    }))
}

fn credentials(user: &Node, reader: &Reader<'_>) -> Result<Credentials, String> {
    for (key, why) in [
        ("auth-provider", "Kubernetes no longer supports it; use a token or a client certificate"),
        ("username", "Kubernetes no longer accepts passwords; use a token or a client certificate"),
        ("as", "impersonation is not supported"),
    ] {
        if member(user, key).is_some() {
            return Err(format!("{key}: {why}"));
        }
    }
    let bearer = match (text_of(user, "token"), text_of(user, "tokenFile")) {
        // As in kubectl, the file takes precedence.
        (_, Some(path)) => Some(SecretSource::File(reader.directory.join(path))),
        (Some(token), None) => Some(SecretSource::Inline("token", token.as_bytes().to_vec())),
        (None, None) => None,
    };
    let certificate = reader.material(user, "client-certificate-data", "client-certificate")?;
    let key = reader.material(user, "client-key-data", "client-key")?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err("client-certificate requires client-key".to_owned()),
        (None, Some(_)) => return Err("client-key requires client-certificate".to_owned()),
    };
    Ok(Credentials { bearer, certificate, ..Credentials::default() })
}

struct Reader<'a> {
    directory: &'a Path,
}

impl Reader<'_> {
    /// Base64 data under one key, or a file name under another.
    fn material(&self, node: &Node, data: &'static str, file: &str) -> Result<Option<SecretSource>, String> {
        match (text_of(node, data), text_of(node, file)) {
            (Some(text), _) => {
                let bytes = STANDARD
                    .decode(text.trim())
                    .map_err(|_| format!("{data}: expected base64, found something else"))?;
                Ok(Some(SecretSource::Inline(data, bytes)))
            }
            (None, Some(path)) => Ok(Some(SecretSource::File(self.directory.join(path)))),
            (None, None) => Ok(None),
        }
    }
}

/// The value of a key; `None` if it is absent or null.
fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        YamlValue::Mapping(pairs) => {
            pairs.iter().find(|(known, _)| known.text == key).map(|(_, value)| value).filter(|value| !value.is_null())
        }
        _ => None,
    }
}

/// Non-empty text.
fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    member(node, key).and_then(Node::text).filter(|text| !text.is_empty())
}

fn required<'n>(node: &'n Node, key: &str) -> Result<&'n str, String> {
    text_of(node, key).ok_or_else(|| format!("line {}: expected {key}, found none", node.span.line))
}

/// The entry with this name in a list.
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
        let inline = |key, text: &str| Some(SecretSource::Inline(key, text.as_bytes().to_vec()));
        let file = |path: &str| Some(SecretSource::File(path.into()));
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
            let expected = Target { server: "https://k:6443".into(), credentials, exec: None };
            assert_eq!(parsed(cluster, user), Ok(expected), "{cluster} {user}");
        }
    }

    /// Features that only commands of a user may use.
    #[test]
    fn allows_commands_more_than_servers() {
        let parsed = |server: &str, exec: &str| {
            let text = format!(
                "current-context: c\ncontexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\nclusters:\n- {{name: k, cluster: {{server: '{server}'}}}}\n\
                 users:\n- name: u\n  user: {{{exec}}}\n"
            );
            parse_context(&text, Path::new("/home/.kube"), None, KubeconfigUse::Command, &Limits::default())
        };
        let v1beta1 = "apiVersion: client.authentication.k8s.io/v1beta1";
        let exec = |command: &str| Exec {
            command: command.into(),
            args: vec!["eks".into(), "get-token".into()],
            env: vec![("AWS_PROFILE".into(), "shop".into()), ("EMPTY".into(), String::new())],
            version: ExecVersion::V1Beta1,
            interactive: Interactive::IfAvailable,
            hint: Some("get it".into()),
            provides_cluster: true,
        };
        for (written, command) in [("aws", "aws"), ("bin/aws", "/home/.kube/bin/aws"), ("/bin/aws", "/bin/aws")] {
            let rest = "args: [eks, get-token], env: [{name: AWS_PROFILE, value: shop}, {name: EMPTY, value: ''}], installHint: get it, provideClusterInfo: true";
            let target = parsed("https://k", &format!("exec: {{{v1beta1}, command: {written}, {rest}}}")).unwrap();
            assert_eq!(target.exec, Some(exec(command)));
        }
        for server in ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"] {
            assert_eq!(parsed(server, "").unwrap().server, server);
        }
        let v1 = "apiVersion: client.authentication.k8s.io/v1";
        for (server, exec, why) in [
            (
                "http://k:8001",
                "",
                "server: expected https://, or http:// on this machine as by kubectl proxy, found \"http://k:8001\"",
            ),
            ("ftp://k", "", "server: expected an https:// URL, found \"ftp://k\""),
            (
                "https://k",
                "exec: {command: aws}",
                "exec: line 8: expected the apiVersion client.authentication.k8s.io/v1 or v1beta1",
            ),
            (
                "https://k",
                &format!("exec: {{{v1}, command: aws}}"),
                "exec: line 8: expected the interactiveMode Never, IfAvailable or Always",
            ),
            (
                "https://k",
                &format!("exec: {{{v1}, interactiveMode: Never}}"),
                "exec: line 8: expected command, found none",
            ),
        ] {
            assert_eq!(parsed(server, exec), Err(why.to_owned()));
        }
    }

    #[test]
    fn rejects_features_not_allowed_in_a_server() {
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
                "exec: a server runs no programs for credentials, and metriclet get does so outside of a cluster only; give it a token \
                 or a client certificate",
            ),
            (
                "{server: 'https://k', tls-server-name: 'spiffe://a/b'}",
                "{}",
                r#"tls-server-name: expected a DNS name or an address, found "spiffe://a/b""#,
            ),
            (good, "{client-key: k}", "client-key requires client-certificate"),
            (good, "{client-certificate-data: '!'}", "client-certificate-data: expected base64, found something else"),
            (
                good,
                "{username: admin, password: secret}",
                "username: Kubernetes no longer accepts passwords; use a token or a client certificate",
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
