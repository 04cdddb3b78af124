//! A request of the suite and its response.

use std::fmt;

/// The user of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// The identity given on the command line.
    Given,
    /// No credentials.
    Unauthenticated,
    /// An invalid token.
    WrongToken,
    /// A user without permissions.
    Unauthorized,
    /// A user who may only get custom metrics.
    CustomReader,
    /// A user who may only list external metrics.
    ExternalReader,
}

/// A request without a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// Path and query, encoded.
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) identity: Identity,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request, and its response or the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) result: Result<Response, String>,
}

impl Request {
    /// A GET request of the given identity, without Accept.
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), headers: Vec::new(), identity: Identity::Given }
    }

    #[must_use]
    pub(crate) fn with_method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn accepting(self, media_types: impl Into<String>) -> Self {
        self.with_header("accept", media_types)
    }

    #[must_use]
    pub(crate) fn of(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Prints the request for messages.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            write!(f, ", {name}: {value}")?;
        }
        f.write_str(match self.identity {
            Identity::Given => "",
            Identity::Unauthenticated => ", without credentials",
            Identity::WrongToken => ", with a wrong token",
            Identity::Unauthorized => ", as the unauthorized user",
            Identity::CustomReader => ", as the reader of custom metrics",
            Identity::ExternalReader => ", as the reader of external metrics",
        })
    }
}

impl Response {
    /// The value of the first header with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The Content-Type without parameters, in lower case; empty if it is missing.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The value of a parameter of the Content-Type.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let parameters = self.header("content-type")?.split(';').skip(1);
        let mut pairs = parameters.filter_map(|parameter| parameter.trim().split_once('='));
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Prints `200 application/json`.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match self.media_type().as_str() {
            "" => Ok(()),
            media_type => write!(f, " {}", crate::parse::escape::escaped(media_type.as_bytes(), 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_content_types() {
        let response = |content_type: &str| Response {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            ..Response::default()
        };
        let aggregated = response("Application/JSON; g=apidiscovery.k8s.io;v=v2;AS=APIGroupDiscoveryList");
        assert_eq!(aggregated.media_type(), "application/json");
        assert_eq!(aggregated.parameter("as"), Some("APIGroupDiscoveryList"));
        assert_eq!(aggregated.parameter("x"), None);
        assert_eq!(aggregated.to_string(), "200 application/json");
        assert_eq!(Response::default().media_type(), "");
    }

    #[test]
    fn prints_requests() {
        let request = Request::get("/apis").with_method("HEAD").accepting("*/*").of(Identity::Unauthenticated);
        assert_eq!(request.to_string(), "HEAD /apis, accept: */*, without credentials");
    }
}
