//! Waiting for a name, so that the order in which programs start does not matter.
//!
//! Every namespace in which names are looked up is watched: whoever serves it tells when the path leads
//! elsewhere than before, and its successor tells how things stand then. Nothing is asked again by the clock.
//! A namespace that nobody serves yet (the system's, for a user's program that starts before it) is found when
//! something changes in its directory, or beside it while there is none: see [`Arrivals`].

use super::arrivals::Arrivals;
use super::{pathname, refresh};
use crate::resource::lock;
use crate::{Errno, Result};
use resmgr_namespace::{FileType, Pathname, Session, Standing, Watch};
use resmgr_sys::epoll::{Epoll, EventFd, Ready};
use resmgr_sys::signal;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Waits of one process that are futures: each has a thread.
const MOST_WAITS: usize = 256;
/// How long the next server of a namespace is looked for before a deadline is looked at again.
const STEP: Duration = Duration::from_secs(1);

/// Tokens of what a wait looks at.
const STOP: u64 = 0;
const ARRIVALS: u64 = 1;
const FIRST_WATCH: u64 = 2;

static WAITS: AtomicUsize = AtomicUsize::new(0);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// A server would be asked for the path, or it is the parent of names. Below a directory that a server
    /// answers for, every path is present: what is really there, only that server knows.
    Present,
    /// Nothing of that.
    Absent,
    /// The path leads elsewhere than when the wait began: other servers, or others first.
    Changed,
}

/// Waits until a path is there, is gone, or leads elsewhere; returns at once if it already is as wanted. It
/// survives the end of whoever serves the names.
///
/// # Errors
/// - `ETIMEDOUT`: `deadline` passed.
/// - `EINTR`: a signal handler ran on this thread.
/// - `ENOENT`, `EINVAL`, `ENAMETOOLONG`: it is no path.
/// - `ENFILE`: too many paths are watched.
/// - `EMFILE`: no descriptor is left, or no inotify instance, which it takes while the system has no namespace.
#[doc(alias = "waitfor")]
pub fn wait(path: impl AsRef<Path>, until: Until, deadline: Option<Instant>) -> Result<()> {
    Waiting::begin(&pathname(path.as_ref())?, until, deadline)?.run(deadline, None)
}

/// The same as a future, for any executor. It waits from now on, whether it is polled or not.
///
/// # Errors
/// - `EAGAIN`: 256 of them wait already in this process, or there is no thread to be had.
/// - Others as [`wait`]'s, from here or from the future.
///
/// # Cancel safety
/// Dropping the future ends the wait; nothing else depends on it.
pub fn wait_async(path: impl AsRef<Path>, until: Until) -> Result<Wait> {
    let path = pathname(path.as_ref())?;
    let (stop, stopped) = {
        let bell = EventFd::new()?;
        (bell.try_clone()?, bell)
    };
    let place = Place::take()?;
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let work = move || {
        signal::block_all();
        let result = Waiting::begin(&path, until, None)
            .and_then(|mut waiting| waiting.run(None, Some(&stopped)));
        drop(place);
        theirs.finish(result);
    };
    std::thread::Builder::new()
        .name("resmgr-wait".into())
        .spawn(work)?;
    Ok(Wait { shared, stop })
}

/// A wait for a name: see [`wait_async`].
#[derive(Debug)]
#[must_use = "dropping it ends the wait"]
pub struct Wait {
    shared: Arc<Shared>,
    stop: EventFd,
}

impl Future for Wait {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.shared.state);
        if let Some(result) = state.result {
            return Poll::Ready(result);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.stop.ring();
    }
}

/// One of [`MOST_WAITS`].
struct Place;

