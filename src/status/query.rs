//! The query of the status page: `namespace=shop`, `wrong=true`.

use crate::parse::percent::{Plus, decode};

/// The filters of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Only entries for this namespace.
    pub(super) namespace: Option<String>,
    /// Only entries with problems.
    pub(super) wrong: bool,
}

impl Filter {
    /// Parses a query (WHATWG URL, `application/x-www-form-urlencoded`); unknown parameters, and values that are not UTF-8,
    /// are ignored. The first value of a parameter counts.
    pub(super) fn parse(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in query.split('&').rev().filter_map(|pair| pair.split_once('=')) {
            let Ok(value) = decode(value, Plus::Blank) else { continue };
            match name {
                "namespace" => filter.namespace = Some(value).filter(|name| !name.is_empty()),
                "wrong" => filter.wrong = value == "true",
                _ => {}
            }
        }
        filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_value_of_a_parameter() {
        let of = |namespace: Option<&str>, wrong| Filter { namespace: namespace.map(str::to_owned), wrong };
        for (query, expected) in [
            ("", of(None, false)),
            ("namespace=", of(None, false)),
            ("namespace=shop&wrong=true", of(Some("shop"), true)),
            ("namespace=a%20b&namespace=c", of(Some("a b"), false)),
            ("namespace=%ff&x&y=z&wrong=1", of(None, false)),
        ] {
            assert_eq!(Filter::parse(query), expected, "{query}");
        }
    }
}
