//! Lists the HPAs of the cluster while the status page is open, in a separate thread, so that a slow Kubernetes API delays
//! the page by at most a second, and no metrics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::hpa::{HpaStatus, ListedHpa};
use crate::config::limits::Limits;
use crate::kube_api::client::Client;
use crate::kube_api::error::{CallError, CallFailure};
use crate::kube_api::objects;
use crate::parse::sort::sort_by;
use crate::telemetry::clock::Now;

/// The message if RBAC does not allow the list.
const NOT_GRANTED: &str = "RBAC does not grant Metriclet the verb list on horizontalpodautoscalers: add the component \
                           manifests/components/hpa-reader, or set rbac.hpaReader in the chart";

/// Lists HPAs on demand.
#[derive(Debug)]
pub(super) struct HpaLister {
    client: Arc<Client>,
    limits: Limits,
    listing: Mutex<Listing>,
    ended: Condvar,
}

/// The last list of HPAs, and the last error.
#[derive(Clone, Debug, Default)]
pub(super) struct HpaList {
    /// The last list that succeeded.
    pub(super) last: Option<Arc<ListedHpas>>,
    /// The error of the last request, if it failed.
    pub(super) problem: Option<String>,
}

/// The HPAs of one list.
#[derive(Debug)]
pub(super) struct ListedHpas {
    pub(super) at: Now,
    pub(super) hpas: Vec<HpaStatus>,
    /// The number of HPAs that are left out.
    pub(super) left_out: usize,
}

#[derive(Debug, Default)]
struct Listing {
    list: HpaList,
    /// When the last list was requested.
    began: Option<Instant>,
    is_running: bool,
}

impl HpaLister {
    /// Makes no request yet.
    pub(super) fn new(client: Arc<Client>, limits: &Limits) -> Self {
        Self { client, limits: limits.clone(), listing: Mutex::default(), ended: Condvar::new() }
    }

    /// The last list, unless it is too old. If it is older than the interval, this requests a new list and waits for it for a
    /// limited time.
    pub(super) fn list(self: &Arc<Self>, now: Now) -> HpaList {
        let limits = &self.limits.status;
        let mut listing = self.lock();
        let is_recent = |began| now.monotonic.saturating_duration_since(began) < limits.hpa_interval;
        if !listing.is_running && !listing.began.is_some_and(is_recent) {
            let lister = self.clone();
            listing.began = Some(now.monotonic);
            listing.is_running = thread::Builder::new().name("hpas".to_owned()).spawn(move || lister.run(now)).is_ok();
        }
        let waited = self.ended.wait_timeout_while(listing, limits.hpa_wait, |listing| listing.is_running);
        let (listing, _) = waited.unwrap_or_else(PoisonError::into_inner);
        listing.list.clone().within(limits.hpa_age, now)
    }

    fn run(&self, now: Now) {
        let list = catch_unwind(AssertUnwindSafe(|| self.request(now)));
        let mut listing = self.lock();
        listing.is_running = false;
        if let Ok(listed) = list {
            listing.list.update(listed);
        }
        drop(listing);
        self.ended.notify_all();
    }

    fn request(&self, now: Now) -> Result<ListedHpas, CallError> {
        let deadline = Instant::now() + self.limits.status.hpa_timeout;
        let listed = objects::hpas::<ListedHpa>(&self.client, &self.limits, deadline);
        let mut hpas: Vec<HpaStatus> = listed?.into_iter().filter_map(|ListedHpa(hpa)| hpa.map(|hpa| *hpa)).collect();
        let left_out = hpas.len().saturating_sub(self.limits.status.hpas_kept);
        if left_out > 0 {
            sort_by(&mut hpas, |a, b| b.is_failing().cmp(&a.is_failing()));
            hpas.truncate(self.limits.status.hpas_kept);
            hpas.shrink_to_fit();
        }
        Ok(ListedHpas { at: now, hpas, left_out })
    }

    fn lock(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HpaList {
    /// Stores the result of a request. After an error, the previous list stays, unless the error is a denied permission.
    fn update(&mut self, listed: Result<ListedHpas, CallError>) {
        match listed {
            Ok(listed) => *self = Self { last: Some(Arc::new(listed)), problem: None },
            Err(error) => {
                if matches!(error.failure, CallFailure::Code(403, _)) {
                    self.last = None;
                }
                self.problem = Some(why(&error));
            }
        }
    }

    /// Removes a list that is older than `age`.
    fn within(mut self, age: Duration, now: Now) -> Self {
        self.last = self.last.filter(|listed| now.monotonic.saturating_duration_since(listed.at.monotonic) <= age);
        self
    }
}

fn why(error: &CallError) -> String {
    match error.failure {
        CallFailure::Code(403, _) => NOT_GRANTED.to_owned(),
        _ => format!("cannot list horizontalpodautoscalers: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_stays_beside_an_error_for_a_while() {
        let start = Now { monotonic: Instant::now(), unix_millis: 0 };
        let after = |seconds| Now { monotonic: start.monotonic + Duration::from_secs(seconds), ..start };
        let good = |at| Ok(ListedHpas { at, hpas: Vec::new(), left_out: 7 });
        let fail = |failure| Err(CallError { call: "list", to: "https://kubernetes".to_owned(), failure });
        let age = Duration::from_secs(300);
        let shown = |list: &HpaList, now| {
            let HpaList { last, problem } = list.clone().within(age, now);
            (last.map(|listed| listed.left_out), problem.is_some())
        };
        let mut list = HpaList::default();
        assert_eq!(shown(&list, start), (None, false));
        list.update(fail(CallFailure::Timeout));
        assert_eq!(shown(&list, start), (None, true));
        list.update(good(start));
        assert_eq!(shown(&list, after(15)), (Some(7), false));
        list.update(fail(CallFailure::Timeout));
        assert_eq!([300, 301].map(|age| shown(&list, after(age))), [(Some(7), true), (None, true)]);
        list.update(good(after(301)));
        assert_eq!(shown(&list, after(302)), (Some(7), false));
        list.update(fail(CallFailure::Code(403, String::new())));
        assert_eq!(shown(&list, after(302)), (None, true), "the right was withdrawn");
        assert_eq!(list.problem.as_deref(), Some(NOT_GRANTED));
    }
}
