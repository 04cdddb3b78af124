//! A cache of serialized replies to metric requests, for as long as they stay valid.

use std::fmt;
use std::sync::{Arc, Weak};

use super::message::{Encoding, Reply};
use crate::cache::{Cache, Key, Loaded};
use crate::config::limits::Limits;
use crate::metrics::lasting::Lasting;
use crate::metrics::rules::Rules;
use crate::telemetry::clock::Now;

/// A reply, and how long it stays valid.
pub(super) type Answered = (Reply, Option<Lasting>);

/// Replies by the target of the request, which determines everything except the encoding.
pub(super) struct KeptReplies {
    replies: Cache<KeptReply>,
    longest: usize,
}

struct KeptReply {
    body: Vec<u8>,
    lasting: Lasting,
    /// The generation of the configuration that produced them.
    rules: Weak<Rules>,
}

impl KeptReplies {
    pub(super) fn new(limits: &Limits) -> Self {
        let limits = &limits.answer;
        Self { replies: Cache::new(limits.kept, limits.kept_bytes), longest: limits.kept_reply }
    }

    /// The cached reply to a target, if it is still valid; otherwise that of `answer`.
    pub(super) fn reply<E>(
        &self,
        target: &str,
        encoding: Encoding,
        rules: &Arc<Rules>,
        now: Now,
        answer: impl FnOnce() -> Result<Answered, E>,
    ) -> Result<Reply, E> {
        let key = Key::of(&(target, encoding));
        if let Some(kept) = self.get(&key, rules, now) {
            return Ok(Reply::new(200, encoding.media_type(), kept.body.clone()));
        }
        let (reply, lasting) = answer()?;
        if let Some(lasting) = lasting {
            self.put(&key, &reply, lasting, rules, now);
        }
        Ok(reply)
    }

    fn get(&self, key: &Key, rules: &Arc<Rules>, now: Now) -> Option<Arc<KeptReply>> {
        let is_same =
            |kept: &KeptReply| std::ptr::eq(kept.rules.as_ptr(), Arc::as_ptr(rules)) && kept.lasting.holds(now);
        self.replies.kept(key, now.monotonic, is_same)
    }

    fn put(&self, key: &Key, reply: &Reply, lasting: Lasting, rules: &Arc<Rules>, now: Now) {
        let cost = reply.body.len() + key.cost() + 256;
        if cost <= self.longest {
            let value = KeptReply { body: reply.body.clone(), lasting, rules: Arc::downgrade(rules) };
            self.replies.put(key, now.monotonic, Loaded { value, until: lasting.until, cost, shared: true });
        }
    }
}

impl fmt::Debug for KeptReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptReplies").finish_non_exhaustive()
    }
}
