//! Patterns of names, in which `*` stands for any text, including none.

/// A pattern that must match a whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameGlob(String);

impl NameGlob {
    /// A pattern; every text is valid.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches only one name.
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// Whether a name matches, ignoring the case of ASCII letters.
    pub fn matches_ignoring_case(&self, name: &str) -> bool {
        matches(self.0.to_ascii_lowercase().as_bytes(), name.to_ascii_lowercase().as_bytes())
    }
}

/// Backtracks only to the last `*`, so that the time is at most the product of both lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // The position after the last `*` in the pattern, and the end of its text so far in the name.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match (pattern.get(at), name.get(from)) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, from));
            }
            (Some(expected), Some(found)) if expected == found => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((behind, end)) = star else { return false };
                (at, from) = (behind, end + 1);
                star = Some((behind, from));
            }
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "queue_depth", true),
            ("queue_depth", "queue_depth", true),
            ("queue_depth", "queue_depths", false),
            ("queue_depth", "Queue_depth", false),
            ("queue_*", "queue_depth", true),
            ("queue_*", "queue_", true),
            ("queue_*", "queue", false),
            ("*_depth", "queue_depth", true),
            ("*_depth", "queue_depth_max", false),
            ("q*e*h", "queue_depth", true),
            ("q*e*h", "queue_depths", false),
            ("a*b*c", "abcbc", true),
            ("**", "a", true),
            ("a**", "a", true),
            ("", "", true),
            ("", "a", false),
            ("*é", "aé", true),
        ] {
            assert_eq!(NameGlob::new(pattern).matches(name), expected, "{pattern} {name}");
        }
        assert!(NameGlob::new("Queue_*").matches_ignoring_case("queue_LAG"));
        assert!(!NameGlob::new("Queue_*").matches_ignoring_case("lag"));
        let long = "a".repeat(253);
        assert!(!NameGlob::new(&"*a".repeat(126)).matches(&(long.clone() + "b")));
        assert!(NameGlob::new(&"*a".repeat(126)).matches(&long));
    }
}
