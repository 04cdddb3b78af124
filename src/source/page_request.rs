//! The request for a page.

use std::borrow::Cow;
use std::fmt;

use crate::config::model::{Source, Target};
use crate::parse::url_template::{ExpandError, Values};

/// The request for a page, without credentials: the key of the cache.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// The fragment may identify the pod.
    pub url: String,
    /// The body of a POST; without it, it is a GET.
    pub body: Option<String>,
}

impl PageRequest {
    /// A GET of this URL.
    pub(crate) fn get(url: &str) -> Self {
        Self { url: url.to_owned(), body: None }
    }

    /// The request of a source with a URL, after replacing its placeholders.
    ///
    /// # Errors
    /// If the value of a placeholder is missing or not allowed at its position.
    pub(crate) fn expand(source: &Source, values: &Values<'_>) -> Result<Self, ExpandError> {
        let url = match &source.target {
            Target::Url(template) => template.expand(values)?,
            Target::Pods(_) | Target::Prometheus(_) => String::new(),
        };
        let body = source.body.as_ref().map(|body| body.expand(values)).transpose()?;
        Ok(Self { url, body })
    }

    /// The part that distinguishes it from other requests of its source.
    pub(super) fn key(&self) -> Cow<'_, str> {
        match &self.body {
            None => self.url.as_str().into(),
            Some(body) => format!("{}#{body}", self.url).into(),
        }
    }

    /// Its approximate size in memory.
    pub(super) fn cost(&self) -> usize {
        self.url.len() + self.body.as_ref().map_or(0, String::len)
    }
}

/// Method and URL only, because a body may contain secrets.
impl fmt::Display for PageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.body.is_some() { "POST " } else { "" };
        write!(f, "{method}{}", self.url)
    }
}

impl fmt::Debug for PageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_body() {
        let posted = PageRequest { url: "http://a/".to_owned(), body: Some("s3cret".to_owned()) };
        assert_eq!(posted.to_string(), "POST http://a/");
        assert_eq!(format!("{posted:?}"), "PageRequest { url: \"http://a/\", .. }");
        assert_eq!(PageRequest::get("http://a/").to_string(), "http://a/");
        assert_eq!((posted.key().as_ref(), posted.cost()), ("http://a/#s3cret", 15));
    }
}
