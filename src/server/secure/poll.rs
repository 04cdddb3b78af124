//! epoll and eventfd: which sockets are ready, and waking the thread that waits for them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// The most events that one wait brings.
const EVENTS: usize = 256;

/// Marks the events of a [`Waker`].
const WOKEN: u64 = u64::MAX;

/// The events that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Only the end of the connection.
    Nothing,
    /// Readable.
    Read,
    /// Writable.
    Write,
}

/// A descriptor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// The token that was passed to [`Poller::add`].
    pub(super) token: u64,
    /// Whether the connection is broken.
    pub(super) broken: bool,
}

/// Waits for many descriptors at once. A descriptor is forgotten when it is closed.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    waker: Waker,
}

/// Wakes the thread that waits on a [`Poller`].
#[derive(Clone, Debug)]
pub(super) struct Waker(Arc<OwnedFd>);

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let waker = Waker(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        // Edge-triggered: each write is a separate event, so the eventfd never has to be read.
        epoll::add(&epoll, &*waker.0, EventData::new_u64(WOKEN), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, waker })
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Watches a descriptor; its events carry `token`.
    pub(super) fn add(&self, descriptor: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, descriptor, EventData::new_u64(token), interest.flags())?)
    }

    /// Watches a listening socket that other threads watch too: one of them is woken.
    pub(super) fn add_shared(&self, descriptor: &impl AsFd, token: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        Ok(epoll::add(&self.epoll, descriptor, EventData::new_u64(token), flags)?)
    }

    pub(super) fn change(&self, descriptor: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, descriptor, EventData::new_u64(token), interest.flags())?)
    }

    pub(super) fn forget(&self, descriptor: &impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, descriptor)?)
    }

    /// Waits until a socket is ready, the waker is used, or the time is over.
    pub(super) fn wait(&self, longest: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        let longest = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: longest.subsec_nanos().into(),
        };
        let happened = match epoll::wait(&self.epoll, events.as_mut_slice(), Some(&longest)) {
            Ok((happened, _)) => happened,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in happened {
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                WOKEN => {}
                token => ready.push(Ready { token, broken: flags.intersects(EventFlags::ERR | EventFlags::HUP) }),
            }
        }
        Ok(())
    }
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Nothing => EventFlags::empty(),
            Self::Read => EventFlags::IN,
            Self::Write => EventFlags::OUT,
        }
    }
}

impl Waker {
    pub(super) fn wake(&self) {
        // The eventfd's counter adds up the writes, and overflows only after 2^64 - 2 of them.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn reports_ready_descriptors() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        let mut ready = Vec::new();
        poller.add(&theirs, 7, Interest::Read).unwrap();
        poller.wait(Duration::ZERO, &mut ready).unwrap();
        assert_eq!(ready, []);
        ours.write_all(b"x").unwrap();
        poller.wait(LONG, &mut ready).unwrap();
        assert_eq!(ready, [Ready { token: 7, broken: false }]);
        poller.change(&theirs, 7, Interest::Nothing).unwrap();
        poller.wait(Duration::ZERO, &mut ready).unwrap();
        assert_eq!(ready, []);
        drop(ours);
        poller.wait(LONG, &mut ready).unwrap();
        assert_eq!(ready, [Ready { token: 7, broken: true }]);
        poller.forget(&theirs).unwrap();
        poller.wait(Duration::ZERO, &mut ready).unwrap();
        assert_eq!(ready, []);
    }

    #[test]
    fn wakes() {
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        let mut ready = Vec::new();
        thread::spawn(move || waker.wake());
        poller.wait(LONG, &mut ready).unwrap();
        assert_eq!(ready, []);
        poller.wait(Duration::ZERO, &mut ready).unwrap();
    }
}
