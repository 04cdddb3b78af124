//! Parsers for the values of flags, and messages for lexopt's errors.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lexopt::{Parser, ValueExt};

use crate::config::model::Bound;
use crate::kube::kinds;
use crate::parse::duration;
use crate::parse::escape::Escaped;

/// The default address of the plain listener.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The address of the plain listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// A loopback address.
    At(SocketAddr),
    /// No plain listener.
    Off,
}

/// The output format of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Output {
    /// Aligned columns for people.
    #[default]
    Table,
    /// The JSON that the API serves.
    Json,
}

pub(crate) fn set<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} is given twice")),
    }
}

pub(crate) fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(plain)
}

/// `-v`, `-vv`, `-v 2`, `-v=2`, `--v=2`: as users of Kubernetes' own programs write it.
pub(super) fn verbosity(before: u8, parser: &mut Parser) -> Result<u8, String> {
    let digits = |arg: &std::ffi::OsStr| arg.to_str().is_some_and(|text| text.parse::<u8>().is_ok());
    let Some(value) = parser.try_raw_args().and_then(|mut rest| rest.next_if(digits)) else {
        return match parser.optional_value() {
            None => Ok(before.saturating_add(1)),
            Some(value) => level(before, &value.string().map_err(plain)?),
        };
    };
    level(before, &value.string().map_err(plain)?)
}

pub(super) fn level(before: u8, text: &str) -> Result<u8, String> {
    if text.bytes().all(|byte| byte == b'v') {
        return Ok(before.saturating_add(1).saturating_add(u8::try_from(text.len()).unwrap_or(u8::MAX)));
    }
    text.parse().map_err(|_| format!("-v: expected a level from 0 to 255, found {}", Escaped::new(text)))
}

pub(crate) fn output(text: &str) -> Result<Output, String> {
    match text {
        "table" => Ok(Output::Table),
        "json" => Ok(Output::Json),
        _ => Err(format!("--output: expected table or json, found {}", Escaped::new(text))),
    }
}

pub(super) fn wait(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| format!("--wait: {error}"))
}

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match local {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse::<SocketAddr>().ok(),
    };
    match address {
        Some(address) if address.ip().is_loopback() => Ok(Listen::At(address)),
        Some(_) => Err(format!(
            "--listen: {} is not a loopback address; the plain listener has no authentication and binds to loopback only; for network access use --tls-cert-file and --tls-private-key-file",
            Escaped::new(text)
        )),
        None => Err(format!(
            "--listen: expected off or a loopback address and port such as {LISTEN}, found {}",
            Escaped::new(text)
        )),
    }
}

pub(super) fn describes(text: &str) -> Result<Bound, String> {
    let wrong = |why: String| format!("--describes {}: {why}", Escaped::new(text));
    let mut parts = text.split('/').map(str::to_owned);
    let (Some(resource), Some(second), third, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("expected RESOURCE/NAMESPACE/NAME, or RESOURCE/NAME outside namespaces".into()));
    };
    let Some(kind) = kinds::lookup(&resource) else {
        let hint = match kinds::suggest(&resource) {
            Some(kind) => format!("did you mean {}?", kind.resource),
            None => "other kinds need a rule in a file, with kind: and namespaced:".into(),
        };
        return Err(wrong(format!("{} is not a built-in resource; {hint}", Escaped::new(&resource))));
    };
    let (namespace, name) = match (kind.namespaced, third) {
        (true, Some(name)) => (Some(second), name),
        (false, None) => (None, second),
        (true, None) => return Err(wrong(format!("expected {resource}/NAMESPACE/NAME"))),
        (false, Some(_)) => return Err(wrong(format!("expected {resource}/NAME; {resource} are cluster-scoped"))),
    };
    if name.is_empty() || namespace.as_deref() == Some("") {
        return Err(wrong("expected names between the slashes, found nothing".into()));
    }
    Ok(Bound { resource, namespace, name })
}

/// lexopt's errors, with foreign text escaped.
pub(crate) fn plain(error: lexopt::Error) -> String {
    use lexopt::Error;
    match error {
        Error::MissingValue { option: Some(option) } => format!("{option} needs a value"),
        Error::UnexpectedOption(option) => format!("unknown option {}", Escaped::new(&option)),
        Error::UnexpectedArgument(value) => {
            format!("expected no further argument, found {}", Escaped::new(value.as_encoded_bytes()))
        }
        Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        Error::NonUnicodeValue(value) => format!("expected UTF-8, found {}", Escaped::new(value.as_encoded_bytes())),
        other => other.to_string(),
    }
}
