//! How similar two names are.

/// The most bytes of a name that are compared: foreign text may be long, and the comparison is quadratic.
const COMPARED: usize = 64;

/// Names that differ by so much, or less, may be meant for each other.
const CLOSE: usize = 3;

/// How far a name that is there is from a name that was meant, if it may be the same: equal but for case and separators, a
/// slip or two away, or longer or shorter by whole words at one end (`http_requests`, `http_requests_total`). The smaller,
/// the closer.
pub(crate) fn closeness(meant: &str, there: &str) -> Option<usize> {
    if meant.is_empty() || there.is_empty() || meant == there {
        return None;
    }
    let (a, b) = (folded(meant), folded(there));
    let slips = match a.len() {
        // Of two short names nothing shows that they are one.
        0..4 => 0,
        4..6 => 1,
        _ => 2,
    };
    if a.len().abs_diff(b.len()) <= slips {
        let distance = distance(&a, &b);
        if distance <= slips {
            return Some(distance);
        }
    }
    let (short, long) = if meant.len() < there.len() { (meant, there) } else { (there, meant) };
    let is_end = |text: &str| text.is_empty() || text.starts_with(['_', ':', '.']) || text.ends_with(['_', ':', '.']);
    let rest = long.strip_prefix(short).or_else(|| long.strip_suffix(short))?;
    // One word alone is shared by too many.
    (short.contains(['_', ':', '.']) && is_end(rest)).then_some(CLOSE)
}

/// A name without case and separators.
pub(crate) fn folded(word: &str) -> Vec<u8> {
    let bytes = word.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b':' | b'.'));
    bytes.take(COMPARED).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Insertions, deletions and replacements that turn one word into the other (Levenshtein).
pub(crate) fn distance(a: &[u8], b: &[u8]) -> usize {
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
    fn tells_what_may_be_meant() {
        for (meant, there, expected) in [
            ("vllm:num_requests_waiting", "vllm_num_requests_waiting", Some(0)),
            ("queue.depth", "queue_depth", Some(0)),
            ("queueDepth", "queue_depth", Some(0)),
            ("queue_detph", "queue_depth", Some(2)),
            ("queue_depths", "queue_depth", Some(1)),
            ("http_requests", "http_requests_total", Some(3)),
            ("my_app_queue_depth", "queue_depth", Some(3)),
            ("http_requests_total", "http_requests", Some(3)),
            ("queue_depth", "queue_depth", None),
            ("queue", "queue_depth", None),
            ("queue_depth", "queue_length", None),
            ("up", "go_up", None),
            ("a", "c", None),
            ("ups", "up", None),
            ("", "a", None),
        ] {
            assert_eq!(closeness(meant, there), expected, "{meant} {there}");
        }
    }

    #[test]
    fn measures() {
        for (a, b, expected) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
