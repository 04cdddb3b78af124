//! Identifiers of rules for links.

use std::collections::{HashMap, HashSet};

/// A unique identifier for each rule: its metric, followed from the second rule of a metric on by the next number that
/// makes it unique.
pub(super) fn ids<'m>(metrics: &[&'m str]) -> Vec<String> {
    let mut taken: HashSet<String> = metrics.iter().map(|metric| (*metric).to_owned()).collect();
    let mut counts = HashMap::<&'m str, usize>::new();
    let id = |metric: &&'m str| {
        let count = counts.entry(*metric).or_default();
        *count += 1;
        if *count == 1 {
            return (*metric).to_owned();
        }
        loop {
            let id = format!("{metric}-{count}");
            if taken.insert(id.clone()) {
                return id;
            }
            *count += 1;
        }
    };
    metrics.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (metrics, expected) in [
            (&["a", "b", "a", "a"][..], &["a", "b", "a-2", "a-3"][..]),
            (&["a", "a", "a-2"], &["a", "a-3", "a-2"]),
            (&["a-2", "a", "a", "a"], &["a-2", "a", "a-3", "a-4"]),
            (&["a", "a-2", "a-2", "a", "a-2-2"], &["a", "a-2", "a-2-3", "a-3", "a-2-2"]),
            (&["a", "A", "a"], &["a", "A", "a-2"]),
        ] {
            assert_eq!(ids(metrics), expected);
        }
    }
}
