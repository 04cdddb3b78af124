//! Extracts the names of objects from longer texts: `shop-web-80@kubernetes`,
//! `outbound|80||web.shop.svc.cluster.local`, `shop/web`.

use regex_lite::{Regex, RegexBuilder};

use super::escape::Escaped;

/// The maximum length of a searched text. A name and a namespace together have at most 316 bytes.
const MAX_LEN: usize = 1_024;

/// A regular expression that must match a whole text, with groups for an object's name and namespace. Patterns are
/// equal if their texts are.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    regex: Regex,
    namespace: bool,
}

/// The object named in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInText<'t> {
    pub namespace: Option<&'t str>,
    pub name: &'t str,
}

impl NamePattern {
    /// Parses a regular expression whose compiled size is at most `compiled` bytes.
    ///
    /// # Errors
    /// If the regular expression is invalid, has no group `name`, or has an unknown group.
    pub fn parse(text: &str, compiled: usize) -> Result<Self, String> {
        let compile = |pattern: &str| {
            let built = RegexBuilder::new(pattern).size_limit(compiled).build();
            built.map_err(|error| format!("expected a regular expression, found {}: {error}", Escaped::new(text)))
        };
        // The pattern is compiled alone first: `a)|(b` would close the group that is added below.
        compile(text)?;
        let regex = compile(&format!("^(?s:{text})$"))?;
        let names: Vec<&str> = regex.capture_names().flatten().collect();
        if let Some(other) = names.iter().find(|name| !["name", "namespace"].contains(name)) {
            return Err(format!("unknown group {}; known are name and namespace", Escaped::new(other)));
        }
        if !names.contains(&"name") {
            return Err("expected a group (?<name>…) around the object's name, found none".to_owned());
        }
        Ok(Self { text: text.to_owned(), namespace: names.contains(&"namespace"), regex })
    }

    /// Whether the pattern has a group for the namespace.
    pub fn names_namespaces(&self) -> bool {
        self.namespace
    }

    /// The object named in a text; `None` if the pattern does not match the whole text.
    pub fn read<'t>(&self, text: &'t str) -> Option<ObjectInText<'t>> {
        let captures = self.regex.captures(text).filter(|_| text.len() <= MAX_LEN)?;
        let group = |name| captures.name(name).map(|found| found.as_str()).filter(|found| !found.is_empty());
        Some(ObjectInText { namespace: group("namespace"), name: group("name")? })
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NamePattern, String> {
        NamePattern::parse(text, 64 * 1024)
    }

    #[test]
    fn finds_names() {
        for (pattern, text, expected) in [
            (
                r"(?<namespace>shop|bank)-(?<name>.+)-\d+@kubernetes",
                "shop-web-80@kubernetes",
                Some((Some("shop"), "web")),
            ),
            (
                r"(?<namespace>shop|bank)-(?<name>.+)-\d+@kubernetes",
                "shop-web-v2-80@kubernetes",
                Some((Some("shop"), "web-v2")),
            ),
            (r"(?<namespace>shop|bank)-(?<name>.+)-\d+@kubernetes", "shop-web-80@kubernetescrd", None),
            (
                r"outbound\|\d+\|[^|]*\|(?<name>[^.]+)\.(?<namespace>[^.]+)\.svc\..*",
                "outbound|80||web.shop.svc.cluster.local",
                Some((Some("shop"), "web")),
            ),
            ("(?:(?<namespace>[^/]+)/)?(?<name>[^/]+)", "shop/web", Some((Some("shop"), "web"))),
            ("(?:(?<namespace>[^/]+)/)?(?<name>[^/]+)", "web", Some((None, "web"))),
            ("(?P<name>[a-z]+)(_(http|tcp))?", "web_http", Some((None, "web"))),
            // The pattern must match the whole text, and names must not be empty.
            ("(?<name>[a-z]+)", "web 1", None),
            ("(?<name>[a-z]*)-x", "-x", None),
            ("(?<name>a)|(?<namespace>b)", "b", None),
        ] {
            let found = parse(pattern).unwrap();
            let found = found.read(text).map(|found| (found.namespace, found.name));
            assert_eq!(found, expected, "{pattern} {text}");
        }
        let all = parse("(?s)(?<name>.+)").unwrap();
        assert!(all.read(&"a".repeat(MAX_LEN)).is_some() && all.read(&"a".repeat(MAX_LEN + 1)).is_none());
    }

    #[test]
    fn rejects() {
        for (pattern, message) in [
            ("web", "expected a group (?<name>…) around the object's name, found none"),
            ("(web)", "expected a group (?<name>…) around the object's name, found none"),
            ("(?<namespace>a)", "expected a group (?<name>…) around the object's name, found none"),
            ("(?<name>a)(?<port>b)", "unknown group \"port\"; known are name and namespace"),
            (
                "(?<name>a)|(b",
                "expected a regular expression, found \"(?<name>a)|(b\": found open group without closing ')'",
            ),
        ] {
            assert_eq!(parse(pattern).unwrap_err(), message, "{pattern}");
        }
        assert!(parse("a)|((?<name>b").is_err());
        assert!(NamePattern::parse("(?<name>(?:a{50}){50})", 1_000).unwrap_err().contains("size limit"));
    }
}
