//! The thread of a watch: lists the pods of its namespace, then follows their changes in consecutive exchanges.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use log::{debug, info, warn};

use super::client::Client;
use super::error::{CallError, CallFailure};
use super::objects::{self, Listed};
use super::pod_watch::PodWatch;
use super::watch_budget::WatchShare;
use crate::config::limits::WatchLimits;
use crate::http::error::printable;
use crate::kube::pod_pool::PodPool;
use crate::kube::resource_version::ResourceVersion;
use crate::kube::watch_event::WatchEvent;
use crate::parse::percent::Encoded;
use crate::telemetry::bug::caught;
use crate::telemetry::clock::Clock;
use crate::telemetry::pod_watches::WatchState;

/// The state of a watch's thread.
pub(super) struct PodWatcher {
    pub(super) watch: Arc<PodWatch>,
    pub(super) client: Arc<Client>,
    pub(super) clock: Clock,
    pub(super) limits: WatchLimits,
    pub(super) share: WatchShare,
    pool: PodPool,
    /// Whether the API server has accepted a watch.
    is_granted: bool,
    /// Whether the events after the last version are unavailable.
    must_list: bool,
    /// Whether the API server may have lost known versions, or may have later versions that the watch has missed.
    must_check: bool,
    /// Whether the last exchange was a short one.
    was_short: bool,
    /// The number of consecutive lists that timed out.
    slow_lists: u32,
    /// The number of consecutive failed steps.
    failures: u32,
    /// Whether the failure has been logged.
    is_logged: bool,
}

/// Why a step failed.
enum WatchError {
    /// The connection or the API server failed: the watch resumes from the last version.
    Interrupted(String),
    /// What follows the last version is unavailable: the watch starts over with a list.
    Lost(String),
    /// The API server returned an earlier version than a known one: either its cache lags, or the cluster has lost
    /// versions.
    Doubted(String),
    /// The newest version is earlier than known ones.
    Regressed(String),
    /// A failure that is retried only after a long time.
    Refused(WatchState, String),
}

impl PodWatcher {
    pub(super) fn new(
        watch: Arc<PodWatch>,
        client: Arc<Client>,
        clock: Clock,
        limits: WatchLimits,
        share: WatchShare,
    ) -> Self {
        Self {
            watch,
            client,
            clock,
            limits,
            share,
            pool: PodPool::default(),
            is_granted: false,
            must_list: false,
            must_check: false,
            was_short: false,
            slow_lists: 0,
            failures: 0,
            is_logged: false,
        }
    }

    /// Runs until the watch is unused or closed.
    pub(super) fn run(&mut self) {
        while !self.watch.is_over(self.clock.now().monotonic) {
            let client = self.client.clone();
            let bug = || Err(WatchError::Lost("a bug".to_owned()));
            let outcome = caught(client.counters(), "watching pods", || self.step()).unwrap_or_else(bug);
            self.watch.disconnect(self.clock.now().monotonic);
            self.watch.remove_unused(self.clock.now().monotonic);
            self.watch.publish(self.clock.now().monotonic);
            let pause = match outcome {
                Ok(()) => {
                    self.succeeded();
                    continue;
                }
                Err(WatchError::Refused(watch_state, why)) => {
                    self.give_up(watch_state, &why);
                    self.limits.retry
                }
                Err(WatchError::Interrupted(why)) => self.failed(&why),
                Err(WatchError::Lost(why)) => {
                    self.must_list = true;
                    self.failed(&why)
                }
                Err(WatchError::Doubted(why)) => {
                    (self.must_list, self.must_check) = (true, true);
                    self.failed(&why)
                }
                Err(WatchError::Regressed(why)) => {
                    self.watch.forget();
                    self.must_check = false;
                    let _ = self.account();
                    self.watch.publish(self.clock.now().monotonic);
                    self.failed(&why)
                }
            };
            self.watch.pause(pause);
        }
        debug!("stopped watching pods in namespace {}", self.watch.namespace);
    }

    /// One exchange, after a list if that is necessary.
    fn step(&mut self) -> Result<(), WatchError> {
        self.must_check |= self.watch.take_check_request() || self.watch.has_gap(self.clock.now().monotonic);
        if self.must_check {
            self.check()?;
        }
        if !self.is_granted {
            self.try_once()?;
        }
        let (from, is_behind) = match self.watch.resume().filter(|_| !self.must_list) {
            Some(known) => known,
            None => (self.list()?, true),
        };
        // The bookmark at the end of the exchange shows that the store has every change that lists have shown. An API
        // server that sends no bookmarks gets no further short exchanges.
        self.was_short = is_behind && !self.was_short;
        let wanted = if self.was_short { self.limits.first_exchange } else { self.limits.exchange };
        self.follow(from, wanted)
    }

    /// Watches a pod that cannot exist for a second: without permission to watch, a list of the whole namespace would
    /// be wasted.
    fn try_once(&mut self) -> Result<(), WatchError> {
        let (second, limits) = (Duration::from_secs(1), &self.limits);
        let path = format!("{}&fieldSelector=metadata.name%3D-", self.path("0", second));
        let called = self.client.watch(&path, limits.list_bytes, second + limits.margin, &mut |body| {
            let _ = std::io::copy(body, &mut std::io::sink());
            Ok(())
        });
        called.map_err(|error| self.watch_error(&error, "watch"))?;
        self.is_granted = true;
        Ok(())
    }

