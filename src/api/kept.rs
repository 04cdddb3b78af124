//! A cache of serialized replies to metric requests, for as long as they stay valid.

use std::fmt;
use std::sync::{Arc, Weak};

use super::message::{Encoding, Reply, Request};
use super::negotiate::{self, Transforms};
use crate::cache::{Cache, Key, Loaded};
use crate::config::limits::Limits;
use crate::metrics::lasting::Lasting;
use crate::metrics::rules::Rules;
use crate::parse::path::ApiPath;
use crate::status::answers::{AnsweredValue, LastRequest, MetricClient};
use crate::telemetry::clock::Now;

/// A reply, how long it is the same, and the values within.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) lasting: Option<Lasting>,
    pub(super) value: AnsweredValue,
}

/// Replies by what determines them: the target of the request, and the encoding that its headers ask for.
pub(super) struct KeptReplies {
    replies: Cache<KeptReply>,
    longest: usize,
}

/// The key of a reply.
pub(super) struct ReplyKey(Key);

/// A cached reply, and what the target was parsed to, which is not parsed again.
pub(super) struct KeptReply {
    pub(super) path: ApiPath,
    media_type: &'static str,
    body: Arc<[u8]>,
    lasting: Lasting,
    /// The generation of the configuration that produced it.
    rules: Weak<Rules>,
    last: Option<Arc<LastRequest>>,
}

impl ReplyKey {
    /// That of a request; `None` if it is answered with an error.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        if request.method != "GET" {
            return None;
        }
        let chosen = negotiate::negotiate(request.header("Accept"), Encoding::OFFERED, Transforms::Refused)?;
        let encoding = Encoding::new(chosen, negotiate::pretty(None, request.header("User-Agent")));
        Some(Self(Key::of(&(request.target, encoding))))
    }
}

impl KeptReply {
    /// The reply for one more client.
    pub(super) fn reply(&self, client: MetricClient, now: Now) -> Reply {
        if let Some(last) = &self.last {
            last.note(client, now);
        }
        Reply::new(200, self.media_type, self.body.clone())
    }
}

impl KeptReplies {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = &limits.answer;
        Self { replies: Cache::new(limits.kept, limits.kept_bytes), longest: limits.kept_reply }
    }

    /// The reply for a key, if it is still valid.
    pub(super) fn get(&self, key: &ReplyKey, rules: &Arc<Rules>, now: Now) -> Option<Arc<KeptReply>> {
        let is_same =
            |kept: &KeptReply| std::ptr::eq(kept.rules.as_ptr(), Arc::as_ptr(rules)) && kept.lasting.holds(now);
        self.replies.kept(&key.0, now.monotonic, is_same)
    }

    /// Keeps a reply with status code 200; `last` is told of those who get it.
    pub(super) fn put(
        &self,
        ReplyKey(key): &ReplyKey,
        path: &ApiPath,
        answered: &Answered,
        last: Option<Arc<LastRequest>>,
        rules: &Arc<Rules>,
        now: Now,
    ) {
        let Answered { reply, lasting: Some(lasting), .. } = answered else { return };
        // The path takes hardly more than its text, which is in the key.
        let cost = reply.body.len() + 2 * key.cost() + 512;
        if cost <= self.longest {
            let Reply { media_type, body, .. } = reply;
            let (path, body, rules) = (path.clone(), Arc::from(&**body), Arc::downgrade(rules));
            let value = KeptReply { path, media_type, body, lasting: *lasting, rules, last };
            self.replies.put(key, now.monotonic, Loaded { value, until: lasting.until, cost, shared: true });
        }
    }
}

impl fmt::Debug for KeptReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptReplies").finish_non_exhaustive()
    }
}
