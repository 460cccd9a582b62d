//! [`ThreadPool`]: as many threads as there is work for.
//!
//! A pool keeps some threads waiting for work, starts more when too few wait, and lets them go when too many would
//! (see [`PoolOptions`]). What a thread waits for and does is a [`Member`]'s: the pool knows of no messages, so it
//! serves a manager's loop as well as a program that receives from its channels by itself.
//!
//! Differences from QNX: members are scheduled like the thread that started the pool, also those that were started
//! at a client's priority; a thread that has ended is never waited for while work is at hand; a panic ends the work
//! and not the thread.

mod books;
mod core;
mod home;
mod options;

use crate::{Errno, Result};
use core::Core;
pub use options::{PoolCounts, PoolOptions};
use std::sync::{Arc, Weak};

/// What each thread of a pool does: it waits for something, and works on it, again and again.
///
/// It is made in its own thread, so it may hold what no other thread may have; a buffer, usually.
#[doc(alias = "THREAD_POOL_PARAM_T")]
pub trait Member {
    /// What there is to do.
    type Work;

    /// Waits for work. With `None` the member ends, and is not replaced.
    ///
    /// A pool that [stops](PoolHandle::stop) has one member woken, by what was given to [`ThreadPool::new`], and that
    /// may be any: it may return what is no work, or `None`.
    #[doc(alias = "block_func")]
    fn block(&mut self) -> Option<Self::Work>;

    /// Works. A panic ends this work only, and the log tells of it.
    #[doc(alias = "handler_func")]
    fn handle(&mut self, work: Self::Work);
}

/// Threads that wait for work and do it, more or fewer of them as there is need.
///
/// ```
/// use resmgr::dispatch::{Member, PoolOptions, ThreadPool};
/// use resmgr::ipc::{Channel, ChannelFlags, Connection, Received};
///
/// /// Answers each message with itself.
/// struct Echo {
///     channel: Channel,
///     buffer: [u8; 64],
/// }
///
/// impl Member for Echo {
///     type Work = Received;
///
///     fn block(&mut self) -> Option<Received> {
///         self.channel.receive(&mut self.buffer).ok()
///     }
///
///     fn handle(&mut self, work: Received) {
///         // A pulse has only woken this thread.
///         if let Received::Message(message) = work {
///             let len = message.info().len;
///             let _ = message.reply(0, &self.buffer[..len]);
///         }
///     }
/// }
///
/// # fn main() -> resmgr::Result<()> {
/// let channel = Channel::create(ChannelFlags::PRIVATE)?;
/// let (members, wake) = (channel.clone(), channel.clone());
/// let pool = ThreadPool::new(
///     PoolOptions::default(),
///     move || Ok(Echo { channel: members.clone(), buffer: [0; 64] }),
///     move || drop(wake.pulse(10, 0, 0)),
/// )?;
/// let running = pool.spawn()?;
///
/// let client = Connection::attach(0, channel.id())?;
/// let mut reply = [0; 5];
/// client.send(b"hello", &mut reply).expect("an echo");
/// assert_eq!(&reply, b"hello");
/// running.stop()
/// # }
/// ```
#[doc(alias = "thread_pool_create")]
#[doc(alias = "thread_pool_t")]
#[derive(Debug)]
pub struct ThreadPool(Arc<Core>);

impl ThreadPool {
    /// A pool that has no threads yet. `make` makes each member, in its own thread. `wake` has one of those that are
    /// in [`Member::block`] return; if none is at that moment, the next that comes there, or else it would be lost:
    /// a pulse does, or the post of a semaphore.
    ///
    /// # Errors
    /// - `EINVAL`: the numbers contradict each other.
    #[doc(alias = "context_alloc")]
    #[doc(alias = "unblock_func")]
    pub fn new<M: Member>(
        options: PoolOptions,
        make: impl Fn() -> Result<M> + Send + Sync + 'static,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self> {
        options.check()?;
        let body = move |core: &Arc<Core>| core.serve(&make);
        let core = Core::new(options, Box::new(wake), Box::new(body));
        Ok(Self(Arc::new(core)))
    }

