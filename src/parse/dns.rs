//! DNS names as Kubernetes writes them: RFC 1123, in lower case.

/// Whether a text is a DNS label, of at most 63 characters.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_unbounded_label(text)
}

/// Whether a text is a DNS name, of at most 253 characters.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether a text is valid as the prefix of a label key: Kubernetes limits the length of the prefix, but not that of
/// each DNS label in it.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_unbounded_label)
}

fn is_unbounded_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_names() {
        let long = "a".repeat(64);
        let names = format!("{0}.{0}.{0}.{0}", "a".repeat(63));
        for (text, expected) in [
            ("web", [true, true, true]),
            ("0-a", [true, true, true]),
            ("a.b", [false, true, true]),
            (&*long, [false, false, true]),
            (&*names, [false, false, false]),
            ("", [false, false, false]),
            ("a..b", [false, false, false]),
            ("a.", [false, false, false]),
            ("-a", [false, false, false]),
            ("a-", [false, false, false]),
            ("A", [false, false, false]),
            ("a_b", [false, false, false]),
            ("\u{e9}", [false, false, false]),
        ] {
            assert_eq!([is_label(text), is_name(text), is_subdomain(text)], expected, "{text}");
        }
    }
}
