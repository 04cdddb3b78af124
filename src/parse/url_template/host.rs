//! The host and port of a URL template.

use core::net::Ipv6Addr;

use super::piece::{Piece, Placeholder, TemplateError, error, literals, pieces};
use crate::parse::dns;
use crate::parse::escape::Escaped;

/// Splits an authority into host and port. The port includes its colon, or is empty; `offset` characters precede the
/// authority.
pub(super) fn parse(authority: &str, offset: usize) -> Result<(Vec<Piece>, String), TemplateError> {
    let column = offset + 1;
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    check_port(port, offset + host.len())?;
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        if address.parse::<Ipv6Addr>().is_err() {
            let found = Escaped::new(address);
            return Err(error(
                column,
                format!("expected an IPv6 address in brackets at column {column}, found {found}"),
            ));
        }
        return Ok((vec![Piece::Literal(host.to_owned())], port.to_owned()));
    }
    let pieces = pieces(host, offset)?;
    if let Some(placeholder) = pieces.iter().find_map(misplaced) {
        let message = format!(
            "expected only {{name}} and {{namespace}} in the host at column {column}, found {}",
            placeholder.as_str()
        );
        return Err(error(column, message));
    }
    if pieces.windows(2).any(|pair| matches!(pair, [Piece::Value(_), Piece::Value(_)])) {
        let message =
            format!("expected a dot or a dash between the placeholders of the host at column {column}, found none");
        return Err(error(column, message));
    }
    if !is_host(&literals(&pieces)) {
        let found = Escaped::new(host);
        let message = format!(
            "expected a host of DNS labels ([a-z0-9-], at most 63 characters) at column {column}, found {found}"
        );
        return Err(error(column, message));
    }
    Ok((pieces, port.to_owned()))
}

/// Whether a text is a DNS name; a trailing dot prevents the resolver from trying search domains.
pub(super) fn is_host(text: &str) -> bool {
    dns::is_name(text.strip_suffix('.').unwrap_or(text))
}

/// A placeholder that is not allowed in a host.
fn misplaced(piece: &Piece) -> Option<Placeholder> {
    match piece {
        Piece::Literal(_) | Piece::Value(Placeholder::Name | Placeholder::Namespace) => None,
        Piece::Value(placeholder) => Some(*placeholder),
    }
}

fn check_port(port: &str, offset: usize) -> Result<(), TemplateError> {
    let Some(digits) = port.strip_prefix(':') else {
        return if port.is_empty() {
            Ok(())
        } else {
            let column = offset + 1;
            Err(error(column, format!("expected a port or a path at column {column}, found {}", Escaped::new(port))))
        };
    };
    // Only digits: parse() would accept a sign.
    match digits.parse::<u16>() {
        Ok(1..) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => {
            let (column, found) = (offset + 2, Escaped::new(digits));
            Err(error(column, format!("expected a port from 1 to 65535 at column {column}, found {found}")))
        }
    }
}
