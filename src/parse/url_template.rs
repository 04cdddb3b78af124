//! URLs with placeholders: `http://{name}.{namespace}.svc:8080/stats?of={metric}`.
//!
//! ```text
//! template = ( "http://" | "https://" ) host [ ":" port ] [ path ] [ "?" query ]
//! host     = DNS-1123 labels, which may contain {name} and {namespace} | "[" IPv6 address "]"
//! ```
//! Path and query may contain any placeholder; its value is percent-encoded (RFC 3986, section 2).

mod host;
pub(crate) mod piece;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use self::host::is_host;
use self::piece::{Piece, error, literals, pieces};
pub(crate) use self::piece::{Placeholder, TemplateError};
use super::dns::is_label;
use super::escape::Escaped;
use super::percent::Encoded;

/// A parsed URL template; prints as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    https: bool,
    host: Vec<Piece>,
    /// With its colon; empty if there is none.
    port: String,
    /// Path and query.
    target: Vec<Piece>,
}

/// The values of placeholders in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// `None` for a cluster-scoped object.
    pub namespace: Option<&'a str>,
    /// `services`, `deployments.apps`.
    pub resource: &'a str,
    /// `None` if the request is for all objects (`*`).
    pub name: Option<&'a str>,
    /// The metric's name.
    pub metric: &'a str,
    /// Empty if the request selects every object.
    pub label_selector: &'a str,
}

/// Why a template cannot be expanded for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpandError {
    /// The request has no value for this placeholder, because it is for all objects (`*`) or for a cluster-scoped
    /// object.
    Missing(Placeholder),
    /// The value of a placeholder in the host is not a DNS-1123 label.
    NotALabel(Placeholder, String),
    /// The host or one of its labels is too long.
    HostTooLong,
    /// A segment of the path is `.` or `..`.
    DotSegment,
}

impl Template {
    /// Parses `text`, of at most `max` bytes.
    ///
    /// # Errors
    /// If the text is not a supported URL, or if a placeholder is unknown or not allowed at its position.
    pub fn parse(text: &str, max: usize) -> Result<Self, TemplateError> {
        if text.len() > max {
            return Err(error(1, format!("expected a URL of at most {max} bytes, found {}", text.len())));
        }
        check_characters(text)?;
        let (https, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(error(1, no_scheme(text))),
        };
        let start = text.len() - rest.len();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if let Some(at) = authority.find('@') {
            let column = start + at + 1;
            let message = format!(
                "expected no user name or password before the @ at column {column}: use basic: or bearerTokenFile:"
            );
            return Err(error(column, message));
        }
        let (host, port) = host::parse(authority, start)?;
        let mut target = pieces(target, start + authority.len())?;
        if !matches!(target.first(), Some(Piece::Literal(text)) if text.starts_with('/')) {
            target.insert(0, Piece::Literal("/".to_owned()));
        }
        let template = Self { text: text.to_owned(), https, host, port, target };
        if has_dot_segment(&literals(&template.target)) {
            let column = start + authority.len() + 1;
            let message = format!("expected a path without . and .. segments at column {column}, found one");
            return Err(error(column, message));
        }
        Ok(template)
    }

