//! A strict parser for HTTP/1 request heads (RFC 9112 §2 to §6). It rejects everything that two parsers could interpret
//! differently, so that no second request can be smuggled past a proxy.
//!
//! A head ends with an empty line. Only CRLF ends a line. A request has no body, so every sign of a body is rejected
//! too.

use std::fmt;
use std::mem::MaybeUninit;

use memchr::memchr_iter;

use super::escape::Escaped;

/// Limits on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Length in bytes, including the empty line.
    pub bytes: usize,
    /// Number of header lines.
    pub headers: usize,
}

/// A header line: its name as written, and its value without surrounding spaces and tabs.
pub(crate) type Header<'a> = (&'a str, &'a [u8]);

/// Whether a line has this name, in any case (RFC 9110 §5.1). Each line is compared with many names, and most differ in length.
#[inline(always)]
pub(crate) fn is_named(line: &str, name: &str) -> bool {
    line.len() == name.len() && line.eq_ignore_ascii_case(name)
}

/// A complete head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// Path and query; starts with a slash.
    pub target: &'a str,
    /// The headers in the order of the request.
    pub headers: Vec<Header<'a>>,
    /// The minor version: 0 for HTTP/1.0, otherwise 1.
    pub minor: u8,
    /// Whether the client wants the connection to stay open after the response (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// The length of the head in bytes, including the empty line.
    pub length: usize,
}

/// Why a head is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// Longer than this many bytes.
    TooLong(usize),
    /// More header lines than this.
    TooManyHeaders(usize),
    /// A CR without a following LF, or an LF without a preceding CR.
    LineEnd,
    /// A violation of the grammar; says what was expected.
    Syntax(&'static str),
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A target that is not a path.
    Target(String),
    /// A header that is forbidden, missing or repeated.
    Header(&'static str, &'static str),
    /// A body of this many bytes.
    Body(u64),
}

/// The number of headers that are parsed without an allocation; ordinary clients send fewer.
const HEADERS_ON_STACK: usize = 64;

/// Parses the head at the start of `input`; `None` if it is still incomplete. The first `seen` bytes were already
/// examined by an earlier call, so that parsing byte by byte takes linear time.
///
/// # Errors
/// If no further bytes can make this a valid head. The bytes after it must not be parsed as a request.
pub fn parse(input: &[u8], seen: usize, limits: HeadLimits) -> Result<Option<Head<'_>>, HeadError> {
    // Ignores bytes beyond the limit, so that the result does not depend on how the bytes arrive.
    let input = input.get(..limits.bytes).unwrap_or(input);
    // Usually the input is exactly one head. Then line ends need no search: httparse takes an LF alone for a line end, too, but
    // rejects a CR without an LF, so all lines end in CRLF if there are as many CRs as lines.
    if seen == 0
        && let [first, .., b'\r', b'\n', b'\r', b'\n'] = input
        && *first != b'\n'
        && let Ok(head) = read(input, limits.headers)
        && memchr_iter(b'\r', input).count() == head.headers.len() + 2
    {
        return Ok(Some(head));
    }
    let from = seen.saturating_sub(3).min(input.len());
    let end = empty_line(input, from)?;
    match end.and_then(|end| input.get(..end)) {
        Some(head) => read(head, limits.headers).map(Some),
        None if input.len() == limits.bytes => Err(HeadError::TooLong(limits.bytes)),
        None => Ok(None),
    }
}

