//! Sorting and maps with little machine code. std's sorts are compiled separately for each type, at 6 KB each, and so
//! is `collect` into an ordered map, which sorts first. Use std's where speed matters more.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts by `compare`; equal items keep their order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let is_after = |left: usize, right: usize| {
        items.get(left).zip(items.get(right)).is_some_and(|(left, right)| compare(left, right) == Ordering::Greater)
    };
    if let Some(order) = order(items.len(), &is_after) {
        rearrange(order, &mut |left, right| items.swap(left, right));
    }
}

/// Sorts by the natural order.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, Ord::cmp);
}

/// Builds a map without sorting first.
pub(crate) fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

/// Builds a set without sorting first.
pub(crate) fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// The sorted order of the items' indices, by merge sort; `None` if they are already sorted.
fn order(len: usize, is_after: &dyn Fn(usize, usize) -> bool) -> Option<Vec<usize>> {
    if (1..len).all(|at| !is_after(at - 1, at)) {
        return None;
    }
    let mut order: Vec<usize> = (0..len).collect();
    let mut merged = Vec::with_capacity(len);
    let mut width = 1;
    while width < len {
        merged.clear();
        for two in order.chunks(2 * width) {
            let (mut left, mut right) = two.split_at(width.min(two.len()));
            while let (Some((first, others)), Some((second, rest))) = (left.split_first(), right.split_first()) {
                if is_after(*first, *second) {
                    merged.push(*second);
                    right = rest;
                } else {
                    merged.push(*first);
                    left = others;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    Some(order)
}

/// Moves the items to their places in `order`, cycle by cycle.
fn rearrange(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut place = start;
        while let Some(from) = order.get_mut(place).map(|from| std::mem::replace(from, place))
            && from != start
            && from != place
        {
            swap(place, from);
            place = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_like_std() {
        // A multiplicative generator is random enough and reproducible.
        let mut state = 1_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for len in 0..200 {
            for below in [1, 2, 10, 1_000] {
                let items: Vec<(u64, usize)> = (0..len).map(|at| (next(below), at)).collect();
                let (mut ours, mut theirs) = (items.clone(), items.clone());
                sort_by(&mut ours, |(left, _), (right, _)| left.cmp(right));
                theirs.sort_by_key(|(key, _)| *key);
                assert_eq!(ours, theirs, "{items:?}");
                sort_by(&mut ours, |(left, _), (right, _)| right.cmp(left));
                theirs.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
                assert_eq!(ours, theirs, "{items:?}");
                sort(&mut ours);
                theirs.sort_unstable();
                assert_eq!(ours, theirs, "{items:?}");
            }
        }
    }

    #[test]
    fn keeps_the_last_value_of_equal_keys() {
        let entries = [("b", 1), ("a", 2), ("b", 3)];
        assert_eq!(map(entries), entries.into_iter().collect());
        assert_eq!(set(["b", "a", "b"]), ["a", "b"].into());
    }
}
