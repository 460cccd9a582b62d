//! One request of the kernel on its way to a server, and the right to answer it.
//!
//! The right is taken out once: by the thread that brings the answer, or by [`watch`](crate::serving::watch) when the
//! program behind the request is being killed and must not stay in the kernel until a server feels like
//! answering. Whoever comes second finds it gone and does nothing. A call that nobody answered, because
//! its thread panicked, answers EIO when it is dropped (fuser's rule).

use crate::requests::refusal::{Operation, translate};
use crate::serving::program::Wish;
use fuser::{
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl,
    ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
};
use resmgr::client::Caller;
use resmgr::ipc::{CancelToken, Credentials};
use resmgr_sys::Errno;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A reply that can say no.
pub(crate) trait Refuse: Send + 'static {
    /// Says no.
    fn refuse(self, errno: fuser::Errno);
}

macro_rules! refuse {
    ($($reply:ty),*) => {$(
        impl Refuse for $reply {
            fn refuse(self, errno: fuser::Errno) {
                self.error(errno);
            }
        }
    )*};
}
refuse!(
    ReplyAttr,
    ReplyCreate,
    ReplyData,
    ReplyDirectory,
    ReplyEmpty,
    ReplyEntry,
    ReplyIoctl,
    ReplyLock,
    ReplyLseek,
    ReplyOpen,
    ReplyPoll,
    ReplyStatfs,
    ReplyWrite,
    ReplyXattr
);

/// The program that made the request, as the kernel names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// The thread; 0 if it has no number in this process's namespace.
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Program {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            tid: request.pid(),
            uid: request.uid(),
            gid: request.gid(),
        }
    }
}

/// A request and its reply.
#[derive(Debug)]
pub(crate) struct Call<R> {
    pub(crate) program: Program,
    operation: Operation,
    begun: Instant,
    cancel: CancelToken,
    cancelled: AtomicBool,
    reply: Mutex<Option<R>>,
}

impl<R: Refuse> Call<R> {
    pub(crate) fn new(program: Program, operation: Operation, reply: R) -> Self {
        Self {
            program,
            operation,
            begun: Instant::now(),
            cancel: CancelToken::new(),
            cancelled: AtomicBool::new(false),
            reply: Mutex::new(Some(reply)),
        }
    }

    /// For whom the client calls are made, and what ends them.
    pub(crate) fn caller(&self, pid: u32) -> Caller<'_> {
        let credentials = Credentials {
            pid,
            uid: self.program.uid,
            gid: self.program.gid,
        };
        Caller {
            credentials: Some(credentials),
            cancel: Some(&self.cancel),
            // The kernel follows links by itself.
            no_follow: true,
            ..Caller::default()
        }
    }

    fn take(&self) -> Option<R> {
        // The lock is held for a move only, which does not panic.
        self.reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Answers; false when nobody waits any more.
    pub(crate) fn answer(&self, answer: impl FnOnce(R)) -> bool {
        self.take().map(answer).is_some()
    }

    /// Says no, in the words of this operation.
    pub(crate) fn refuse(&self, errno: Errno) {
        if let Some(reply) = self.take() {
            reply.refuse(translate(self.operation, errno));
        }
    }
}

/// A call as its watcher sees it.
pub(crate) trait Pending: Send + Sync {
    /// The thread that waits.
    fn tid(&self) -> u32;
    /// Since when.
    fn begun(&self) -> Instant;
    /// Acts on what the program wants.
    fn hear(&self, wish: Wish);
}

impl<R: Refuse> Pending for Call<R> {
    fn tid(&self) -> u32 {
        self.program.tid
    }

    fn begun(&self) -> Instant {
        self.begun
    }

    fn hear(&self, wish: Wish) {
        if wish == Wish::Answer {
            return;
        }
        // Relaxed: only the watcher's thread reads and writes it.
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            self.cancel.cancel();
        }
        if wish == Wish::Gone {
            self.refuse(Errno::INTR);
        }
    }
}