/// The end of the first empty line. Before it, every CR must be followed by an LF, and every LF preceded by a CR; the
/// last byte may be a CR whose LF has not arrived yet.
fn empty_line(input: &[u8], from: usize) -> Result<Option<usize>, HeadError> {
    let mut end = None;
    // The number of CRs that an LF follows.
    let mut ended = 0;
    for at in memchr_iter(b'\n', input.get(from..).unwrap_or_default()) {
        ended += usize::from(at > 0);
        match input.get(..from + at) {
            Some([.., b'\r', b'\n', b'\r']) => {
                end = Some(from + at + 1);
                break;
            }
            Some([.., b'\r']) => {}
            _ => return Err(HeadError::LineEnd),
        }
    }
    let searched = input.get(from..end.unwrap_or(input.len())).unwrap_or_default();
    ended += usize::from(searched.last() == Some(&b'\r'));
    // Each LF follows a CR, so a greater number of CRs means that one has no LF. The crate counts bytes with vector
    // instructions.
    if memchr_iter(b'\r', searched).count() == ended { Ok(end) } else { Err(HeadError::LineEnd) }
}

fn read(head: &[u8], most: usize) -> Result<Head<'_>, HeadError> {
    // Some parsers skip empty lines here; for others an empty line ends the head.
    if head.starts_with(b"\r") {
        return Err(HeadError::Syntax("a request line first"));
    }
    let mut few = [const { MaybeUninit::uninit() }; HEADERS_ON_STACK];
    match fill(head, few.get_mut(..most.min(HEADERS_ON_STACK)).unwrap_or_default()) {
        Err(httparse::Error::TooManyHeaders) if most > HEADERS_ON_STACK => {
            let mut many = vec![MaybeUninit::uninit(); most];
            fill(head, &mut many).map_err(|error| explain(error, most))?
        }
        read => read.map_err(|error| explain(error, most))?,
    }
}

/// Fills in the head. The outer error is a syntax error from httparse, the inner one a rejected version, target or
/// header.
fn fill<'a>(
    head: &'a [u8],
    headers: &mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<Result<Head<'a>, HeadError>, httparse::Error> {
    let mut request = httparse::Request::new(&mut []);
    Ok(match request.parse_with_uninit_headers(head, headers)? {
        httparse::Status::Complete(length) if length == head.len() => check_request(&request, length),
        _ => Err(HeadError::Syntax("one empty line, at the end")),
    })
}

fn check_request<'a>(request: &httparse::Request<'_, 'a>, length: usize) -> Result<Head<'a>, HeadError> {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(HeadError::Syntax("a request line"));
    };
    if !target.starts_with('/') || method == "CONNECT" {
        return Err(HeadError::Target(target.to_owned()));
    }
    let headers: Vec<Header<'a>> = request.headers.iter().map(|header| (header.name, header.value)).collect();
    check(&headers, minor)?;
    Ok(Head { method, target, keep_alive: keeps_alive(&headers, minor), headers, minor, length })
}

/// Rejects headers that announce a body, change the protocol, or name two hosts.
///
/// # Errors
/// The first such header.
pub(crate) fn check(headers: &[Header<'_>], minor: u8) -> Result<(), HeadError> {
    let (mut hosts, mut length) = (0, None);
    for (name, value) in headers {
        // Most names have the length of none of these.
        if !matches!(name.len(), 4 | 6 | 7 | 14 | 17) {
            continue;
        }
        for forbidden in &["Transfer-Encoding", "Upgrade", "Expect"] {
            if is_named(name, forbidden) {
                return Err(HeadError::Header(forbidden, "expected none, found one"));
            }
        }
        if is_named(name, "Host") {
            hosts += 1;
        } else if is_named(name, "Content-Length") && length.replace(digits(value)?).is_some() {
            return Err(HeadError::Header("Content-Length", "expected one at most, found several"));
        }
    }
    match (length, hosts) {
        (Some(length @ 1..), _) => Err(HeadError::Body(length)),
        (_, 0) if minor > 0 => Err(HeadError::Header("Host", "expected one, found none")),
        (_, 2..) => Err(HeadError::Header("Host", "expected one, found several")),
        _ => Ok(()),
    }
}

/// Parses `1*DIGIT` (RFC 9110 §8.6), without a sign or a list.
fn digits(value: &[u8]) -> Result<u64, HeadError> {
    let plain = value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()).flatten();
    let number = plain.and_then(|text| text.parse().ok());
    number.ok_or(HeadError::Header("Content-Length", "expected a number of bytes, found something else"))
}

