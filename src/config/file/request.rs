//! The keys of a source for its requests, except their URL.

use super::fields::{Fields, Sink};
use super::template::template;
use crate::config::limits::Limits;
use crate::config::model::{Method, Proxy, Setting};
use crate::parse::body_template::BodyTemplate;
use crate::parse::escape::Escaped;
use crate::parse::yaml::YamlValue;

/// Header fields that belong to one connection or to the framing of the request (RFC 9110 §7.6.1), and those that would
/// request pages in forms that Metriclet cannot read.
const FORBIDDEN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The method of requests; GET by default.
pub(super) fn method(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Method> {
    fields.word("method", &[("GET", Method::Get), ("POST", Method::Post)], sink)
}

/// The body of a POST.
pub(super) fn body(fields: &mut Fields<'_>, method: Method, limits: &Limits, sink: &mut Sink) -> Option<BodyTemplate> {
    let media_type = fields.line("contentType", sink);
    if !fields.has("body") {
        if media_type.is_some() {
            fields.fail("contentType", "requires body:", sink);
        }
        // A POST without `body` has an empty body.
        return (method == Method::Post).then(BodyTemplate::empty);
    }
    let text = fields.text("body", sink)?;
    if method != Method::Post {
        fields.fail("body", "requires method: POST", sink);
        return None;
    }
    if media_type.is_some_and(|media_type| !is_media_type(media_type)) {
        fields.fail("contentType", "expected a media type such as application/json", sink);
        return None;
    }
    match BodyTemplate::parse(text, media_type, limits.config.body) {
        Ok(body) => Some(body),
        Err(error) => {
            fields.fail("body", &error.message, sink);
            None
        }
    }
}

/// `http://HOST:PORT`
pub(super) fn proxy(fields: &mut Fields<'_>, limits: &Limits, sink: &mut Sink) -> Option<Proxy> {
    fields.has("proxy").then_some(())?;
    let url = template("proxy", fields, limits, sink)?;
    let (host, port) = (url.fixed_host(), url.port());
    let is_plain = !url.is_https() && !url.is_templated() && url.fixed_target() == Some("/");
    let Some((host, port)) = host.zip(port).filter(|_| is_plain) else {
        fields.fail("proxy", "expected http://HOST:PORT", sink);
        return None;
    };
    Some(Proxy { host: host.to_owned(), port })
}

/// `headers`: names of header fields, and their values.
pub(super) fn headers(fields: &mut Fields<'_>, sink: &mut Sink) -> Vec<(String, Setting)> {
    settings("headers", fields, sink, |name| {
        if !is_token(name) {
            Some("is not a header name (RFC 9110)")
        } else if FORBIDDEN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            Some("is set by Metriclet itself")
        } else if name.eq_ignore_ascii_case("content-type") {
            Some("is set by contentType:")
        } else {
            None
        }
    })
}

/// `query`: names of parameters of the URL's query, and their values.
pub(super) fn query(fields: &mut Fields<'_>, sink: &mut Sink) -> Vec<(String, Setting)> {
    settings("query", fields, sink, |name| name.is_empty().then_some("is not a parameter name"))
}

/// A mapping of names to `{value: TEXT}` or `{file: PATH}`.
fn settings(
    of: &'static str,
    fields: &mut Fields<'_>,
    sink: &mut Sink,
    wrong: impl Fn(&str) -> Option<&'static str>,
) -> Vec<(String, Setting)> {
    let mut settings: Vec<(String, Setting)> = Vec::new();
    let Some(node) = fields.get(of) else { return settings };
    let YamlValue::Mapping(entries) = &node.value else {
        let message =
            format!("expected a mapping of names to {{value: TEXT}} or {{file: PATH}}, found {}", node.kind());
        fields.fail(of, &message, sink);
        return settings;
    };
    for (key, node) in entries {
        let name = &key.text;
        let is_there = settings.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if let Some(wrong) = wrong(name).or(is_there.then_some("occurs twice")) {
            fields.fail_at(of, key.span, &format!("{} {wrong}", Escaped::new(name)), sink);
        }
        if !matches!(node.value, YamlValue::Mapping(_)) {
            let name = Escaped::new(name);
            let message = format!("expected {{value: TEXT}} or {{file: PATH}} for {name}, found {}", node.kind());
            fields.fail_at(of, node.span, &message, sink);
            continue;
        }
        let Some(mut entry) = Fields::open(node, key.span, of, &["value", "file"], sink) else { continue };
        let setting = match (entry.has("value"), entry.has("file")) {
            (true, true) => {
                entry.fail("value", "excludes file:", sink);
                None
            }
            (true, false) => value(&mut entry, sink).map(Setting::Text),
            (false, true) => entry.path("file", sink).map(Setting::File),
            (false, false) => {
                fields.fail_at(of, key.span, &format!("{} needs value: or file:", Escaped::new(name)), sink);
                None
            }
        };
        settings.extend(setting.map(|setting| (name.clone(), setting)));
    }
    settings
}

/// A valid value of a header field, without blanks at its ends (RFC 9110 §5.5).
fn value(entry: &mut Fields<'_>, sink: &mut Sink) -> Option<String> {
    let text = entry.line("value", sink)?;
    if text.trim() != text {
        entry.fail("value", "expected no blank at its start and its end", sink);
        return None;
    }
    Some(text.to_owned())
}

/// `token` of RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// RFC 9110 §8.3.1; parameters are not checked.
fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let parts = essence.trim_end().split_once('/');
    parts.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}
