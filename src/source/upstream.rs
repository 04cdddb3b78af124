//! A source in use: its pages, fetched on request, and shared by all requests until they expire.

mod fetched;
mod refreshed;

use std::collections::HashSet;
use std::fmt;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::SourceError;
use super::fetch::Fetcher;
use super::media;
use super::page::{self, KnownPage, Page, PageBody, WantedValues};
use super::page_request::PageRequest;
use super::pool::{Pool, Share};
use super::prometheus::{self, InstantQuery, QueryResult};
use super::refresh::RefreshTarget;
use super::shared::{Pages, Shared};
use super::state::UrlStates;
use super::wants::SourceWants;
use crate::cache::{Cache, Key, Loaded, Outcome, Wait};
use crate::config::model::{Format, Source};
use crate::http::error::Phase;
use crate::parse::duration::millis;
use crate::parse::sort::sort_by;
use crate::promql::Window;
use crate::telemetry::bug;
use crate::telemetry::counters::Fetches;

/// One source of one generation.
pub struct Upstream {
    index: usize,
    source: Source,
    /// How long a page is cached: the source's `cache`, but less if a rule is sampled more often.
    cache: Duration,
    /// Whether pages are cached: a page of a pod is not needed again once the only rule that reads it has stored its samples.
    keeps_pages: bool,
    fetcher: Fetcher,
    wants: Mutex<SourceWants>,
    known: KnownPage,
    states: Arc<Mutex<UrlStates>>,
    pages: Arc<Pages>,
    answers: Cache<Result<Arc<QueryResult>, SourceError>>,
    shared: Arc<Shared>,
    counters: Arc<Fetches>,
}

/// A cost that no cache has room for.
const UNCACHED: usize = usize::MAX;

impl Upstream {
    /// The source at `index` in its configuration, with the values that its rules need.
    /// `is_shared`: whether a page of a pod is read more than once, by several rules or for several sets of pods.
    /// `states` are those of the same source before a reload, if there are any.
    pub fn new(
        index: usize,
        source: Source,
        fixed: Vec<WantedValues>,
        is_shared: bool,
        pages: Arc<Pages>,
        shared: Arc<Shared>,
        states: Option<Arc<Mutex<UrlStates>>>,
    ) -> Self {
        let windows: Vec<Window> = fixed.iter().flat_map(|want| want.query.windows()).collect();
        let keeps_pages = is_shared || !source.is_of_pods() || windows.is_empty();
        let cache = Window::shortest(&windows)
            .map_or(source.cache, |window| source.cache.min(shared.limits.sampling.interval_for(window.reach()) / 2));
        let (resolver, reserved) = (shared.resolver.clone(), shared.reserved.clone());
        let fetcher = Fetcher::new(&source, &shared.limits, resolver, reserved, &shared.kept);
        let counters = shared.counters.fetches(&source.name);
        let wants = Mutex::new(SourceWants::new(fixed));
        let answers = Cache::new(shared.limits.prometheus.cached, shared.limits.prometheus.cached_bytes);
        let states = states.unwrap_or_else(|| Arc::new(Mutex::new(UrlStates::new(shared.limits.cache.states))));
        let known = KnownPage::new(shared.known.clone(), shared.limits.page.all_known);
        Self { index, source, cache, keeps_pages, fetcher, wants, known, states, pages, answers, shared, counters }
    }

    /// The states of its URLs, to keep over a reload.
    pub(crate) fn shared_states(&self) -> Arc<Mutex<UrlStates>> {
        self.states.clone()
    }

    /// The earliest time at which a page expires; `None` for one that was not fetched.
    pub(crate) fn fresh_until(&self, page: &Page) -> Option<Instant> {
        Some(page.taken? + page.age + self.cache)
    }

    /// Its configuration.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Its counters.
    pub(crate) fn fetches(&self) -> &Fetches {
        &self.counters
    }

    /// Its index in the configuration, by which waiting requests are counted.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether a page fetched in the background at this time, in Unix milliseconds, is older than `max_age`.
    pub fn is_stale(&self, at: i64, max_age: Duration) -> bool {
        self.source.refresh.is_some() && self.shared.clock.now().unix_millis.saturating_sub(at) > millis(max_age)
    }

    /// The default of `maxAge`.
    pub fn max_age(&self) -> Duration {
        self.shared.limits.freshness.max_age
    }