    /// What changes, looks at and ends it from elsewhere.
    pub fn handle(&self) -> PoolHandle {
        PoolHandle(Arc::downgrade(&self.0))
    }

    /// The calling thread becomes one of the members. Returns when the pool has ended.
    ///
    /// # Errors
    /// - those of making a member, if there is no other one.
    #[doc(alias = "POOL_FLAG_USE_SELF")]
    pub fn run(self) -> Result<()> {
        let core = &self.0;
        let count = core.begin()?;
        core.start(count.saturating_sub(1));
        if count > 0 {
            core.run_member();
        }
        core.join()
    }

    /// Starts the members, and returns.
    ///
    /// QNX's `POOL_FLAG_EXIT_SELF`, with which the calling thread ends, is this and then the end of the thread; for
    /// the main thread, whose end is that of the process, it is [`RunningPool::wait`].
    ///
    /// # Errors
    /// - `EAGAIN`: not a single thread can be started.
    #[doc(alias = "thread_pool_start")]
    #[doc(alias = "POOL_FLAG_EXIT_SELF")]
    pub fn spawn(self) -> Result<RunningPool> {
        let count = self.0.begin()?;
        self.0.start(count);
        if self.0.books().counts().threads == 0 {
            self.0.join()?;
        }
        Ok(RunningPool(self.0))
    }
}

/// A pool with threads of its own. Dropping it stops the pool and waits until it has ended; a member that drops it
/// does not wait for itself.
#[derive(Debug)]
pub struct RunningPool(Arc<Core>);

impl RunningPool {
    /// What changes, looks at and ends it from elsewhere.
    pub fn handle(&self) -> PoolHandle {
        PoolHandle(Arc::downgrade(&self.0))
    }

    /// Lets the members finish what they are doing, and waits until the last one has ended.
    ///
    /// # Errors
    /// - as [`wait`](Self::wait).
    #[doc(alias = "thread_pool_destroy")]
    pub fn stop(self) -> Result<()> {
        self.0.stop();
        self.0.join()
    }

    /// Waits until the pool has ended: because somebody [stops](PoolHandle::stop) it, or no member has
    /// got any more work.
    ///
    /// # Errors
    /// - those of making a member, if the pool has ended because there was none.
    pub fn wait(self) -> Result<()> {
        self.0.join()
    }
}

impl Drop for RunningPool {
    fn drop(&mut self) {
        self.0.stop();
        if let Err(errno) = self.0.join() {
            tracing::error!(%errno, "a thread pool has ended badly");
        }
    }
}

/// Changes, looks at and ends a pool, from any thread. It does not keep the pool.
#[derive(Clone, Debug)]
pub struct PoolHandle(Weak<Core>);

impl PoolHandle {
    /// Has every member end after what it is doing, and does not wait for that. Asking again does nothing; a pool
    /// that has not begun ends as soon as it does.
    pub fn stop(&self) {
        if let Some(core) = self.0.upgrade() {
            core.stop();
        }
    }

    /// Other numbers from now on. What is missing below the new low water mark is started; who is too many ends
    /// after the next work.
    ///
    /// # Errors
    /// - `EINVAL`: they contradict each other.
    /// - `ESRCH`: the pool has ended, or is about to.
    #[doc(alias = "thread_pool_limits")]
    #[doc(alias = "thread_pool_control")]
    pub fn limits(&self, options: PoolOptions) -> Result<()> {
        options.check()?;
        let core = self.0.upgrade().ok_or(Errno::SRCH)?;
        let missing = {
            let mut books = core.books();
            if books.stopping {
                return Err(Errno::SRCH);
            }
            books.limits = options;
            // One that has not begun has nobody missing.
            if core.has_begun() { books.fill() } else { 0 }
        };
        core.start(missing);
        Ok(())
    }

    /// The numbers that hold now; `None`: the pool has ended.
    pub fn options(&self) -> Option<PoolOptions> {
        self.0.upgrade().map(|core| core.books().limits)
    }

    /// How many there are now; nobody once the pool has ended.
    pub fn counts(&self) -> PoolCounts {
        let core = self.0.upgrade();
        core.map_or_else(PoolCounts::default, |core| core.books().counts())
    }
}

#[cfg(test)]
mod tests;
