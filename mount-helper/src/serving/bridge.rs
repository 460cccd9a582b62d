//! Everything that a request needs on its way, and which thread it goes on.
//!
//! A request that talks to a server or to the namespace has two ways. **Inline**: on the thread that
//! received it from the kernel, which saves a hand-over and, for writes, a copy
//! (a 4 KiB read on one CPU, interleaved: 9.5 µs inline, 13.5 µs by a worker; fuser alone 4.5, the message alone 3.1).
//! It is taken only while at least one other receiver stays free, and only for a server that keeps nobody
//! else waiting: so one stopped server takes at most one receiver, and never the last. **By a worker** of the
//! [`pool`](crate::serving::pool) otherwise. So no receiver waits where its wait could hold up the mount.

use crate::mounting::options::Options;
use crate::requests::locks::Owners;
use crate::requests::polls::Polls;
use crate::serving::call::{Call, Pending, Refuse};
use crate::serving::pool::{Bound, Pool, Scratch};
use crate::serving::program::Process;
use crate::serving::traffic::{Key, Passage, Traffic};
use crate::serving::watch::Watch;
use crate::state::closing::Closing;
use crate::state::handle::Handles;
use crate::state::lines::{Lines, Server};
use crate::state::names::Names;
use crate::state::node::Nodes;
use resmgr::client::Caller;
use resmgr_sys::{Errno, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads that read from the kernel. All but one may be waiting inline.
pub(crate) const RECEIVERS: usize = 2;

/// What all threads of a mount share.
pub(crate) struct Shared {
    /// Most bytes of one read or write.
    pub(crate) transfer: u32,
    /// Where absolute links lead, if that is to stay inside: what the mount shows.
    pub(crate) inner: Option<PathBuf>,
    pub(crate) names: Names,
    pub(crate) nodes: Nodes,
    pub(crate) handles: Handles,
    pub(crate) closing: Closing,
    pub(crate) pool: Pool,
    pub(crate) traffic: Traffic,
    lines: Lines,
    /// Who made the last calls that do not belong to an open file.
    pub(crate) process: Process,
    /// Who has had locks.
    pub(crate) owners: Owners,
    pub(crate) polls: Polls,
    watch: Watch,
    /// Buffers for what is read inline. The last one used is the first to be used again, by whichever
    /// receiver: one buffer for each would be more than the cache holds.
    scratches: Mutex<Vec<Scratch>>,
    /// Receivers that are busy inline.
    inline: AtomicUsize,
}

/// The file system that fuser talks to.
#[derive(Clone)]
pub(crate) struct Bridge(pub(crate) Arc<Shared>);

/// A receiver's right to wait; dropping it gives it back.
struct Inline<'a>(&'a AtomicUsize);

impl<'a> Inline<'a> {
    fn take(busy: &'a AtomicUsize) -> Option<Self> {
        // Relaxed: it is a count of threads, it guards no data.
        busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            (now + 1 < RECEIVERS).then_some(now + 1)
        })
        .ok()
        .map(|_| Self(busy))
    }
}

impl Drop for Inline<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bridge {
    /// Everything but the mount.
    pub(crate) fn new(options: &Options, names: Names) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            transfer: options.transfer,
            inner: options.inner_links.then(|| options.source.clone()),
            names,
            nodes: Nodes::new(&options.source),
            handles: Handles::default(),
            closing: Closing::default(),
            pool: Pool::new(options.workers),
            traffic: Traffic::new(options.per_server),
            lines: Lines::default(),
            process: Process::default(),
            owners: Owners::default(),
            polls: Polls::start()?,
            watch: Watch::start()?,
            scratches: Mutex::default(),
            inline: AtomicUsize::new(0),
        })))
    }

    fn scratches(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.0
            .scratches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of a call on the right thread. `key` is the server that it is known to go to; work that
    /// finds its server on the way counts itself there with [`Desk::enter`]. `data` may lie in the receiver's
    /// buffer: a worker gets a copy.
    pub(crate) fn serve<R: Refuse>(
        &self,
        call: Call<R>,
        key: Key,
        data: &[u8],
        work: impl FnOnce(&mut Desk<'_, R>, &mut Scratch, &[u8]) -> Result<()> + Send + 'static,
    ) {
        let Some(passage) = self.0.traffic.enter(key) else {
            return call.refuse(Errno::AGAIN);
        };
        let call = Arc::new(call);
        // Who waits for a lock waits for other programs.
        let quiet = passage.ahead == 0 && !matches!(key, Key::Locks(_));
        if let Some(inline) = quiet.then(|| Inline::take(&self.0.inline)).flatten() {
            let mut desk = Desk::new(&self.0, &call, passage, Some(inline));
            let mut scratch = self.scratches().pop().unwrap_or_default();
            desk.attend(|desk| work(desk, &mut scratch, data));
            return self.scratches().push(scratch);
        }
        let (shared, later, data) = (Arc::clone(&self.0), Arc::clone(&call), data.to_vec());
        let task = Box::new(move |scratch: &mut Scratch| {
            Desk::new(&shared, &later, passage, None).attend(|desk| work(desk, scratch, &data));
        });
        let bound = match key {
            Key::Unlocks(_) => Bound::Exempt,
            _ => Bound::Counted,
        };
        if self.0.pool.submit(task, bound).is_err() {
            call.refuse(Errno::AGAIN);
        }
    }
}

/// Where a thread does the work of one call.
pub(crate) struct Desk<'a, R> {
    pub(crate) shared: &'a Shared,
    pub(crate) call: &'a Arc<Call<R>>,
    /// With the namespace, the server, or first the one and then the other.
    passages: [Option<Passage>; 2],
    inline: Option<Inline<'a>>,
}

impl<'a, R: Refuse> Desk<'a, R> {
    fn new(
        shared: &'a Shared,
        call: &'a Arc<Call<R>>,
        passage: Passage,
        inline: Option<Inline<'a>>,
    ) -> Self {
        Self {
            shared,
            call,
            passages: [Some(passage), None],
            inline,
        }
    }

    /// Works under watch; an error is the answer.
    fn attend(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) {
        let watched = self
            .shared
            .watch
            .over(Arc::clone(self.call) as Arc<dyn Pending>);
        // A panic must cost neither a receiver nor a worker its thread.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
        drop(watched);
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!("a request ended by a panic");
            Err(Errno::IO)
        });
        if let Err(errno) = outcome {
            self.release();
            self.call.refuse(errno);
            self.shared.lines.sweep();
        }
    }

    /// Counts the call with the server that it turned out to go to, and keeps the way there.
    ///
    /// # Errors
    /// - `EAGAIN`: too many wait there.
    pub(crate) fn enter(&mut self, server: Server) -> Result<()> {
        let passage = self.shared.traffic.enter(server.key).ok_or(Errno::AGAIN)?;
        self.passages[1] = Some(passage);
        self.shared.lines.keep(server)
    }

    /// Whose call it is, for the client.
    pub(crate) fn caller(&self, process: &Process) -> Caller<'_> {
        self.call.caller(process.of(self.call.program.tid))
    }

    /// What an answer no longer needs goes first: the program may be running, and back with its next
    /// call, before the thread that answered it gets on.
    fn release(&mut self) {
        self.passages = [None, None];
        self.inline = None;
    }

    /// Answers; false when nobody waits any more.
    pub(crate) fn answer(&mut self, answer: impl FnOnce(R)) -> bool {
        self.release();
        self.call.answer(answer)
    }
}