    /// The wanted values of a metric that is requested by name; they are remembered, so that one fetch serves all recent
    /// requests. `number`: whether a bare number can only be this metric.
    pub fn want_named(&self, name: &str, number: bool) -> WantedValues {
        self.wants().named(name, number, self.shared.limits.page.requested_names)
    }

    /// The page of this request, read for `want`: from the cache, from another request's fetch, or by a fetch.
    ///
    /// # Errors
    /// Why there is no page; [`SourceError::WouldWait`] if a fetch is needed.
    pub fn page(
        self: &Arc<Self>,
        request: &PageRequest,
        want: &WantedValues,
        wait: Wait,
    ) -> Result<Arc<Page>, SourceError> {
        let covers = |outcome: &Result<Arc<Page>, SourceError>| {
            outcome.as_ref().map_or(true, |page| page.found(want.id).is_some())
        };
        let key = Key::of(&(self.index, request));
        let now = || self.shared.clock.now().monotonic;
        let get = |wait| self.pages.get(&key, now(), wait, covers, || self.load(&key, request, wait));
        self.settled(match self.source.refresh {
            None => get(wait),
            Some(interval) => self.refreshed(RefreshTarget::Page(request.clone()), interval, wait, || get(Wait::No))?,
        })
    }

    /// The server's result of a query: from the cache, from another request's query, or by a query.
    ///
    /// # Errors
    /// Why there is no result; [`SourceError::WouldWait`] if a fetch is needed.
    pub fn query(self: &Arc<Self>, query: &InstantQuery, wait: Wait) -> Result<Arc<QueryResult>, SourceError> {
        let key = Key::of(query);
        let now = || self.shared.clock.now().monotonic;
        let get = |wait| self.answers.get(&key, now(), wait, |_| true, || self.load_query(query, wait));
        self.settled(match self.source.refresh {
            None => get(wait),
            Some(interval) => self.refreshed(RefreshTarget::Query(query.clone()), interval, wait, || get(Wait::No))?,
        })
    }

    fn load_query(&self, query: &InstantQuery, wait: Wait) -> Loaded<Result<Arc<QueryResult>, SourceError>> {
        let (time, since) = (self.time(wait), self.shared.clock.now().monotonic);
        let result = self.run_query(query, time);
        let cut_by_caller = self.is_cut_by_caller(&result, time);
        // Each query has its own state, because an error of one says nothing about the others.
        let key = format!("{}#{}", query.url, query.promql);
        let described = result.as_ref().map(|result| {
            let fetched = self.fetched(since, result.bytes, result.summary().samples as u64);
            (fetched, || result.summary().to_string())
        });
        self.report(&key, described, cut_by_caller);
        self.loaded(result, QueryResult::cost, query.url.len() + query.promql.len(), time)
    }

    /// The pages of all `urls`, in their order: collects [`Upstream::each_page`]. `None` if a fetch is needed and the caller
    /// does not wait.
    pub fn pages(
        self: &Arc<Self>,
        urls: &[String],
        want: &WantedValues,
        wait: Wait,
    ) -> Option<Vec<Result<Arc<Page>, SourceError>>> {
        let mut pages: Vec<_> = urls.iter().map(|_| Err(SourceError::Unreached)).collect();
        let mut put = |at: usize, page| {
            if let Some(place) = pages.get_mut(at) {
                *place = page;
            }
        };
        self.each_page(urls, want, wait, &mut put).then_some(pages)
    }

