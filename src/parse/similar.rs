//! The similarity of names, for suggestions in messages.

/// The separators of words in a name.
const SEPARATORS: [char; 3] = ['_', ':', '.'];

/// The maximum number of bytes compared: untrusted names may be long, and the comparison is quadratic.
const COMPARED: usize = 64;

/// The distance between names that differ by one word at an end; each further word adds one.
const WORD: usize = 3;

/// A name to compare with others.
pub(crate) struct Name<'a> {
    written: &'a str,
    folded: Vec<u8>,
}

impl<'a> Name<'a> {
    pub(crate) fn new(written: &'a str) -> Self {
        Self { written, folded: folded(written) }
    }

    pub(crate) fn written(&self) -> &'a str {
        self.written
    }

    /// The distance of an existing name from this one, if it may be the name that was meant: equal except for case and
    /// separators, one or two typing errors away, or with whole words more or fewer at one end (`http_requests`,
    /// `http_requests_total`). Lower means more similar.
    pub(crate) fn closeness(&self, there: &Name<'_>) -> Option<usize> {
        if self.written.is_empty() || there.written.is_empty() || self.written == there.written {
            return None;
        }
        let slips = match self.folded.len() {
            // Short names that differ are usually unrelated.
            0..4 => 0,
            4..6 => 1,
            _ => 2,
        };
        distance(&self.folded, &there.folded, slips).or_else(|| more_words(self.written, there.written))
    }
}

/// The distance between two names if one is the other with more words at one end.
fn more_words(a: &str, b: &str) -> Option<usize> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let rest = long.strip_prefix(short).or_else(|| long.strip_suffix(short))?;
    let is_end = rest.starts_with(SEPARATORS) || rest.ends_with(SEPARATORS);
    // Too many names share a single word.
    (is_end && short.contains(SEPARATORS)).then(|| WORD - 1 + rest.matches(SEPARATORS).count())
}

/// A name in lower case without separators.
pub(crate) fn folded(word: &str) -> Vec<u8> {
    let bytes = word.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b':' | b'.'));
    bytes.take(COMPARED).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// The Levenshtein distance of two words, if it is at most `most`.
pub(crate) fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    // One row of the usual table: the distances of the current prefix of `a` from every prefix of `b`. Only cells near
    // the diagonal are computed; all other distances exceed `most`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let start = (i + 1).saturating_sub(most).max(1);
        let mut cells = row.iter_mut().skip(start - 1);
        let (mut diagonal, mut left, mut least) = (0, 0, most + 1);
        if let Some(before) = cells.next() {
            diagonal = *before;
            *before = if start == 1 { i + 1 } else { most + 1 };
            (left, least) = (*before, *before);
        }
        for (cell, y) in cells.zip(b.iter().skip(start - 1)).take(2 * most + 1) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
            least = least.min(left);
        }
        if least > most {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_similar_names() {
        for (meant, there, expected) in [
            ("vllm:num_requests_waiting", "vllm_num_requests_waiting", Some(0)),
            ("queue.depth", "queue_depth", Some(0)),
            ("queueDepth", "queue_depth", Some(0)),
            ("queue_detph", "queue_depth", Some(2)),
            ("queue_depths", "queue_depth", Some(1)),
            ("http_requests", "http_requests_total", Some(3)),
            ("my_app_queue_depth", "queue_depth", Some(4)),
            ("http_requests_total", "http_requests", Some(3)),
            ("http_requests", "http_requests_in_flight", Some(4)),
            ("queue_depth", "queue_depth", None),
            ("queue", "queue_depth", None),
            ("queue_depth", "queue_length", None),
            ("up", "go_up", None),
            ("a", "c", None),
            ("ups", "up", None),
            ("", "a", None),
        ] {
            assert_eq!(Name::new(meant).closeness(&Name::new(there)), expected, "{meant} {there}");
        }
    }

    /// Computes the distance by its definition.
    fn plain_distance(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a @ ..], [y, b @ ..]) if x == y => plain_distance(a, b),
            ([_, tail_a @ ..], [_, tail_b @ ..]) => {
                1 + plain_distance(tail_a, b).min(plain_distance(a, tail_b)).min(plain_distance(tail_a, tail_b))
            }
        }
    }

    #[test]
    fn measures() {
        let words: Vec<Vec<u8>> = (0..6)
            .flat_map(|length| (0..1 << length).map(move |bits| (0..length).map(|at| bits >> at & 1).collect()))
            .chain(["kitten", "sitting", "queue_depth", "quue_detph", "depth_queue"].map(Vec::from))
            .collect();
        for (a, b) in words.iter().flat_map(|a| words.iter().map(move |b| (a, b))) {
            let expected = plain_distance(a, b);
            for most in 0..5 {
                assert_eq!(distance(a, b, most), Some(expected).filter(|it| *it <= most), "{a:?} {b:?} {most}");
            }
        }
    }
}