    /// Whether the URL contains this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.host.iter().chain(&self.target).any(|piece| *piece == Piece::Value(placeholder))
    }

    /// Whether the URL contains any placeholder.
    pub fn is_templated(&self) -> bool {
        Placeholder::ALL.into_iter().any(|placeholder| self.uses(placeholder))
    }

    /// Whether the host depends on the request.
    pub fn host_is_templated(&self) -> bool {
        self.host.iter().any(|piece| matches!(piece, Piece::Value(_)))
    }

    /// The host, unless it depends on the request; IPv6 addresses are in brackets.
    pub fn fixed_host(&self) -> Option<&str> {
        match self.host.as_slice() {
            [Piece::Literal(host)] => Some(host),
            _ => None,
        }
    }

    /// The path without the query, unless either depends on the request.
    pub fn fixed_path(&self) -> Option<&str> {
        self.fixed_target()?.split('?').next()
    }

    /// The path with the query, unless it depends on the request.
    pub fn fixed_target(&self) -> Option<&str> {
        match self.target.as_slice() {
            [Piece::Literal(target)] => Some(target),
            _ => None,
        }
    }

    /// The port, if the URL contains one.
    pub fn port(&self) -> Option<u16> {
        self.port.strip_prefix(':')?.parse().ok()
    }

    /// Whether the host is the DNS name of a Kubernetes Service: `web.shop.svc`,
    /// `{name}.{namespace}.svc.cluster.local`, one label, or two labels of which the second is `{namespace}` or one of
    /// these namespaces. Three labels before `.svc` are the name of a pod.
    pub fn is_of_a_service(&self, namespaces: &[String]) -> bool {
        let host = literals(&self.host);
        let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        match labels.as_slice() {
            ["localhost"] => false,
            [name] => is_label(name),
            [_, namespace] => {
                matches!(self.host.last(), Some(Piece::Value(Placeholder::Namespace)))
                    || namespaces.iter().any(|known| known == namespace)
            }
            labels => labels.get(2) == Some(&"svc"),
        }
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Returns the URL for one request.
    ///
    /// # Errors
    /// If a value is missing or not allowed at its position.
    pub fn expand(&self, values: &Values<'_>) -> Result<String, ExpandError> {
        let mut host = String::new();
        for piece in &self.host {
            match piece {
                Piece::Literal(text) => host.push_str(text),
                Piece::Value(placeholder) => {
                    let value = values.get(*placeholder)?;
                    if !is_label(value) {
                        return Err(ExpandError::NotALabel(*placeholder, value.to_owned()));
                    }
                    host.push_str(value);
                }
            }
        }
        if self.host_is_templated() && !is_host(&host) {
            return Err(ExpandError::HostTooLong);
        }
        let mut target = String::new();
        for piece in &self.target {
            match piece {
                Piece::Literal(text) => target.push_str(text),
                Piece::Value(placeholder) => _ = write!(target, "{}", Encoded::unreserved(values.get(*placeholder)?)),
            }
        }
        if has_dot_segment(&target) {
            return Err(ExpandError::DotSegment);
        }
        let scheme = if self.https { "https" } else { "http" };
        Ok(format!("{scheme}://{host}{}{target}", self.port))
    }
}

impl<'a> Values<'a> {
    pub(super) fn get(&self, placeholder: Placeholder) -> Result<&'a str, ExpandError> {
        let value = match placeholder {
            Placeholder::Namespace => self.namespace,
            Placeholder::Resource => Some(self.resource),
            Placeholder::Name => self.name,
            Placeholder::Metric => Some(self.metric),
            Placeholder::LabelSelector => Some(self.label_selector),
        };
        value.ok_or(ExpandError::Missing(placeholder))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(placeholder) => {
                write!(f, "expected a value for {}, found none", placeholder.as_str())
            }
            Self::NotALabel(placeholder, value) => write!(
                f,
                "expected {} in the host of the URL to be one DNS label ([a-z0-9-], at most 63 characters), found {}",
                placeholder.as_str(),
                Escaped::new(value)
            ),
            Self::HostTooLong => {
                f.write_str("expected a host of at most 253 characters in labels of at most 63, found a longer one")
            }
            Self::DotSegment => f.write_str("expected no . or .. as a segment of the URL's path, found one"),
        }
    }
}

impl std::error::Error for ExpandError {}

/// Rejects characters that must be encoded in a URL, and fragments, which are never sent.
fn check_characters(text: &str) -> Result<(), TemplateError> {
    for (at, c) in text.char_indices() {
        // All preceding characters are ASCII.
        let column = at + 1;
        match c {
            '#' => {
                return Err(error(column, format!("expected no fragment at column {column}: it would never be sent")));
            }
            '%' => {
                let digits = text.get(at + 1..at + 3).unwrap_or_default();
                if digits.len() < 2 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
                    return Err(error(
                        column,
                        format!("expected two hexadecimal digits after the % at column {column}"),
                    ));
                }
            }
            '"' | '<' | '>' | '\\' | '^' | '`' | '|' | '\0'..=' ' | '\x7f'.. => {
                let found = Escaped::new(c.encode_utf8(&mut [0; 4])).to_string();
                return Err(error(column, format!("expected {found} at column {column} to be percent-encoded")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether servers or proxies would interpret a segment of the path as `.` or `..`.
fn has_dot_segment(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.split('/').any(|segment| {
        let dots = ["%2e", "%2E"].iter().fold(Cow::Borrowed(segment), |segment, dot| match segment.contains(dot) {
            true => segment.replace(dot, ".").into(),
            false => segment,
        });
        matches!(dots.as_ref(), "." | "..")
    })
}

/// Shows only the scheme of the text, because an invalid URL may contain a password.
fn no_scheme(text: &str) -> String {
    let is_scheme = |scheme: &&str| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let found = match text.split_once("://").map(|(scheme, _)| scheme).filter(is_scheme) {
        Some(scheme) => Escaped::new(scheme).to_string(),
        None => "no scheme".to_owned(),
    };
    format!("expected a URL that starts with http:// or https:// at column 1, found {found}")
}
