//! The command line of `metriclet-conformance`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::exchange::Identity;
use super::target::{CustomTarget, ExternalTarget};
use crate::config::cli::Output;
use crate::config::cli::values::{output, plain, set, text};
use crate::http::credentials::{Credentials, SecretSource};
use crate::kube_api::target::Target;
use crate::parse::certificate_name::CertificateName;
use crate::parse::escape::Escaped;

/// The command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Check(Box<Options>),
    List,
    Help,
    Version,
}

/// The server to check, and the options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) server: Place,
    pub(crate) namespace: String,
    pub(crate) custom: Vec<CustomTarget>,
    pub(crate) external: Vec<ExternalTarget>,
    pub(crate) hook: Option<String>,
    pub(crate) unauthenticated: bool,
    /// Additional identities and their tokens.
    pub(crate) tokens: Vec<(Identity, SecretSource)>,
    pub(crate) output: Output,
    /// Prefixes of the IDs of checks to run.
    pub(crate) wanted: Vec<String>,
}

/// The address of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Kubeconfig { file: PathBuf, context: Option<String> },
    Address(Box<Target>),
}

/// The flags for [`Place`].
#[derive(Default)]
struct Parts {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    server: Option<String>,
    server_name: Option<String>,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    token: Option<PathBuf>,
}

/// Parses the arguments after the program's name.
///
/// # Errors
/// A description of the invalid argument.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(args);
    let mut parts = Parts::default();
    let mut options = Options {
        server: Place::Kubeconfig { file: PathBuf::new(), context: None },
        namespace: String::new(),
        custom: Vec::new(),
        external: Vec::new(),
        hook: None,
        unauthenticated: false,
        tokens: Vec::new(),
        output: Output::Table,
        wanted: Vec::new(),
    };
    let (mut namespace, mut format) = (None, None);
    while let Some(arg) = parser.next().map_err(plain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("list") => return Ok(Command::List),
            Arg::Long("unauthenticated") => options.unauthenticated = true,
            Arg::Short('o') | Arg::Long("output") => set(&mut format, output(&text(&mut parser)?)?, "--output")?,
            Arg::Long("namespace") => set(&mut namespace, text(&mut parser)?, "--namespace")?,
            Arg::Long("hook") => set(&mut options.hook, text(&mut parser)?, "--hook")?,
            Arg::Value(value) => options.wanted.push(value.string().map_err(plain)?),
            Arg::Long(name) => {
                let name = name.to_owned();
                if !parts.take(&name, &mut parser)? && !options.take(&name, &mut parser)? {
                    return Err(format!("unknown option {}", Escaped::new(&format!("--{name}"))));
                }
            }
            other => return Err(plain(other.unexpected())),
        }
    }
    options.server = parts.place()?;
    options.namespace = namespace.unwrap_or_else(|| "default".to_owned());
    options.output = format.unwrap_or_default();
    Ok(Command::Check(Box::new(options)))
}

