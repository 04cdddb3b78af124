//! The head of a reply in HTTP/1.

use std::cell::RefCell;
use std::io::Write;

use crate::api::message::Reply;
use crate::telemetry::clock::http_date;

/// The approximate maximum size of a head.
pub(super) const HEAD: usize = 256;

/// Status line and headers (RFC 9112 §4).
pub(super) fn write(output: &mut Vec<u8>, reply: &Reply, connection: &str, unix_millis: i64) {
    if reply.code == 200 && reply.extra_headers.is_empty() {
        cached(output, reply, unix_millis);
    } else {
        dated(output, reply, unix_millis);
    }
    // A 304 may state the cached document's length, but some clients would wait for a body. Writing to memory cannot fail.
    if reply.code != 304 {
        let _ = write!(output, "Content-Length: {}\r\n", reply.body.len());
    }
    output.extend_from_slice(connection.as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// The part of the head that does not depend on the body.
fn dated(output: &mut Vec<u8>, reply: &Reply, unix_millis: i64) {
    // Appending piece by piece takes a third of the time of a single format.
    let _ = write!(output, "HTTP/1.1 {} {}\r\n", reply.code, phrase(reply.code));
    for (name, value) in reply.headers() {
        for piece in [name, ": ", value, "\r\n"] {
            output.extend_from_slice(piece.as_bytes());
        }
    }
    for piece in ["Date: ", &http_date(unix_millis), "\r\n"] {
        output.extend_from_slice(piece.as_bytes());
    }
}

/// The last dated head that was written for a 200 without extra headers, and the second and media type that it is for.
#[derive(Default)]
struct CachedHead {
    /// The Unix time of the head; `None` before the first.
    second: Option<i64>,
    media_type: &'static str,
    cache_control: &'static str,
    text: Vec<u8>,
}

thread_local! {
    /// One for each media type of metrics.
    static USUAL: RefCell<[CachedHead; 3]> = RefCell::default();
}

/// Like [`dated`], but formats the head only once a second.
fn cached(output: &mut Vec<u8>, reply: &Reply, unix_millis: i64) {
    let second = unix_millis.div_euclid(1_000);
    USUAL.with_borrow_mut(|cached| {
        let is_same = |cached: &CachedHead| {
            cached.second == Some(second)
                && cached.media_type == reply.media_type
                && cached.cache_control == reply.cache_control
        };
        if !cached.iter().any(is_same) {
            cached.rotate_right(1);
            let [first, ..] = cached;
            let Reply { media_type, cache_control, .. } = *reply;
            first.text.clear();
            dated(&mut first.text, reply, unix_millis);
            (first.second, first.media_type, first.cache_control) = (Some(second), media_type, cache_control);
        }
        if let Some(cached) = cached.iter().find(|cached| is_same(cached)) {
            output.extend_from_slice(&cached.text);
        }
    });
}

/// Reason phrases (RFC 9110 §15), for people.
fn phrase(code: u16) -> &'static str {
    match code {
        200 => "OK",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_787_020_504_000;

    #[test]
    fn dates_answers_whatever_the_clock_says() {
        for (unix_millis, date) in [
            (NOW, "Tue, 18 Aug 2026 02:35:04 GMT"),
            (NOW + 999, "Tue, 18 Aug 2026 02:35:04 GMT"),
            (NOW + 1_000, "Tue, 18 Aug 2026 02:35:05 GMT"),
            (i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            for reply in [Reply::text(200, "ok"), Reply::json(200, &(), false), Reply::text(503, "no")] {
                let mut output = Vec::new();
                write(&mut output, &reply, "", unix_millis);
                let head = String::from_utf8(output).unwrap();
                assert!(head.contains(&format!("\r\nDate: {date}\r\n")), "{head}");
                assert!(head.contains(&format!("\r\nContent-Type: {}\r\n", reply.media_type)), "{head}");
                assert!(head.starts_with(&format!("HTTP/1.1 {} ", reply.code)), "{head}");
            }
        }
    }
}
