//! Recognizes pages in other formats that a source reads as Prometheus text.

/// The likely format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikelyFormat {
    /// CSV with a header.
    Csv,
    /// Lines of a key, a colon and a value.
    KeyValue,
}

impl LikelyFormat {
    /// The likely format of a page that starts with `head`.
    pub fn of(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let header = head.lines().next()?;
        // The last name may be incomplete.
        let names = header.strip_prefix('#').unwrap_or(header).split(',').map(|name| name.trim_matches([' ', '"']));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if names.clone().count() > 2 && names.clone().all(is_name) && header.contains(|c: char| c.is_ascii_alphabetic())
        {
            return Some(Self::Csv);
        }
        // Apache's first line is its host name, so the first two lines are examined.
        let is_pair = |line: &str| {
            line.split_once(':').is_some_and(|(key, value)| {
                key.starts_with(|c: char| c.is_ascii_alphabetic())
                    && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-./".contains(&byte))
                    && (value.is_empty() || value.starts_with([' ', '\t']))
            })
        };
        head.lines().take(2).any(is_pair).then_some(Self::KeyValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes() {
        for (head, expected) in [
            ("# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp", Some(LikelyFormat::Csv)),
            ("\"queue\", depth, age\r\nmail,1,2\r\n", Some(LikelyFormat::Csv)),
            ("pool:                 www\nprocess manager:      static\n", Some(LikelyFormat::KeyValue)),
            ("Active connections: 3 \nserver accepts handled requests\n 14 14", Some(LikelyFormat::KeyValue)),
            ("127.0.0.1\nServerVersion: Apache/2.4.71 (Debian)\nServerMPM: ev", Some(LikelyFormat::KeyValue)),
            ("queue:\n  depth: 3\n", Some(LikelyFormat::KeyValue)),
            ("# HELP queue_depth Jobs, waiting, by queue: all\n", None),
            ("queue_depth{a=\"b\",c=\"d\",e=\"f\"} x\n", None),
            ("{\"a\": 1}", None),
            ("<html>: a\n", None),
            ("http://example.com\n", None),
            (",,,\n", None),
            ("", None),
        ] {
            assert_eq!(LikelyFormat::of(head.as_bytes()), expected, "{head}");
        }
    }
}
