//! A key whose value is a URL.

use super::fields::{Fields, Sink};
use crate::config::limits::Limits;
use crate::parse::url_template::Template;

/// The required URL under a key.
pub(super) fn template(
    key: &'static str,
    fields: &mut Fields<'_>,
    limits: &Limits,
    sink: &mut Sink,
) -> Option<Template> {
    let text = fields.required_text(key, sink)?;
    match Template::parse(text, limits.config.url) {
        Ok(url) => Some(url),
        Err(error) => {
            let span = fields.get(key).and_then(|node| node.within(error.column));
            fields.fail_at(key, span.unwrap_or(fields.span(key)), &error.to_string(), sink);
            None
        }
    }
}
