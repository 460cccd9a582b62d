//! Closing what a peer has sent. The last close of a descriptor can last as long as whoever stands behind
//! it likes (a socket that lingers, a file system that does not answer), so it happens on threads that have
//! nothing else to do.

use resmgr_sys::fork::{PerProcess, PrivateFd};
use resmgr_sys::{signal, socket};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that may hang at a time.
const MOST_THREADS: usize = 4;
/// Descriptors that wait to be closed. What is beyond stays open: better than to hang, or to wait.
const MOST_WAITING: usize = 4096;

static JANITOR: PerProcess<Janitor> = PerProcess::new();

#[derive(Debug, Default)]
struct Janitor {
    work: Mutex<Work>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    waiting: VecDeque<OwnedFd>,
    threads: usize,
    idle: usize,
}

/// Closes descriptors of a peer, soon and elsewhere.
pub(super) fn close(fds: impl IntoIterator<Item = OwnedFd>) {
    let mut fds = fds.into_iter().peekable();
    if fds.peek().is_none() {
        return;
    }
    let janitor = JANITOR.get(Janitor::default);
    let mut work = janitor.lock();
    for fd in fds {
        if work.waiting.len() < MOST_WAITING {
            work.waiting.push_back(fd);
        } else {
            tracing::error!("too many descriptors of peers wait to be closed: one stays open");
            std::mem::forget(fd);
        }
    }
    janitor.call(&mut work);
}

/// Closes the socket of a peer. Packets that nobody has read are dropped with it, and their descriptors are
/// closed then; if there are none, this is done at once.
pub(super) fn close_socket(socket: PrivateFd) {
    // From here on the peer can send nothing more.
    socket::shutdown(socket.as_fd());
    match socket::peek(socket.as_fd(), &mut [0]) {
        Ok(seen) if seen.len > 0 || seen.carries => close(socket.into_owned()),
        _ => drop(socket),
    }
}

impl Janitor {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a thread which does not hang comes for what waits.
    fn call(&'static self, work: &mut Work) {
        if work.idle > 0 {
            self.more.notify_one();
        } else if work.threads < MOST_THREADS {
            let spawned = std::thread::Builder::new()
                .name("resmgr-close".into())
                .spawn(move || self.run());
            match spawned {
                Ok(_) => work.threads += 1,
                Err(error) => tracing::warn!(%error, "no thread to close descriptors of peers"),
            }
        }
    }

    fn run(&'static self) {
        signal::block_all();
        let _helper = super::deaths::helper();
        let mut work = self.lock();
        loop {
            if let Some(fd) = work.waiting.pop_front() {
                if !work.waiting.is_empty() {
                    // This thread may hang now.
                    self.call(&mut work);
                }
                drop(work);
                drop(fd);
                work = self.lock();
                continue;
            }
            work.idle += 1;
            work = self.more.wait(work).unwrap_or_else(PoisonError::into_inner);
            work.idle -= 1;
        }
    }
}
