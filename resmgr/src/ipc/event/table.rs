//! What the events of this process refer to: registrations, semaphores, functions; and by what it knows its own.

use super::{Event, EventFlags, EventKind};
use crate::ipc::{ChannelId, Semaphore};
use resmgr_sys::fork::PerProcess;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries of each table.
const MOST: usize = 4096;

/// Who may deliver a registered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The server with this channel.
    Server(u32, ChannelId),
    Anybody,
    /// This process only.
    Own,
}

/// Who asks for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// This process.
    Own,
    Server {
        pid: u32,
        chid: ChannelId,
        /// The connection takes registered events only.
        registered_only: bool,
    },
}

type Function = Arc<dyn Fn(i64) + Send + Sync>;

/// Entries and which of those that had their number they are: a number alone would be given again.
struct Numbered<T>(Slab<(u32, T)>);

impl<T> Numbered<T> {
    fn put(&mut self, which: u32, thing: T) -> Result<i32> {
        if self.0.len() >= MOST {
            return Err(Errno::AGAIN);
        }
        i32::try_from(self.0.insert((which, thing))).map_err(|_| Errno::AGAIN)
    }

    fn key(&self, event: &Event) -> Option<usize> {
        let key = usize::try_from(event.subject).ok()?;
        let (which, _) = self.0.get(key)?;
        (*which == event.which).then_some(key)
    }

    fn get(&self, event: &Event) -> Option<&T> {
        self.key(event).map(|key| &self.0[key].1)
    }

    fn take(&mut self, event: &Event) -> Option<T> {
        self.key(event).map(|key| self.0.remove(key).1)
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

#[derive(Default)]
struct Tables {
    registered: Numbered<(Event, Scope)>,
    semaphores: Numbered<Semaphore>,
    functions: Numbered<Function>,
}

/// This process's events.
pub(super) struct Events {
    /// An event that goes out comes back as an allegation. What the process made itself it knows by a keyed
    /// digest, so a server can deliver what it was given and cannot think of anything else.
    key: RandomState,
    made: AtomicU64,
    tables: Mutex<Tables>,
    /// Threads that run functions now.
    pub(super) threads: AtomicUsize,
    /// Deliveries that were refused.
    pub(super) refused: AtomicU64,
}

static EVENTS: PerProcess<Events> = PerProcess::new();

/// Those of this process. A child of fork has none of its parent's.
pub(super) fn current() -> &'static Events {
    EVENTS.get(|| Events {
        key: RandomState::new(),
        made: AtomicU64::new(0),
        tables: Mutex::default(),
        threads: AtomicUsize::new(0),
        refused: AtomicU64::new(0),
    })
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that nobody can foretell.
    fn which(&self) -> u32 {
        let made = self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let [a, b, c, d, ..] = self.key.hash_one(("which", made)).to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }

    fn digest(&self, event: &Event) -> u64 {
        self.key.hash_one(event.fixed().to_bytes())
    }

    /// Makes the event this process's own.
    pub(super) fn seal(&self, event: Event) -> Event {
        let seal = self.digest(&event);
        Event { seal, ..event }
    }

    fn is_own(&self, event: &Event) -> bool {
        matches!(event.kind, EventKind::None | EventKind::Unblock)
            || event.seal == self.digest(event)
    }

    /// What shall happen, if whoever asks may ask for it.
    ///
    /// # Errors
    /// - `EINVAL`: not an event of this process, or not any more; or a code that its kind cannot have.
    /// - `EACCES`: it is registered for somebody else; or it is not registered, and the connection asks for that.
    pub(super) fn resolve(&self, event: &Event, asker: Asker) -> Result<Event> {
        let meant = if event.flags.contains(EventFlags::HANDLE) {
            let (stored, scope) = *self.lock().registered.get(event).ok_or(Errno::INVAL)?;
            let allowed = match (scope, asker) {
                (Scope::Anybody, _) | (Scope::Own, Asker::Own) => true,
                (
                    Scope::Server(pid, chid),
                    Asker::Server {
                        pid: p, chid: c, ..
                    },
                ) => (pid, chid) == (p, c),
                _ => false,
            };
            if !allowed {
                return Err(Errno::ACCES);
            }
            stored.updated(event)
        } else {
            if matches!(
                asker,
                Asker::Server {
                    registered_only: true,
                    ..
                }
            ) {
                return Err(Errno::ACCES);
            }
            if !self.is_own(event) {
                return Err(Errno::INVAL);
            }
            *event
        };
        // The code may be somebody else's: it must not pass for one of the system's.
        let fits = match meant.kind {
            EventKind::Pulse => meant.code >= 0 || !may_change_code(&meant),
            EventKind::SignalCode | EventKind::SignalThread => super::is_signal_code(meant.code),
            _ => true,
        };
        if fits { Ok(meant) } else { Err(Errno::INVAL) }
    }

    /// # Errors
    /// - `EINVAL`: not an event of this process, or a handle.
    /// - `EAGAIN`: too many registrations.
    pub(super) fn register(&self, event: &Event, scope: Scope) -> Result<Event> {
        if event.flags.contains(EventFlags::HANDLE) || !self.is_own(event) {
            return Err(Errno::INVAL);
        }
        let which = self.which();
        let subject = self.lock().registered.put(which, (*event, scope))?;
        // What it does is nobody else's business.
        Ok(Event {
            flags: event.flags | EventFlags::HANDLE,
            subject,
            which,
            ..Event::of(EventKind::None)
        })
    }

    pub(super) fn unregister(&self, handle: &Event) -> Result<()> {
        if !handle.flags.contains(EventFlags::HANDLE) {
            return Err(Errno::INVAL);
        }
        let known = self.lock().registered.take(handle);
        known.map(drop).ok_or(Errno::INVAL)
    }

    /// The number of a semaphore; the same for all its clones.
    pub(super) fn add_semaphore(&self, semaphore: &Semaphore) -> Result<(i32, u32)> {
        let mut tables = self.lock();
        let known = tables.semaphores.0.iter();
        for (key, (which, other)) in known {
            if other.is(semaphore) {
                return Ok((i32::try_from(key).map_err(|_| Errno::AGAIN)?, *which));
            }
        }
        if tables.semaphores.0.len() >= MOST {
            // Those that only this table still knows: nobody can wait for them.
            tables
                .semaphores
                .0
                .retain(|_, (_, other)| !other.is_forgotten());
        }
        let which = self.which();
        Ok((tables.semaphores.put(which, semaphore.clone())?, which))
    }

    pub(super) fn semaphore(&self, event: &Event) -> Result<Semaphore> {
        self.lock()
            .semaphores
            .get(event)
            .cloned()
            .ok_or(Errno::INVAL)
    }

    pub(super) fn add_function(&self, function: Function) -> Result<(i32, u32)> {
        let which = self.which();
        Ok((self.lock().functions.put(which, function)?, which))
    }

    pub(super) fn function(&self, event: &Event) -> Result<Function> {
        self.lock()
            .functions
            .get(event)
            .cloned()
            .ok_or(Errno::INVAL)
    }

    pub(super) fn remove_function(&self, event: &Event) {
        let gone = self.lock().functions.take(event);
        // Not under the lock: what it holds may end now.
        drop(gone);
    }
}

fn may_change_code(event: &Event) -> bool {
    event.flags.contains(EventFlags::CODE_UPDATEABLE)
}
