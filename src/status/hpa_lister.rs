//! Lists the HPAs of the cluster while somebody looks at the status page: in a thread of its own, so that a slow Kubernetes API
//! delays the page by a second at most, and no metric at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::hpa::{HpaStatus, ListedHpa};
use crate::config::limits::Limits;
use crate::kube::meta::Time;
use crate::kube_api::client::Client;
use crate::kube_api::error::{CallError, CallFailure};
use crate::kube_api::objects;
use crate::parse::sort::sort_by;
use crate::telemetry::clock::Now;

/// What to do where the list is not granted.
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

/// A list.
#[derive(Debug)]
pub(super) struct HpaList {
    pub(super) at: Time,
    /// Or why there is none.
    pub(super) hpas: Result<Vec<HpaStatus>, String>,
    /// How many are left out.
    pub(super) left_out: usize,
}

#[derive(Debug, Default)]
struct Listing {
    last: Option<Arc<HpaList>>,
    /// When the last list was requested.
    began: Option<Instant>,
    is_running: bool,
}

impl HpaLister {
    /// Requests nothing yet.
    pub(super) fn new(client: Arc<Client>, limits: &Limits) -> Self {
        Self { client, limits: limits.clone(), listing: Mutex::default(), ended: Condvar::new() }
    }

    /// The last list. If it is older than the interval, a new one is requested, and waited for, though not for long.
    pub(super) fn list(self: &Arc<Self>, now: Now) -> Option<Arc<HpaList>> {
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
        listing.last.clone()
    }

    fn run(&self, now: Now) {
        let list = catch_unwind(AssertUnwindSafe(|| self.request(now)));
        let mut listing = self.lock();
        listing.is_running = false;
        listing.last = list.ok().map(Arc::new).or(listing.last.take());
        drop(listing);
        self.ended.notify_all();
    }

    fn request(&self, now: Now) -> HpaList {
        let deadline = Instant::now() + self.limits.objects.timeout;
        let listed = objects::hpas::<ListedHpa>(&self.client, &self.limits, deadline);
        let at = Time::from_millis(now.unix_millis);
        match listed {
            Ok(listed) => {
                let mut hpas: Vec<HpaStatus> =
                    listed.into_iter().filter_map(|ListedHpa(hpa)| hpa.map(|hpa| *hpa)).collect();
                let left_out = hpas.len().saturating_sub(self.limits.status.hpas_kept);
                if left_out > 0 {
                    sort_by(&mut hpas, |a, b| b.is_failing().cmp(&a.is_failing()));
                    hpas.truncate(self.limits.status.hpas_kept);
                    hpas.shrink_to_fit();
                }
                HpaList { at, hpas: Ok(hpas), left_out }
            }
            Err(error) => HpaList { at, hpas: Err(why(&error)), left_out: 0 },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn why(error: &CallError) -> String {
    match error.failure {
        CallFailure::Code(403, _) => NOT_GRANTED.to_owned(),
        _ => format!("cannot list horizontalpodautoscalers: {error}"),
    }
}