impl Place {
    fn take() -> Result<Self> {
        let place = Self;
        if WAITS.fetch_add(1, Ordering::Relaxed) < MOST_WAITS {
            Ok(place)
        } else {
            Err(Errno::AGAIN)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WAITS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    result: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Shared {
    fn finish(&self, result: Result<()>) {
        let waker = {
            let mut state = lock(&self.state);
            state.result = Some(result);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A path that is watched in every namespace.
struct Waiting {
    path: Pathname,
    watches: Vec<(&'static Session, Watch)>,
    until: Until,
    first: Vec<Standing>,
    /// While there are namespaces that nobody serves.
    arrivals: Option<Arrivals>,
}

impl Waiting {
    fn begin(path: &Pathname, until: Until, deadline: Option<Instant>) -> Result<Self> {
        let mut waiting = Self {
            path: path.clone(),
            watches: Vec::new(),
            until,
            first: Vec::new(),
            arrivals: Arrivals::expected(&refresh()?)?,
        };
        // Once more: one may have come before anybody looked for it.
        for session in &*refresh()? {
            let standing = waiting.watch(session, deadline)?;
            waiting.first.push(standing);
        }
        Ok(waiting)
    }

    fn watch(&mut self, session: &'static Session, deadline: Option<Instant>) -> Result<Standing> {
        let watch = patiently(deadline, |step| {
            session.watch(&self.path, FileType::ANY, step)
        })?;
        let standing = watch.standing();
        self.watches.push((session, watch));
        Ok(standing)
    }

    /// Waits; `ECANCELED` when `stop` rings.
    fn run(&mut self, deadline: Option<Instant>, stop: Option<&EventFd>) -> Result<()> {
        let mut events = Vec::new();
        while !self.is_over() {
            // Anew each time: the descriptors change with the servers.
            let epoll = Epoll::new()?;
            for (token, (_, watch)) in (FIRST_WATCH..).zip(&self.watches) {
                epoll.add(watch, token, Ready::IN)?;
            }
            if let Some(stop) = stop {
                epoll.add(stop, STOP, Ready::IN)?;
            }
            if let Some(arrivals) = &self.arrivals {
                epoll.add(arrivals, ARRIVALS, Ready::IN)?;
            }
            epoll.wait(deadline, &mut events)?;
            if events.is_empty() && deadline.is_some_and(|end| end <= Instant::now()) {
                return Err(Errno::TIMEDOUT);
            }
            if events.iter().any(|event| event.token == STOP) {
                return Err(Errno::CANCELED);
            }
            if events.iter().any(|event| event.token == ARRIVALS) {
                self.take_arrivals(deadline)?;
            }
            for (_, watch) in &mut self.watches {
                patiently(deadline, |step| watch.refresh(step))?;
            }
        }
        Ok(())
    }

    /// Watches the namespaces that are served by now. In those the path was absent when the wait began.
    fn take_arrivals(&mut self, deadline: Option<Instant>) -> Result<()> {
        if let Some(arrivals) = &self.arrivals {
            arrivals.renew();
        }
        let served = refresh()?;
        for session in &*served {
            let is_known = |(known, _): &(&Session, Watch)| std::ptr::eq(*known, *session);
            if !self.watches.iter().any(is_known) {
                let standing = self.watch(session, deadline)?;
                self.first.push(Standing {
                    present: false,
                    ..standing
                });
            }
        }
        self.arrivals = self.arrivals.take().and_then(|all| all.without(&served));
        Ok(())
    }

    fn is_over(&self) -> bool {
        let mut now = self.watches.iter().map(|(_, watch)| watch.standing());
        match self.until {
            Until::Present => now.any(|one| one.present),
            Until::Absent => !now.any(|one| one.present),
            Until::Changed => !now.eq(self.first.iter().copied()),
        }
    }
}

/// Tries until the deadline what itself gives up earlier.
fn patiently<T>(
    deadline: Option<Instant>,
    mut attempt: impl FnMut(Instant) -> Result<T>,
) -> Result<T> {
    loop {
        let step = Instant::now() + STEP;
        let step = deadline.map_or(step, |end| end.min(step));
        match attempt(step) {
            Err(Errno::TIMEDOUT) if deadline.is_none_or(|end| end > Instant::now()) => {}
            done => return done,
        }
    }
}