impl Parts {
    /// Reads the value of a flag of this group; `false` if the flag belongs to another group.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, String> {
        let path = |parser: &mut Parser| parser.value().map(PathBuf::from).map_err(plain);
        match name {
            "kubeconfig" => set(&mut self.kubeconfig, path(parser)?, "--kubeconfig")?,
            "context" => set(&mut self.context, text(parser)?, "--context")?,
            "server" => set(&mut self.server, text(parser)?, "--server")?,
            "server-name" => set(&mut self.server_name, text(parser)?, "--server-name")?,
            "ca-file" => set(&mut self.authorities, path(parser)?, "--ca-file")?,
            "cert-file" => set(&mut self.certificate, path(parser)?, "--cert-file")?,
            "key-file" => set(&mut self.key, path(parser)?, "--key-file")?,
            "token-file" => set(&mut self.token, path(parser)?, "--token-file")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn place(self) -> Result<Place, String> {
        let Self { kubeconfig, context, server, server_name, authorities, certificate, key, token } = self;
        let of_server =
            server_name.is_some() || authorities.is_some() || certificate.is_some() || key.is_some() || token.is_some();
        let server = match (kubeconfig, server, context) {
            (Some(file), None, context) if !of_server => return Ok(Place::Kubeconfig { file, context }),
            (None, Some(server), None) => server,
            (Some(_), None, _) => {
                return Err(
                    "--server-name, --ca-file, --cert-file, --key-file and --token-file belong to --server".to_owned()
                );
            }
            (Some(_), Some(_), _) => return Err("--kubeconfig and --server exclude each other".to_owned()),
            (None, Some(_), Some(_)) => return Err("--context belongs to --kubeconfig".to_owned()),
            (None, None, _) => return Err("expected --kubeconfig FILE or --server URL".to_owned()),
        };
        let server = server.trim_end_matches('/').to_owned();
        check_server(&server, of_server)?;
        let server_name = match server_name {
            None => None,
            Some(name) => Some(CertificateName::host(&name).ok_or_else(|| {
                format!("--server-name: expected a DNS name or an address, found {}", Escaped::new(&name))
            })?),
        };
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((SecretSource::File(certificate), SecretSource::File(key))),
            (None, None) => None,
            _ => return Err("--cert-file and --key-file belong together".to_owned()),
        };
        let (authorities, bearer) = (authorities.map(SecretSource::File), token.map(SecretSource::File));
        let credentials = Credentials { bearer, authorities, certificate, server_name, ..Credentials::default() };
        Ok(Place::Address(Box::new(Target { server, credentials, exec: None })))
    }
}

/// Accepts `https://HOST[:PORT]`, or `http://` with a loopback address and without credentials.
fn check_server(server: &str, has_credentials: bool) -> Result<(), String> {
    let expected =
        || format!("--server: expected https://HOST:PORT, or http://127.0.0.1:PORT, found {}", Escaped::new(server));
    let (scheme, authority) = server.split_once("://").ok_or_else(expected)?;
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(expected());
    }
    match scheme {
        "https" => Ok(()),
        "http" if has_credentials => Err("--server: credentials are not sent over http://".to_owned()),
        "http" => {
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
            if is_loopback { Ok(()) } else { Err(expected()) }
        }
        _ => Err(expected()),
    }
}

impl Options {
    /// Reads the value of a flag for a metric or an identity; `false` if it is another flag.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, String> {
        let wrong = |why: String| format!("--{name}: {why}");
        let custom = |path: &str| CustomTarget::parse(path).map_err(wrong);
        let mut token = |identity| -> Result<(), String> {
            let file = parser.value().map(PathBuf::from).map_err(plain)?;
            self.tokens.push((identity, SecretSource::File(file)));
            Ok(())
        };
        match name {
            "unauthorized-token-file" => token(Identity::Unauthorized)?,
            "custom-reader-token-file" => token(Identity::CustomReader)?,
            "external-reader-token-file" => token(Identity::ExternalReader)?,
            "object" | "root-scoped" => {
                let path = text(parser)?;
                self.custom.push(custom(&path)?);
            }
            "pods" => {
                let value = text(parser)?;
                let ExternalTarget { namespace, metric, selector } = ExternalTarget::parse(&value).map_err(wrong)?;
                let selector = if selector.is_empty() { selector } else { format!("?{selector}") };
                self.custom.push(custom(&format!("namespaces/{namespace}/pods/*/{metric}{selector}"))?);
            }
            "namespace-metric" => {
                let value = text(parser)?;
                let ExternalTarget { namespace, metric, .. } = ExternalTarget::parse(&value).map_err(wrong)?;
                self.custom.push(custom(&format!("namespaces/{namespace}/metrics/{metric}"))?);
            }
            "external" => {
                let value = text(parser)?;
                self.external.push(ExternalTarget::parse(&value).map_err(wrong)?);
            }
            _ => return Ok(false),
        }
        match self.custom.len().max(self.external.len()) > super::limits::TARGETS {
            true => Err(wrong(format!("expected at most {} metrics, found more", super::limits::TARGETS))),
            false => Ok(true),
        }
    }
}