/// Whether the connection stays open: HTTP/1.1 unless the request says close, HTTP/1.0 only if it says keep-alive.
fn keeps_alive(headers: &[Header<'_>], minor: u8) -> bool {
    let connection = headers.iter().filter(|(name, _)| is_named(name, "Connection"));
    let options: Vec<&[u8]> =
        connection.flat_map(|(_, value)| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii).collect();
    let has = |known: &[u8]| options.iter().any(|option| option.eq_ignore_ascii_case(known));
    !has(b"close") && (minor > 0 || has(b"keep-alive"))
}

fn explain(error: httparse::Error, most: usize) -> HeadError {
    HeadError::Syntax(match error {
        httparse::Error::TooManyHeaders => return HeadError::TooManyHeaders(most),
        httparse::Error::Version => return HeadError::Version,
        httparse::Error::HeaderName => "header names of letters, digits and dashes, each directly followed by a colon",
        httparse::Error::HeaderValue => "header values without control characters",
        httparse::Error::Token => "a method and a target without control characters",
        _ => "lines that end in CRLF",
    })
}

impl HeadError {
    /// Whether the head exceeds a limit, as opposed to violating the grammar.
    pub fn too_large(&self) -> bool {
        matches!(self, Self::TooLong(_) | Self::TooManyHeaders(_) | Self::Body(_))
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "request head: expected at most {max} bytes, found more"),
            Self::TooManyHeaders(max) => write!(f, "request head: expected at most {max} header lines, found more"),
            Self::LineEnd => f.write_str("request head: expected lines that end in CRLF, found a CR or LF alone"),
            Self::Syntax(expected) => write!(f, "request head: expected {expected}, found something else"),
            Self::Version => f.write_str("request head: expected HTTP/1.1 or HTTP/1.0, found another version"),
            Self::Target(found) => {
                write!(f, "request target: expected a path, found {}", Escaped::new(found))
            }
            Self::Header(name, why) => write!(f, "header {name}: {why}"),
            Self::Body(_) => f.write_str("expected a request without a body, found one with a body"),
        }
    }
}