    /// Calls `found` with the position and the page of each of `urls` as they arrive: fetched concurrently, as many at a
    /// time as there are threads. A page that has not arrived by the caller's deadline is [`SourceError::Unreached`].
    /// If a fetch is needed and the caller does not wait, only cached pages are passed, and the result is false.
    pub fn each_page(
        self: &Arc<Self>,
        urls: &[String],
        want: &WantedValues,
        wait: Wait,
        found: &mut dyn FnMut(usize, Result<Arc<Page>, SourceError>),
    ) -> bool {
        let mut wanted: Vec<(bool, usize, &String)> = Vec::new();
        for (at, url) in urls.iter().enumerate() {
            match self.page(&PageRequest::get(url), want, Wait::No) {
                // Targets that failed the last time come last and wait in their own queue, so that many hanging ones do
                // not block the others.
                Err(SourceError::WouldWait) => wanted.push((self.has_failed(url), at, url)),
                page => found(at, page),
            }
        }
        if wanted.is_empty() {
            return true;
        }
        let Wait::Until(deadline) = wait else { return false };
        sort_by(&mut wanted, |(a, ..), (b, ..)| a.cmp(b));
        let (sender, arrived) = mpsc::channel();
        if let Ok(pool) = self.shared.pool.get_or_try_init(|| Pool::start(&self.shared.limits)) {
            for &(failed, at, url) in &wanted {
                let share = if failed { Share::Failing } else { Share::Source(self.index) };
                let (upstream, url, want, sender) = (self.clone(), PageRequest::get(url), want.clone(), sender.clone());
                let fetch = move || {
                    if upstream.shared.clock.now().monotonic < deadline {
                        let page = || upstream.page(&url, &want, Wait::Until(deadline));
                        let page = bug::caught(&upstream.shared.counters, "fetching a page", page);
                        // Sending fails after the deadline.
                        let _ = sender.send((at, page.unwrap_or(Err(SourceError::Bug))));
                    }
                };
                // A job that finds no room is dropped.
                pool.submit(share, Box::new(fetch));
            }
        }
        drop(sender);
        let mut missing: HashSet<usize> = wanted.into_iter().map(|(_, at, _)| at).collect();
        // Some time is reserved for the rest of the request.
        let left = || deadline.saturating_duration_since(self.shared.clock.now().monotonic);
        let reserve = left() / 10;
        while let Ok((at, page)) = arrived.recv_timeout(left().saturating_sub(reserve)) {
            missing.remove(&at);
            found(at, page);
        }
        missing.into_iter().for_each(|at| found(at, Err(SourceError::Unreached)));
        true
    }

    /// Whether the last fetch of this URL failed.
    fn has_failed(&self, url: &str) -> bool {
        self.pages.last(&Key::of(&(self.index, PageRequest::get(url)))).is_some_and(|page| page.is_err())
    }

    fn load(&self, key: &Key, request: &PageRequest, wait: Wait) -> Loaded<Result<Arc<Page>, SourceError>> {
        let (time, since) = (self.time(wait), self.shared.clock.now().monotonic);
        let wants = self.wants().all();
        let fetched = self.fetch(request, &wants, time);
        let cut_by_caller = self.is_cut_by_caller(&fetched, time);
        let key_text = request.key();
        let described =
            fetched.as_ref().map(|page| (self.fetched(since, page.bytes, page.samples), || page.summary().to_string()));
        self.report(&key_text, described, cut_by_caller);
        if let Ok(page) = &fetched {
            self.note_alternation(&key_text, page);
        }
        let cost = |page: &Page| if self.keeps_pages { page.cost() } else { UNCACHED };
        let mut loaded = self.loaded(fetched, cost, request.cost(), time);
        let is_unconnected =
            |outcome: &Result<Arc<Page>, SourceError>| outcome.as_ref().is_err_and(SourceError::is_unconnected);
        // Some of many targets are down, and each attempt to connect occupies a thread that others need.
        if self.source.is_open()
            && is_unconnected(&loaded.value)
            && self.pages.last(key).is_some_and(|it| is_unconnected(&it))
        {
            loaded.until = self.shared.clock.now().monotonic + self.shared.limits.cache.skip;
        }
        loaded
    }

    /// Counts a request that has an outcome; requests minus fetches is the number that the cache answered.
    fn settled<T>(&self, outcome: Outcome<Result<Arc<T>, SourceError>>) -> Result<Arc<T>, SourceError> {
        match outcome {
            Outcome::Value(outcome) => {
                self.counters.requests.increment();
                (*outcome).clone()
            }
            Outcome::WouldWait => Err(SourceError::WouldWait),
            Outcome::TimedOut => Err(SourceError::Busy),
            Outcome::Panicked => Err(SourceError::Bug),
        }
    }

