//! Request heads: every accepted head has the same meaning for httparse and for a reference parser in this file, and
//! the division of the bytes into chunks does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::head::{self, Head, HeadError, HeadLimits};

const LIMITS: HeadLimits = HeadLimits { bytes: 1_024, headers: 16 };

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, step) = input;
    let whole = head::parse(bytes, 0, LIMITS);
    // For every number of already examined bytes, as long as the head was incomplete then.
    let (mut seen, mut given) = (0, 0);
    let in_pieces = loop {
        let result = head::parse(&bytes[..given], seen, LIMITS);
        if given == bytes.len() || !matches!(result, Ok(None)) {
            break result;
        }
        (seen, given) = (given, (given + 1 + usize::from(step)).min(bytes.len()));
    };
    assert_eq!(whole, in_pieces);
    match &whole {
        Ok(Some(head)) => {
            assert!(head.length <= LIMITS.bytes && head.headers.len() <= LIMITS.headers);
            // The bytes after the head do not matter.
            assert_eq!(head::parse(&bytes[..head.length], 0, LIMITS), whole);
            same_as_httparse(bytes, head);
            assert_eq!(reference(bytes).as_ref(), Some(head), "{bytes:?}");
        }
        Ok(None) => assert!(bytes.len() < LIMITS.bytes && find(bytes, b"\r\n\r\n").is_none()),
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
            // A rejected head must violate a rule of the reference.
            if !matches!(error, HeadError::TooLong(_)) && bytes.len() < LIMITS.bytes {
                assert_eq!(reference(bytes), None, "{error}: {bytes:?}");
            }
        }
    }
});

fn same_as_httparse(bytes: &[u8], head: &Head<'_>) {
    let mut headers = [httparse::EMPTY_HEADER; LIMITS.headers];
    let mut request = httparse::Request::new(&mut headers);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(head.length)));
    assert_eq!((request.method, request.path), (Some(head.method), Some(head.target)));
    assert_eq!(request.version, Some(head.minor));
    let headers: Vec<_> = request.headers.iter().map(|header| (header.name, header.value)).collect();
    assert_eq!(headers, head.headers);
}

/// A direct implementation of RFC 9112 and of the additional restrictions: line by line, each part by its grammar.
fn reference(bytes: &[u8]) -> Option<Head<'_>> {
    let end = find(bytes, b"\r\n\r\n")?;
    let mut lines = Vec::new();
    let mut rest = &bytes[..end + 2];
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    if lines.iter().any(|line| line.contains(&b'\r') || line.contains(&b'\n')) || lines.len() > LIMITS.headers + 1 {
        return None;
    }
    let [method, target, version] = lines[0].split(|byte| *byte == b' ').collect::<Vec<_>>()[..] else { return None };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) || method == b"CONNECT" {
        return None;
    }
    if !target.starts_with(b"/") || !target.iter().all(|byte| *byte > b' ' && *byte != 0x7f) {
        return None;
    }
    let minor = match version {
        b"HTTP/1.0" => 0,
        b"HTTP/1.1" => 1,
        _ => return None,
    };
    let (mut headers, mut hosts, mut lengths, mut options) = (Vec::new(), 0, Vec::new(), Vec::new());
    for line in &lines[1..] {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return None;
        }
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return None;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"transfer-encoding" | b"upgrade" | b"expect" => return None,
            b"host" => hosts += 1,
            b"content-length" => lengths.push(value),
            b"connection" => {
                options.extend(value.split(|byte| *byte == b',').map(|option| option.trim_ascii().to_ascii_lowercase()))
            }
            _ => {}
        }
        headers.push((std::str::from_utf8(name).ok()?, value));
    }
    let empty = |value: &&[u8]| !value.is_empty() && value.iter().all(|byte| *byte == b'0');
    if lengths.len() > 1 || !lengths.iter().all(empty) || hosts > 1 || (hosts == 0 && minor == 1) {
        return None;
    }
    let has = |known: &[u8]| options.iter().any(|option| option == known);
    Some(Head {
        method: std::str::from_utf8(method).ok()?,
        target: std::str::from_utf8(target).ok()?,
        headers,
        minor,
        keep_alive: !has(b"close") && (minor == 1 || has(b"keep-alive")),
        length: end + 4,
    })
}

/// `tchar` of RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
