//! Runs the credential plugin of a kubeconfig (client.authentication.k8s.io), such as those of cloud providers. Only
//! commands of a user do this, never a server.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::limits::ExecLimits;
use crate::http::credentials::{Credentials, SecretSource};
use crate::kube::meta::Time;
use crate::parse::escape::Escaped;

/// The interval at which the plugin's exit is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A credential plugin with its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// A path, or a name to look up in `PATH`.
    pub command: PathBuf,
    pub args: Vec<String>,
    /// Variables to add to Metriclet's environment.
    pub env: Vec<(String, String)>,
    pub version: ExecVersion,
    pub interactive: Interactive,
    /// How to install the plugin.
    pub hint: Option<String>,
    /// Whether the plugin receives the cluster's address and authorities.
    pub provides_cluster: bool,
}

/// The API version of the plugin's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecVersion {
    V1,
    V1Beta1,
}

/// Whether the plugin may prompt the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interactive {
    Never,
    IfAvailable,
    Always,
}

/// The cluster's data for the plugin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster<'a> {
    pub(super) server: &'a str,
    pub(super) credentials: &'a Credentials,
}

/// The plugin's output.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) bearer: Option<SecretSource>,
    pub(super) certificate: Option<(SecretSource, SecretSource)>,
    /// The expiry; `None` if they are valid until the server rejects them.
    pub(super) expires: Option<SystemTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

impl ExecVersion {
    /// The version in files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

impl Exec {
    /// Runs the plugin until it exits.
    ///
    /// # Errors
    /// Why there are no credentials, without any output of the plugin, which may contain some. The plugin's own
    /// messages go to our stderr.
    pub(super) fn run(&self, cluster: Cluster<'_>, limits: &ExecLimits) -> Result<Issued, String> {
        let output = self.output(cluster, limits)?;
        parse(&output, self.version).map_err(|why| format!("exec: {} {why}", self.name()))
    }

    fn name(&self) -> String {
        Escaped::new(&self.command.display().to_string()).to_string()
    }

    fn output(&self, cluster: Cluster<'_>, limits: &ExecLimits) -> Result<Vec<u8>, String> {
        let name = self.name();
        let is_interactive = io::stdin().is_terminal() && self.interactive != Interactive::Never;
        if self.interactive == Interactive::Always && !is_interactive {
            return Err(format!("exec: {name} asks questions (interactiveMode: Always), and stdin is not a terminal"));
        }
        let mut command = Command::new(&self.command);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("KUBERNETES_EXEC_INFO", self.info(cluster, is_interactive)?.to_string());
        command.stdin(if is_interactive { Stdio::inherit() } else { Stdio::null() }).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|why| {
            let hint = self.hint.as_ref().map(|hint| format!("; {}", Escaped::new(hint))).unwrap_or_default();
            format!("exec: cannot run {name}: {}{hint}", why.kind())
        })?;
        let outcome = receive(&mut child, limits);
        if outcome.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        outcome.map_err(|why| format!("exec: {name} {why}"))
    }

    /// The value of `KUBERNETES_EXEC_INFO`.
    fn info(&self, cluster: Cluster<'_>, interactive: bool) -> Result<Value, String> {
        let mut spec = Map::from_iter([("interactive".to_owned(), interactive.into())]);
        if self.provides_cluster {
            let Cluster { server, credentials } = cluster;
            let mut told = Map::from_iter([("server".to_owned(), server.into())]);
            if let Some(authorities) = &credentials.authorities {
                let bytes = match authorities {
                    SecretSource::Inline(_, bytes) => Ok(bytes.clone()),
                    SecretSource::File(path) => {
                        std::fs::read(path).map_err(|why| format!("exec: {}: {why}", path.display()))
                    }
                };
                told.insert("certificate-authority-data".to_owned(), STANDARD.encode(bytes?).into());
            }
            if credentials.insecure {
                told.insert("insecure-skip-tls-verify".to_owned(), true.into());
            }
            spec.insert("cluster".to_owned(), told.into());
        }
        Ok(json!({"kind": "ExecCredential", "apiVersion": self.version.name(), "spec": spec}))
    }
}