    /// The time for a fetch: the source's `timeout`, or less if the caller's deadline is earlier.
    fn time(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Until(deadline) => {
                self.source.timeout.min(deadline.saturating_duration_since(self.shared.clock.now().monotonic))
            }
            Wait::No => self.source.timeout,
        }
    }

    fn loaded<T>(
        &self,
        fetched: Result<T, SourceError>,
        cost: impl Fn(&T) -> usize,
        key: usize,
        time: Duration,
    ) -> Loaded<Result<Arc<T>, SourceError>> {
        let limits = &self.shared.limits;
        let (ttl, failure_ttl) = match self.source.refresh {
            None => (self.cache, self.cache.min(limits.cache.failure_ttl)),
            // Kept until the next page arrives, even if one fetch fails.
            Some(interval) => (2 * interval + self.source.timeout, limits.refresh.retry + self.source.timeout),
        };
        let (ttl, cost) = match &fetched {
            Ok(value) => (ttl, cost(value).saturating_add(key)),
            Err(_) => (failure_ttl, key),
        };
        let cut_by_caller = self.is_cut_by_caller(&fetched, time);
        let until = self.shared.clock.now().monotonic + ttl;
        Loaded { value: fetched.map(Arc::new), until, cost, shared: !cut_by_caller }
    }

    fn run_query(&self, query: &InstantQuery, time: Duration) -> Result<QueryResult, SourceError> {
        self.fetcher.query(&query.url, &query.form(), time, |head, body| match head.refused {
            Some(status) => Err(prometheus::refused(status, body)),
            None => prometheus::read(body, query, self.shared.clock.now().unix_millis, &self.shared.limits),
        })
    }

    fn fetch(&self, request: &PageRequest, wants: &[WantedValues], time: Duration) -> Result<Page, SourceError> {
        let now = self.shared.clock.now();
        let limits = &self.shared.limits;
        let deadline = now.monotonic + time;
        self.fetcher.page(request, media::accept(self.source.format), time, |head, body| {
            let format = media::format(self.source.format, head.content_type.as_deref())?;
            let age = head.age_at(now.unix_millis, limits.freshness.max_future);
            // `maxBytes` does not apply to YAML and CSV that only the server's Content-Type declares.
            let is_surprise = self.source.format.is_none() && matches!(format, Some(Format::Yaml | Format::Csv));
            let max_bytes = self.source.max_bytes.filter(|_| !is_surprise);
            let whole = page::bytes_held(format, max_bytes, limits);
            let large = whole.filter(|bytes| *bytes > limits.page.json as u64);
            let left = deadline.saturating_duration_since(self.shared.clock.now().monotonic);
            let large = large.map(|bytes| head.length.map_or(bytes, |length| bytes.min(length)));
            let reservation =
                large.map(|bytes| self.shared.large_pages.reserve(bytes, left).ok_or(SourceError::NoMemory));
            let _reservation = reservation.transpose()?;
            let known = self.source.is_of_pods().then_some(&self.known);
            let mut body = PageBody { reader: body, delimited: head.delimited, max_bytes, known };
            let at = now.unix_millis.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            let page = Page::read(&mut body, format, wants, at, limits).map_err(SourceError::from);
            let explained = |error| media::explained(error, self.source.format, head.content_type.as_deref());
            let mut page = page.map_err(explained)?;
            page.taken = now.monotonic.checked_sub(age);
            page.age = age;
            Ok(page)
        })
    }

    /// Whether a request's own deadline, rather than a limit of the fetch, ended it: there was less `time` than the
    /// source's timeout, and less than the phase in which it ended may take.
    fn is_cut_by_caller<T>(&self, fetched: &Result<T, SourceError>, time: Duration) -> bool {
        let limits = &self.shared.limits;
        let longest = match fetched.as_ref().err().and_then(SourceError::timeout_phase) {
            None => return false,
            Some(Phase::Resolve) => limits.resolve.timeout,
            Some(Phase::Connect | Phase::Handshake) => {
                limits.fetch.connecting(self.source.is_https(), self.source.proxy.is_some())
            }
            Some(Phase::Token) => limits.oauth2.timeout,
            Some(Phase::Response | Phase::Body) => self.source.timeout,
        };
        time < self.source.timeout.min(longest)
    }

    /// How many pages are cached.
    #[cfg(test)]
    pub(crate) fn cached(&self) -> usize {
        self.pages.len()
    }

    /// The state of each of its URLs.
    pub fn states(&self) -> MutexGuard<'_, UrlStates> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self) -> MutexGuard<'_, SourceWants> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("index", &self.index)
            .field("source", &self.source.name)
            .finish_non_exhaustive()
    }
}
