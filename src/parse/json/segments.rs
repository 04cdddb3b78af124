//! The segments of a JSONPath that select from a container: wildcards, filters and slices.

/// The ends of the parts of a path up to each container, and up to what is selected from it. `None` for a path with a
/// descendant segment or a union, of which it is not known whether it found all that exists.
pub(super) fn selections(path: &str) -> Option<Vec<(usize, usize)>> {
    let mut selections = Vec::new();
    let mut at = path.find('$')? + 1;
    while let Some(rest) = path.get(at..) {
        let blanks = rest.len() - rest.trim_start().len();
        let start = at;
        at += blanks;
        let Some(segment) = path.get(at..).filter(|rest| !rest.is_empty()) else { break };
        if segment.starts_with("..") {
            return None;
        }
        if let Some(name) = segment.strip_prefix('.') {
            let name = name.trim_start();
            let length = name.find(['.', '[', ' ', '\t', '\n', '\r']).unwrap_or(name.len());
            at = path.len() - name.len() + length;
            if name.get(..length) == Some("*") {
                selections.push((start, at));
            }
            continue;
        }
        let (inside, length) = brackets(segment)?;
        at += length;
        match inside.trim().as_bytes() {
            [b'\'' | b'"', ..] => {}
            [b'*' | b'?', ..] => selections.push((start, at)),
            slice if slice.contains(&b':') => selections.push((start, at)),
            _ => {}
        }
    }
    Some(selections)
}

/// What is between the brackets that a text starts with, and where they end; `None` for a union or without an end.
fn brackets(text: &str) -> Option<(&str, usize)> {
    let (mut depth, mut quote, mut escaped) = (0, None, false);
    let mut union = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'[' | b'(') => depth += 1,
            (None, b']' | b')') => depth -= 1,
            (None, b',') => union |= depth == 1,
            (None, _) => {}
        }
        if depth == 0 {
            return text.get(1..at).filter(|_| !union).map(|inside| (inside, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_selects_from_a_container() {
        for (path, expected) in [
            ("$", Some(&[][..])),
            ("$.a['b c'][\"d.*\"][0].e", Some(&[])),
            ("$.jobs[*]", Some(&[("$.jobs", "$.jobs[*]")])),
            ("$.jobs.*", Some(&[("$.jobs", "$.jobs.*")])),
            ("$[*]", Some(&[("$", "$[*]")])),
            ("$.jobs[?@.state == 'a]b'].n", Some(&[("$.jobs", "$.jobs[?@.state == 'a]b']")])),
            ("$.jobs[?(@.tags[0] == 1)]", Some(&[("$.jobs", "$.jobs[?(@.tags[0] == 1)]")])),
            ("$.a[1:3]", Some(&[("$.a", "$.a[1:3]")])),
            ("$.a[*].b[ * ].c", Some(&[("$.a", "$.a[*]"), ("$.a[*].b", "$.a[*].b[ * ]")])),
            ("$..a", None),
            ("$.a['b', 'c']", None),
            ("$.a[*]..b", None),
        ] {
            let found = selections(path);
            let found: Option<Vec<(&str, &str)>> =
                found.map(|all| all.into_iter().map(|(container, end)| (&path[..container], &path[..end])).collect());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
