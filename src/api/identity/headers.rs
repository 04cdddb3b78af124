//! The headers in which a front proxy names the user. The caller has verified the proxy's certificate.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::arch::all::is_equal;

use super::KnownUser;
use super::trust::RemoteHeaders;
use crate::kube::review::UserInfo;
use crate::parse::head::{Header, is_named};
use crate::parse::percent::{self, Plus};

/// Reads the user; `None` if no header names one.
///
/// # Errors
/// If a value is not UTF-8: other servers might read it as another name.
pub(super) fn user(names: &RemoteHeaders, headers: &[Header<'_>]) -> Result<Option<UserInfo>, NotUtf8> {
    let username = first(&names.username, headers)?;
    if username.is_empty() {
        return Ok(None);
    }
    let mut groups = Vec::new();
    for name in &names.group {
        for value in values(name, headers) {
            let value = value?;
            if !value.is_empty() {
                groups.push(value.to_owned());
            }
        }
    }
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for prefix in &names.extra_prefix {
        for (name, value) in headers {
            if let Some(key) = strip_prefix(name, prefix) {
                let key = decoded(&key.to_ascii_lowercase());
                extra.entry(key).or_default().push(text(value)?.to_owned());
            }
        }
    }
    let uid = first(&names.uid, headers)?.to_owned();
    Ok(Some(UserInfo { username: username.to_owned(), uid, groups, extra }))
}

/// The last user that a front proxy named on a connection, with its header lines, because consecutive requests are
/// often from one user.
#[derive(Debug)]
pub(in crate::api) struct NamedUser {
    lines: Vec<(String, Vec<u8>)>,
    pub(super) info: Arc<KnownUser>,
}

impl NamedUser {
    pub(super) fn new(names: &RemoteHeaders, headers: &[Header<'_>], info: Arc<KnownUser>) -> Self {
        let lines = lines(names, headers).map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        Self { lines, info }
    }

    /// Whether these headers name the same user in the same lines; `names` must be those with which this user was read.
    pub(super) fn is_in(&self, names: &RemoteHeaders, headers: &[Header<'_>]) -> bool {
        let mut known = self.lines.as_slice();
        for (line, value) in headers {
            match known {
                [(name, same), after @ ..] if is_equal(name.as_bytes(), line.as_bytes()) && is_equal(same, value) => {
                    known = after;
                }
                _ if names_users(names, line) => return false,
                _ => {}
            }
        }
        known.is_empty()
    }
}

/// The header lines that name users.
fn lines<'a, 'h>(
    names: &'a RemoteHeaders,
    headers: &'a [Header<'h>],
) -> impl Iterator<Item = &'a Header<'h>> + use<'a, 'h> {
    headers.iter().filter(|(line, _)| names_users(names, line))
}

/// Whether header lines of this name describe a user.
fn names_users(names: &RemoteHeaders, line: &str) -> bool {
    for known in &[&names.username, &names.group, &names.uid] {
        for name in *known {
            if is_named(line, name) {
                return true;
            }
        }
    }
    names.extra_prefix.iter().any(|prefix| strip_prefix(line, prefix).is_some())
}

/// A header value that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// The first value that is not empty, of the first line of each name.
fn first<'h>(names: &[String], headers: &[Header<'h>]) -> Result<&'h str, NotUtf8> {
    for name in names {
        let value = values(name, headers).next().transpose()?.unwrap_or_default();
        if !value.is_empty() {
            return Ok(value);
        }
    }
    Ok("")
}

fn values<'a, 'h>(
    name: &'a str,
    headers: &'a [Header<'h>],
) -> impl Iterator<Item = Result<&'h str, NotUtf8>> + use<'a, 'h> {
    headers.iter().filter(move |(line, _)| is_named(line, name)).map(|(_, value)| text(value))
}

fn text(value: &[u8]) -> Result<&str, NotUtf8> {
    std::str::from_utf8(value).map_err(|_| NotUtf8)
}

fn strip_prefix<'h>(name: &'h str, prefix: &str) -> Option<&'h str> {
    let (start, key) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(key)
}

/// Percent-decoded, or as it is if that fails, as in Go.
fn decoded(key: &str) -> String {
    percent::decode(key, Plus::Literal).unwrap_or_else(|_| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Option<UserInfo>, NotUtf8> {
        let headers: Vec<Header<'_>> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let names = RemoteHeaders { uid: vec!["X-Remote-Uid".to_owned()], ..RemoteHeaders::usual() };
        user(&names, &headers)
    }

    #[test]
    fn reads_users() {
        let found = read(&[
            ("X-REMOTE-USER", "u"),
            ("x-remote-user", "second"),
            ("X-Remote-Group", "a"),
            ("Accept", "*/*"),
            ("x-remote-group", ""),
            ("X-Remote-Group", "b, c"),
            ("X-Remote-Uid", "7"),
            ("X-Remote-Extra-Authentication.kubernetes.io%2fPod-Name", "p"),
            ("X-Remote-Extra-Scopes", "s1"),
            ("x-remote-extra-scopes", "s2"),
            ("X-Remote-Extra-Odd%zz", "o"),
        ]);
        let extra =
            [("authentication.kubernetes.io/pod-name", &["p"][..]), ("scopes", &["s1", "s2"]), ("odd%zz", &["o"])];
        let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        let expected = UserInfo {
            username: "u".into(),
            uid: "7".into(),
            groups: owned(&["a", "b, c"]),
            extra: extra.into_iter().map(|(key, values)| (key.to_owned(), owned(values))).collect(),
        };
        assert_eq!(found, Ok(Some(expected)));
    }

    #[test]
    fn recognizes_lines_that_name_a_user() {
        let names = RemoteHeaders::usual();
        let lines: &[Header<'_>] = &[("Accept", b"*/*"), ("X-Remote-User", b"u"), ("x-remote-group", b"a"), ("X", b"")];
        let known = NamedUser::new(&names, lines, UserInfo::default().into());
        let is_in = |headers: &[Header<'_>]| known.is_in(&names, headers);
        assert!(is_in(lines));
        assert!(is_in(&[("X-Remote-User", b"u"), ("x-remote-group", b"a"), ("Accept", b"text/html")]));
        for others in [
            &[("X-Remote-User", &b"u"[..])][..],
            &[("X-Remote-User", b"v"), ("x-remote-group", b"a")],
            &[("x-remote-group", b"a"), ("X-Remote-User", b"u")],
            &[("X-Remote-User", b"u"), ("x-remote-group", b"a"), ("X-Remote-Group", b"b")],
            &[("X-Remote-User", b"u"), ("x-remote-group", b"a"), ("X-Remote-Extra-k", b"v")],
            &[],
        ] {
            assert!(!is_in(others), "{others:?}");
        }
    }

    #[test]
    fn requires_a_user_name() {
        assert_eq!(read(&[("X-Remote-Group", "system:masters")]), Ok(None));
        assert_eq!(read(&[("X-Remote-User", ""), ("X-Remote-Group", "g")]), Ok(None));
        assert_eq!(read(&[("X_Remote_User", "u"), ("X-Remote-User ", "u")]), Ok(None));
        assert_eq!(user(&RemoteHeaders::usual(), &[("X-Remote-User", b"\xff")]), Err(NotUtf8));
        assert_eq!(user(&RemoteHeaders::default(), &[("X-Remote-User", b"u")]), Ok(None));
    }
}