impl std::error::Error for HeadError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 200, headers: 4 };

    fn parsed(input: &str) -> Result<Option<Head<'_>>, HeadError> {
        parse(input.as_bytes(), 0, LIMITS)
    }

    #[test]
    fn parses_heads_of_ordinary_clients() {
        let head =
            parsed("GET /apis?x=1 HTTP/1.1\r\nHost: a\r\nX-Remote-Group:  system:masters \r\n\r\nGET /").unwrap();
        let expected = Head {
            method: "GET",
            target: "/apis?x=1",
            headers: vec![("Host", b"a"), ("X-Remote-Group", b"system:masters")],
            minor: 1,
            keep_alive: true,
            length: 69,
        };
        assert_eq!(head, Some(expected));
        for (head, keep_alive) in [
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\nconnection: keep-alive\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n", true),
        ] {
            assert_eq!(parsed(head).unwrap().map(|head| head.keep_alive), Some(keep_alive), "{head:?}");
        }
    }

    #[test]
    fn waits_for_the_empty_line() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..head.len() {
            let part = &head[..cut];
            assert_eq!(parsed(part), Ok(None), "{part:?}");
            for seen in 0..=cut {
                let whole = parse(head.as_bytes(), seen, LIMITS).unwrap().unwrap();
                assert_eq!(whole.length, head.len());
            }
        }
    }

    #[test]
    fn rejects_ambiguous_heads() {
        let none = "expected none, found one";
        let syntax = |expected| HeadError::Syntax(expected);
        let name = syntax("header names of letters, digits and dashes, each directly followed by a colon");
        for (lines, error) in [
            ("Host: a\r\nTransfer-Encoding: chunked", HeadError::Header("Transfer-Encoding", none)),
            ("Host: a\r\ntransfer-encoding:", HeadError::Header("Transfer-Encoding", none)),
            ("Host: a\r\nUpgrade: h2c", HeadError::Header("Upgrade", none)),
            ("Host: a\r\nExpect: 100-continue", HeadError::Header("Expect", none)),
            ("Host: a\r\nContent-Length: 5", HeadError::Body(5)),
            (
                "Host: a\r\nContent-Length: 0\r\nContent-Length: 0",
                HeadError::Header("Content-Length", "expected one at most, found several"),
            ),
            ("Content-Length: +5\r\nHost: a", digits(b"+5").unwrap_err()),
            ("Content-Length: 5, 5\r\nHost: a", digits(b"").unwrap_err()),
            ("Content-Length:\r\nHost: a", digits(b"99999999999999999999").unwrap_err()),
            ("Host: a\r\nHost: b", HeadError::Header("Host", "expected one, found several")),
            ("X: y", HeadError::Header("Host", "expected one, found none")),
            ("Host: a\r\n folded: b", name.clone()),
            ("Host : a", name.clone()),
            ("Host: a\r\nX\0: b", name),
            ("Host: a\r\nX: \0", syntax("header values without control characters")),
            ("Host: a\nX: b", HeadError::LineEnd),
            ("Host: a\rX: b", HeadError::LineEnd),
            ("Host: a\nX: b\rY: c", HeadError::LineEnd),
            ("Host: a\r\nX:\r y\nZ: b", HeadError::LineEnd),
            ("A: b\r\nC: d\r\nE: f\r\nG: h\r\nHost: a", HeadError::TooManyHeaders(4)),
            (&format!("Host: {}", "a".repeat(200)), HeadError::TooLong(200)),
        ] {
            assert_eq!(parsed(&format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n")), Err(error), "{lines:?}");
        }
        for (line, error) in [
            ("GET http://a/ HTTP/1.1", HeadError::Target("http://a/".to_owned())),
            ("CONNECT a:443 HTTP/1.1", HeadError::Target("a:443".to_owned())),
            ("CONNECT / HTTP/1.1", HeadError::Target("/".to_owned())),
            ("OPTIONS * HTTP/1.1", HeadError::Target("*".to_owned())),
            ("GET / HTTP/2.0", HeadError::Version),
            ("GET  / HTTP/1.1", syntax("a method and a target without control characters")),
            ("GET /\0 HTTP/1.1", syntax("a method and a target without control characters")),
            ("GET /", syntax("a method and a target without control characters")),
            ("\r\nGET / HTTP/1.1", syntax("a request line first")),
        ] {
            assert_eq!(parsed(&format!("{line}\r\nHost: a\r\n\r\n")), Err(error), "{line:?}");
        }
    }

    #[test]
    fn rejects_invalid_heads_early() {
        assert_eq!(parsed("GET / HTTP/1.1\n"), Err(HeadError::LineEnd));
        assert_eq!(parsed("\n"), Err(HeadError::LineEnd));
        assert_eq!(parsed(&"x".repeat(199)), Ok(None));
        assert_eq!(parsed(&"x".repeat(200)), Err(HeadError::TooLong(200)));
        assert_eq!(
            parsed(&("x".repeat(200) + "\n")),
            Err(HeadError::TooLong(200)),
            "the same as if the last byte came later"
        );
        let just = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(200 - 26));
        assert_eq!(parsed(&just).unwrap().unwrap().length, 200);
    }

    #[test]
    fn accepts_many_headers_within_the_limit() {
        let lines: String = (0..1_023).map(|n| format!("X-Remote-Group: {n}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let many = HeadLimits { bytes: 64 * 1024, headers: 1_024 };
        assert_eq!(parse(head.as_bytes(), 0, many).unwrap().unwrap().headers.len(), 1_024);
        let fewer = HeadLimits { headers: 1_023, ..many };
        assert_eq!(parse(head.as_bytes(), 0, fewer), Err(HeadError::TooManyHeaders(1_023)));
    }
}