    /// The path of a watch from a version on, with a duration.
    fn path(&self, from: impl std::fmt::Display, wanted: Duration) -> String {
        format!(
            "/api/v1/namespaces/{}/pods?watch=true&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={}",
            Encoded::unreserved(&self.watch.namespace),
            wanted.as_secs()
        )
    }

    fn list(&mut self) -> Result<ResourceVersion, WatchError> {
        let (since, most) = (self.watch.newest(), self.share.free_pods());
        let namespace = &self.watch.namespace;
        let listed = objects::all_pods(&self.client, namespace, since, most, &self.limits, &mut self.pool);
        self.watch.gauges.lists.increment();
        let is_slow = listed.as_ref().is_err_and(CallError::is_timeout);
        self.slow_lists = if is_slow { self.slow_lists + 1 } else { 0 };
        if self.slow_lists >= self.limits.slow_lists {
            self.slow_lists = 0;
            let why = format!("a list of them did not end in {} s", self.limits.list_timeout.as_secs());
            return Err(WatchError::Refused(WatchState::TooLarge, why));
        }
        let Listed { items, version } = listed.map_err(|error| self.watch_error(&error, "list"))?;
        let Some(version) = version else {
            return Err(WatchError::Refused(
                WatchState::Unversioned,
                "expected a resourceVersion that is a number".into(),
            ));
        };
        if since > Some(version) {
            return Err(WatchError::Doubted(
                "the Kubernetes API answered a list of an earlier version than requested".to_owned(),
            ));
        }
        let now = self.clock.now();
        self.watch.fill(items, version, now.monotonic);
        self.watch.gauges.record_contact(now.unix_millis);
        self.must_list = false;
        self.account()?;
        Ok(version)
    }

    /// Follows changes from a version on for this duration.
    fn follow(&mut self, from: ResourceVersion, wanted: Duration) -> Result<(), WatchError> {
        let path = self.path(from, wanted);
        let (client, longest, most) = (self.client.clone(), wanted + self.limits.margin, self.limits.list_bytes);
        let began = self.clock.now().monotonic;
        let before = self.watch.gauges.events.get();
        let mut outcome = Ok(());
        let called = client.watch(&path, most, longest, &mut |body| {
            outcome = self.read(body);
            Ok(())
        });
        outcome?;
        called.map_err(|error| self.watch_error(&error, "watch"))?;
        let took = self.clock.now().monotonic.saturating_duration_since(began);
        match took < self.limits.first_exchange / 5 {
            // An API server or a proxy that ends each exchange immediately.
            true => Err(WatchError::Interrupted("the Kubernetes API ended it immediately".to_owned())),
            // Without a bookmark, a kube-apiserver whose etcd was restored from a backup cannot be distinguished from
            // one without changes: it sends no events before it reaches the version again.
            false if self.watch.gauges.events.get() == before => self.check(),
            false => Ok(()),
        }
    }

    /// Reads the newest version. The watch serves once it reaches that version; a version earlier than a known one
    /// shows that the API server has lost versions.
    fn check(&mut self) -> Result<(), WatchError> {
        let Some(known) = self.watch.newest() else {
            self.must_check = false;
            return Ok(());
        };
        let now = self.clock.now().monotonic;
        let newest = objects::newest_version(&self.client, &self.watch.namespace, &self.limits);
        match newest.map_err(|error| self.watch_error(&error, "list"))? {
            Some(newest) if newest >= known => self.watch.check(newest, now),
            _ => {
                return Err(WatchError::Regressed(
                    "the Kubernetes API answered an earlier version than a known one".to_owned(),
                ));
            }
        }
        self.must_check = false;
        Ok(())
    }

    /// Reads events until the exchange ends.
    fn read(&mut self, body: &mut dyn Read) -> Result<(), WatchError> {
        if !self.watch.connect(self.clock.now().monotonic) {
            return Err(WatchError::Interrupted("the Kubernetes API answered too late".to_owned()));
        }
        self.watch.publish(self.clock.now().monotonic);
        let mut lines = BufReader::with_capacity(self.limits.buffer, body);
        let (mut line, most) = (Vec::new(), self.limits.event as u64 + 1);
        loop {
            line.clear();
            // The exchange reports what interrupted the transfer.
            if lines.by_ref().take(most).read_until(b'\n', &mut line).is_err() || line.is_empty() {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                return Err(match line.len() as u64 == most {
                    true => WatchError::Lost(format!(
                        "expected an event of at most {} bytes, found a longer one",
                        self.limits.event
                    )),
                    false => WatchError::Interrupted("it ended within an event".to_owned()),
                });
            }
            if !line.trim_ascii().is_empty() {
                let event = WatchEvent::parse(&line).map_err(|why| self.unreadable(&why))?;
                self.apply(event)?;
            }
            // Releases the memory of a long event.
            if line.capacity() > 8 * self.limits.buffer {
                line = Vec::new();
            }
        }
    }

