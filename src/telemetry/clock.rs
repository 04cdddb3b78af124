//! Time as an argument, so that tests and fuzzing can set it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::parse::duration::millis;

/// One moment on both clocks: the monotonic one for deadlines and ages, the other for timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never decreases.
    pub monotonic: Instant,
    /// Milliseconds since 1970 UTC.
    pub unix_millis: i64,
}

/// A clock.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Function(Arc<dyn Fn() -> Now + Send + Sync>),
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that returns the times of `time`.
    pub fn from_fn(time: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Source::Function(Arc::new(time)))
    }

    /// The current time.
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System => Now { monotonic: Instant::now(), unix_millis: unix_millis(SystemTime::now()) },
            Source::Function(time) => time(),
        }
    }

    /// The current time of the monotonic clock alone.
    pub(crate) fn monotonic(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Function(time) => time().monotonic,
        }
    }
}

/// Unix milliseconds as if the clock had not been set since this value was created: for comparisons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyClock(Now);

impl SteadyClock {
    /// Starts with the current time.
    pub(crate) fn new(now: Now) -> Self {
        Self(now)
    }

    /// The Unix milliseconds of a moment.
    pub(crate) fn at(&self, moment: Instant) -> i64 {
        let Self(Now { monotonic, unix_millis }) = *self;
        let after = millis(moment.saturating_duration_since(monotonic));
        unix_millis.saturating_add(after).saturating_sub(millis(monotonic.saturating_duration_since(moment)))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The last second of the year 9999, the maximum in HTTP.
const LAST_SECOND: u64 = 253_402_300_799;

/// A date in HTTP's format (RFC 9110 §5.6.7).
pub(crate) fn http_date(unix_millis: i64) -> String {
    let second = u64::try_from(unix_millis.div_euclid(1_000)).unwrap_or_default().min(LAST_SECOND);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second))
}

/// Milliseconds since 1970 UTC, clamped to the time from 1970 to 292 million years later.
fn unix_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    }
}
