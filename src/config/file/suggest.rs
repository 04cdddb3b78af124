//! "Did you mean …?"

use crate::parse::similar::{distance, folded};

/// The maximum number of candidates.
const CANDIDATES: usize = 256;

/// `; did you mean url?` if one of the words is similar, else nothing.
///
/// Similar words differ only in case, dashes and underscores, or by one edit (two edits from six letters on). The word is
/// printed unescaped, so a word that needs escaping is not suggested.
pub(super) fn hint<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    let written = folded(written);
    let slips = if written.len() < 6 { 1 } else { 2 };
    let close = known
        .take(CANDIDATES)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_graphic()))
        .filter_map(|word| Some((distance(&written, &folded(word), slips)?, word)))
        .min();
    match close {
        Some((_, word)) if !written.is_empty() => format!("; did you mean {word}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_similar_words() {
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
}