    fn unreadable(&self, why: &str) -> WatchError {
        debug!("cannot read an event of pods in namespace {}: {}", self.watch.namespace, printable(&why));
        WatchError::Lost("the Kubernetes API sent an event that cannot be read".to_owned())
    }

    fn apply(&mut self, event: WatchEvent) -> Result<(), WatchError> {
        self.watch.gauges.events.increment();
        let now = self.clock.now();
        let (now, unix_millis) = (now.monotonic, now.unix_millis);
        let is_bookmark = matches!(event, WatchEvent::Bookmark(_));
        let later = match event {
            WatchEvent::Applied(object, version) => {
                let pod = self.pool.pod(*object);
                self.watch.change(now, |store| store.apply(pod, version))
            }
            WatchEvent::Deleted(name, version) => self.watch.change(now, |store| store.delete(&name, version)),
            WatchEvent::Bookmark(version) => {
                self.watch.change(now, |store| store.version() == version || store.reach(version))
            }
            WatchEvent::Error(410) => {
                return Err(WatchError::Lost("the Kubernetes API answered 410: the version is too old".to_owned()));
            }
            WatchEvent::Error(code) => {
                return Err(WatchError::Lost(format!("the Kubernetes API sent an error with the code {code}")));
            }
        };
        if later == Some(false) {
            return Err(WatchError::Doubted("the Kubernetes API sent an earlier version than before".to_owned()));
        }
        self.watch.gauges.record_contact(unix_millis);
        if is_bookmark || self.watch.gauges.watch_state() != WatchState::Current {
            self.watch.publish(now);
        }
        self.account()
    }

    /// Checks that the pods fit into the budget of all watches.
    fn account(&mut self) -> Result<(), WatchError> {
        let mut size = self.watch.size();
        if !self.take(size) {
            size = self.watch.forget_left();
            self.pool.remove_unused();
            if !self.take(size) {
                return Err(self.too_large());
            }
        }
        let (pods, bytes) = size;
        self.watch.gauges.pods.set(pods as u64);
        self.watch.gauges.bytes.set((bytes + self.pool.cost()) as u64);
        Ok(())
    }

    /// Whether this number of pods and bytes, including shared parts, fits into the budget.
    fn take(&mut self, (pods, bytes): (usize, usize)) -> bool {
        self.share.take(pods, bytes + self.pool.cost())
    }

    fn give_up(&mut self, watch_state: WatchState, why: &str) {
        self.watch.drop_store();
        self.is_granted = false;
        self.pool = PodPool::default();
        self.share.take(0, 0);
        self.watch.gauges.pods.set(0);
        self.watch.gauges.bytes.set(0);
        self.watch.gauges.set_state(watch_state);
        let namespace = &self.watch.namespace;
        if !self.is_logged {
            warn!("cannot watch pods in namespace {namespace}: {why}; they are listed for each request instead");
        }
        self.is_logged = true;
    }

    fn succeeded(&mut self) {
        if self.is_logged {
            info!("watching pods in namespace {} again", self.watch.namespace);
        }
        (self.failures, self.is_logged) = (0, false);
    }

    /// Records a failed step; returns the pause before the next one.
    fn failed(&mut self, why: &str) -> Duration {
        self.failures += 1;
        let namespace = &self.watch.namespace;
        // Connections end now and then; only a lasting failure is logged as a warning.
        match self.failures == 3 && !self.is_logged {
            true => warn!("cannot watch pods in namespace {namespace}: {why}"),
            false => debug!("the watch of pods in namespace {namespace} was interrupted: {why}"),
        }
        self.is_logged |= self.failures == 3;
        let doubled = self.limits.back_off * 2_u32.saturating_pow(self.failures.min(10) - 1);
        doubled.min(self.limits.longest_back_off)
    }

    /// Classifies a failed call. The text of the cause is the same while it lasts; its details are logged here.
    fn watch_error(&self, error: &CallError, verb: &str) -> WatchError {
        debug!("cannot {verb} pods in namespace {}: {}", self.watch.namespace, error.detail());
        match &error.failure {
            CallFailure::Code(403, _) => WatchError::Refused(
                WatchState::Denied,
                format!("RBAC does not grant Metriclet the verb {verb} on pods"),
            ),
            CallFailure::Code(404 | 405 | 501, _) if verb == "watch" => {
                WatchError::Refused(WatchState::Unsupported, error.to_string())
            }
            _ if verb == "list" && error.is_too_large() => self.too_large(),
            CallFailure::Code(410, _) => WatchError::Lost(error.to_string()),
            _ if error.is_version_too_large() => WatchError::Doubted(error.to_string()),
            _ => WatchError::Interrupted(error.to_string()),
        }
    }

    fn too_large(&self) -> WatchError {
        let most = self.limits.pods;
        WatchError::Refused(
            WatchState::TooLarge,
            format!("more than {most} pods in all namespaces in use, or too many bytes"),
        )
    }
}