/// The output of a plugin that exits successfully.
fn receive(child: &mut Child, limits: &ExecLimits) -> Result<Vec<u8>, String> {
    let until = Instant::now() + limits.timeout;
    let slow = || format!("took more than {} s", limits.timeout.as_secs());
    let (printed, output) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        let most = limits.output;
        let read = move || {
            let mut bytes = Vec::new();
            let read = stdout.take(most + 1).read_to_end(&mut bytes);
            // If it took too long, the receiver is gone.
            let _ = printed.send(read.map(|_| bytes));
        };
        thread::Builder::new().name("exec".to_owned()).spawn(read).map_err(|why| why.to_string())?;
    }
    let output = output.recv_timeout(limits.timeout).map_err(|_| slow())?.map_err(|why| why.to_string())?;
    if output.len() as u64 > limits.output {
        return Err(format!("printed more than {} bytes", limits.output));
    }
    loop {
        match child.try_wait().map_err(|why| why.to_string())? {
            Some(status) if status.success() => return Ok(output),
            Some(status) => return Err(format!("failed: {status}")),
            None if Instant::now() >= until => return Err(slow()),
            None => thread::sleep(POLL_INTERVAL),
        }
    }
}

fn parse(output: &[u8], version: ExecVersion) -> Result<Issued, &'static str> {
    let ExecCredential { api_version, kind, status } =
        serde_json::from_slice(output).map_err(|_| "printed output that is not an ExecCredential")?;
    if kind != "ExecCredential" || api_version != version.name() {
        return Err("printed another kind or version than the kubeconfig specifies");
    }
    let status = status.ok_or("printed no status")?;
    let inline = |key, text: String| SecretSource::Inline(key, text.into_bytes());
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let certificate = match (filled(status.client_certificate_data), filled(status.client_key_data)) {
        (Some(certificate), Some(key)) => {
            Some((inline("clientCertificateData", certificate), inline("clientKeyData", key)))
        }
        (None, None) => None,
        _ => return Err("printed one of clientCertificateData and clientKeyData without the other"),
    };
    let bearer = filled(status.token).map(|token| inline("token", token));
    if bearer.is_none() && certificate.is_none() {
        return Err("printed neither a token nor a certificate");
    }
    let expires = match filled(status.expiration_timestamp) {
        Some(text) => Some(time(&text).ok_or("printed an expirationTimestamp that is not in RFC 3339")?),
        None => None,
    };
    Ok(Issued { bearer, certificate, expires })
}

/// Parses a time of RFC 3339 from 1970 on.
fn time(text: &str) -> Option<SystemTime> {
    let Time(seconds) = Time::parse(text)?;
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_credentials() {
        let parse = |text: &str| {
            let issued = parse(text.as_bytes(), ExecVersion::V1)?;
            let seconds = issued.expires.map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
            Ok((issued.bearer.is_some(), issued.certificate.is_some(), seconds))
        };
        let version = r#""apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential""#;
        for (text, expected) in [
            (
                r#""status":{"token":"t","expirationTimestamp":"2026-11-29T16:52:10Z"}"#,
                Ok((true, false, Some(1_795_971_130))),
            ),
            (r#""status":{"token":"t","clientCertificateData":"c","clientKeyData":"k"}"#, Ok((true, true, None))),
            (
                r#""status":{"clientCertificateData":"c"}"#,
                Err("printed one of clientCertificateData and clientKeyData without the other"),
            ),
            (r#""status":{"token":""}"#, Err("printed neither a token nor a certificate")),
            (
                r#""status":{"token":"t","expirationTimestamp":"soon"}"#,
                Err("printed an expirationTimestamp that is not in RFC 3339"),
            ),
            (r#""spec":{}"#, Err("printed no status")),
        ] {
            assert_eq!(parse(&format!("{{{version},{text}}}")), expected, "{text}");
        }
        let other = version.replace("/v1", "/v1beta1");
        let wrong = Err("printed another kind or version than the kubeconfig specifies");
        assert_eq!(parse(&format!("{{{other}}}")), wrong);
        assert_eq!(parse("Log in first"), Err("printed output that is not an ExecCredential"));
    }

    #[test]
    fn reads_times() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.123456Z", Some(951_825_600)),
            ("2024-12-31T23:59:60+00:00", Some(1_735_689_600)),
            ("2026-11-29T18:52:10+02:00", Some(1_795_971_130)),
            ("2026-11-29T11:22:10-05:30", Some(1_795_971_130)),
            ("2026-13-29T11:22:10Z", None),
            ("2026-11-29T11:22:10", None),
            ("2026-11-29", None),
            ("1960-01-01T00:00:00Z", None),
            ("2026/11/29T11:22:10Z", None),
        ] {
            let seconds = time(text).map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(seconds, expected, "{text}");
        }
    }
}
