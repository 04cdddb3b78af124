//! "Did you mean …?"

/// The most bytes of a word that are compared: foreign text may be long, and the comparison is quadratic.
const COMPARED: usize = 64;

/// The most words that are compared with.
const CANDIDATES: usize = 256;

/// `; did you mean "url"?` if one of the words is close, else nothing.
///
/// Close is: equal but for case, dashes and underscores, or at most one slip away (two in words of six letters or
/// more). The word is printed as it is, so one of the user's own that would need escaping is not offered.
pub(super) fn hint<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    let written = folded(written);
    let slips = if written.len() < 6 { 1 } else { 2 };
    let close = known
        .take(CANDIDATES)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(|word| (distance(&written, &folded(word)), word))
        .filter(|(distance, _)| *distance <= slips)
        .min();
    match close {
        Some((_, word)) if !written.is_empty() => format!("; did you mean {word}?"),
        _ => String::new(),
    }
}

fn folded(word: &str) -> Vec<u8> {
    let bytes = word.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    bytes.take(COMPARED).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Insertions, deletions and replacements that turn one word into the other (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    // One row of the usual table: the distances of the beginning of `a` so far to every beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        let known = ["url", "format", "bearerTokenFile", "nameLabel", "nameFrom", "export\u{e}r"];
        for (written, expected) in [
            ("urll", "; did you mean url?"),
            ("uri", "; did you mean url?"),
            ("Format", "; did you mean format?"),
            ("formats", "; did you mean format?"),
            ("fromat", "; did you mean format?"),
            ("bearer_token_file", "; did you mean bearerTokenFile?"),
            ("bearer-token", ""),
            ("nameform", "; did you mean nameFrom?"),
            ("path", ""),
            ("exporter", ""),
            ("", ""),
        ] {
            assert_eq!(hint(written, known.into_iter()), expected, "{written}");
        }
    }

    #[test]
    fn measures() {
        for (a, b, expected) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
