//! A cache of serialized replies to metric requests, for as long as they stay valid.

use std::fmt;
use std::sync::{Arc, Weak};

use super::message::{Encoding, Reply, Request};
use super::negotiate::{self, Transforms};
use crate::cache::{Cache, Key, Loaded};
use crate::config::limits::Limits;
use crate::metrics::freshness::Freshness;
use crate::metrics::rules::Rules;
use crate::parse::path::ApiPath;
use crate::status::answers::{AnsweredValue, LastRequest, MetricClient};
use crate::telemetry::clock::Now;

/// A reply, how long it stays valid, and its values.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) freshness: Option<Freshness>,
    pub(super) value: AnsweredValue,
}

/// Cached replies by request target and negotiated encoding.
pub(super) struct ReplyCache {
    replies: Cache<CachedReply>,
    longest: usize,
}

/// The key of a reply.
pub(super) struct ReplyKey(Key);

/// A cached reply with its parsed target.
pub(super) struct CachedReply {
    pub(super) path: ApiPath,
    media_type: &'static str,
    body: Arc<[u8]>,
    freshness: Freshness,
    /// The generation of the configuration that produced it.
    rules: Weak<Rules>,
    last: Option<Arc<LastRequest>>,
}

impl ReplyKey {
    /// The key of a request; `None` if the method or the Accept header is not allowed.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        if request.method != "GET" {
            return None;
        }
        let chosen = negotiate::negotiate(request.header("Accept"), Encoding::OFFERED, Transforms::Refused)?;
        let encoding = Encoding::new(chosen, negotiate::pretty(None, request.header("User-Agent")));
        Some(Self(Key::of(&(request.target, encoding))))
    }
}

impl CachedReply {
    /// The reply for another client, whose request is recorded for the status page.
    pub(super) fn reply(&self, client: MetricClient, now: Now) -> Reply {
        if let Some(last) = &self.last {
            last.note(client, now);
        }
        Reply::new(200, self.media_type, self.body.clone())
    }
}

impl ReplyCache {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = &limits.answer;
        Self { replies: Cache::new(limits.kept, limits.kept_bytes), longest: limits.kept_reply }
    }

    /// The reply for a key, if it is still valid.
    pub(super) fn get(&self, key: &ReplyKey, rules: &Arc<Rules>, now: Now) -> Option<Arc<CachedReply>> {
        let is_same =
            |kept: &CachedReply| std::ptr::eq(kept.rules.as_ptr(), Arc::as_ptr(rules)) && kept.freshness.holds(now);
        self.replies.kept(&key.0, now.monotonic, is_same)
    }

    /// Caches a reply with status code 200; `last` records each client that gets it.
    pub(super) fn put(
        &self,
        ReplyKey(key): &ReplyKey,
        path: &ApiPath,
        answered: &Answered,
        last: Option<Arc<LastRequest>>,
        rules: &Arc<Rules>,
        now: Now,
    ) {
        let Answered { reply, freshness: Some(freshness), .. } = answered else { return };
        // The parsed path takes little more memory than its text, which is in the key.
        let cost = reply.body.len() + 2 * key.cost() + 512;
        if cost <= self.longest {
            let Reply { media_type, body, .. } = reply;
            let (path, body, rules) = (path.clone(), Arc::from(&**body), Arc::downgrade(rules));
            let value = CachedReply { path, media_type, body, freshness: *freshness, rules, last };
            self.replies.put(key, now.monotonic, Loaded { value, until: freshness.until, cost, shared: true });
        }
    }
}

impl fmt::Debug for ReplyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyCache").finish_non_exhaustive()
    }
}
