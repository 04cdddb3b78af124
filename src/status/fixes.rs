//! The fix for an error message, from the tables of docs/troubleshooting.md, so that page and documentation agree.

use super::fix_table::TABLE;

/// The minimum length of a quoted part: shorter ones could match other messages.
const SHORTEST: usize = 10;

/// The fix for a message, as Markdown, from the row with the longest matching part.
pub(super) fn fix(message: &str) -> Option<&'static str> {
    let matches = rows().filter_map(|(messages, fix)| {
        let longest = quoted(messages).filter_map(|quoted| matched(quoted, message)).max()?;
        Some((longest, fix))
    });
    matches.max_by_key(|(longest, _)| *longest).map(|(_, fix)| fix)
}

/// The first and the last cell of each row.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut lines = TABLE.lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

/// The texts between backticks.
fn quoted(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

/// The length of the match of a quoted part in a message, where `…` matches anything; none if a piece of it does not match.
fn matched(quoted: &str, message: &str) -> Option<usize> {
    let mut rest = message;
    let mut length = 0;
    for part in quoted.split('…').map(|part| part.trim_matches([' ', ';', ','])).filter(|part| !part.is_empty()) {
        rest = rest.split_once(part)?.1;
        length += part.len();
    }
    (length >= SHORTEST).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_row_of_a_message() {
        for (message, expected) in [
            ("x of y: no rule is configured for it; there are rules for services", "write `services`, not `service`"),
            ("x of y: no rule is configured for it", "look for `rejected;"),
            ("the matching series on the page describe other objects; the rule takes", "compare the labels"),
            ("y: several values match; wrap it in sum(), max(), min() or avg(); the", "an aggregation"),
            ("labelSelector: no series carries the label \"app\"; they carry x", "select by one of the labels"),
        ] {
            let found = fix(message);
            assert!(found.is_some_and(|fix| fix.starts_with(expected)), "{message}: {found:?}");
        }
        assert_eq!(fix("something else"), None);
    }
}
