//! Entity tags (RFC 9110 §8.8.3) and the header If-None-Match, in which a client lists the tags of its copies.

use std::fmt::Write;

use ring::digest;

/// The strong tag of a document, quoted: its SHA-512 in upper-case hexadecimal, as Kubernetes' servers send it.
pub(crate) fn of(document: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA512, document);
    let mut tag = String::with_capacity(2 * digest::SHA512_OUTPUT_LEN + 2);
    tag.push('"');
    for byte in digest.as_ref() {
        // Writing to memory cannot fail.
        let _ = write!(tag, "{byte:02X}");
    }
    tag.push('"');
    tag
}

/// Whether If-None-Match contains this tag (RFC 9110 §13.1.2). Weak tags match too, as in every GET. Like Go, this
/// ignores everything after the first malformed tag.
pub fn has(if_none_match: &str, tag: &str) -> bool {
    let mut rest = if_none_match;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.starts_with('*') {
            return true;
        }
        let Some((found, after)) = first(rest) else { return false };
        if found == tag {
            return true;
        }
        rest = after;
    }
}

/// The tag at the start of the text, quoted and without `W/`, and the text after it.
fn first(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("W/").unwrap_or(text);
    let end = text.strip_prefix('"')?.find(|c: char| !is_inside(c))? + 1;
    text.get(end..)?.starts_with('"').then(|| text.split_at(end + 1))
}

/// Whether this character may occur between a tag's quotes.
fn is_inside(c: char) -> bool {
    c > ' ' && c != '"' && c != '\u{7f}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_by_sha_512() {
        // The second document and its digest are from FIPS 180-2, appendix C.1.
        for (document, tag) in [
            (
                "",
                "\"CF83E1357EEFB8BDF1542850D66D8007D620E4050B5715DC83F4A921D36CE9CE\
                 47D0D13C5D85F2B0FF8318D2877EEC2F63B931BD47417A81A538327AF927DA3E\"",
            ),
            (
                "abc",
                "\"DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
                 2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F\"",
            ),
        ] {
            assert_eq!(of(document.as_bytes()), tag);
            assert!(has(tag, tag));
        }
    }

    #[test]
    fn finds_tags() {
        for (header, has_a) in [
            (r#""a""#, true),
            (r#"W/"a""#, true),
            ("*", true),
            (" \t*", true),
            (r#" "a" "#, true),
            (r#""b", "a""#, true),
            (r#""b""a""#, true),
            (r#",,"b",W/"a","#, true),
            (r#""b,a", "a""#, true),
            (r#""é", "a""#, true),
            ("", false),
            (",", false),
            ("a", false),
            (r#""a"#, false),
            (r#"a""#, false),
            (r#""A""#, false),
            (r#""""#, false),
            (r#"w/"a""#, false),
            (r#"W/ "a""#, false),
            (r#"W/W/"a""#, false),
            (r#""b,"a""#, false),
            (r#""b c", "a""#, false),
            (r#"b, "a""#, false),
            (r#""\"a""#, false),
            ("\"\u{7f}\", \"a\"", false),
        ] {
            assert_eq!(has(header, r#""a""#), has_a, "{header}");
        }
    }
}
