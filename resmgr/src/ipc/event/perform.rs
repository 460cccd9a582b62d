//! An event happens.

use super::table::{self, Asker, Events};
use super::wire::INHERIT;
use super::{Event, EventKind};
use crate::ipc::link::{LinkState, PulseFields};
use crate::ipc::{Coid, PulseFlags, caller, process, timeout};
use resmgr_sys::signal::{self, Info};
use resmgr_sys::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Functions of events that run at a time.
const MOST_THREADS: usize = 64;
/// What a signal has that comes without a code: it was queued by a program.
const SI_QUEUE: i32 = -1;

/// A function that events call. Dropping it frees it; its events are refused then.
#[derive(Debug)]
pub struct EventFunction(Event);

impl EventFunction {
    /// Keeps `function` for events: each runs it in a new thread, in which every signal is blocked. 64 of them
    /// run at a time; an event that would be one more is `EAGAIN`.
    ///
    /// # Errors
    /// - `EAGAIN`: 4096 functions.
    pub fn new(function: impl Fn(i64) + Send + Sync + 'static) -> Result<Self> {
        let (subject, which) = table::current().add_function(Arc::new(function))?;
        Ok(Self(Event {
            subject,
            which,
            ..Event::of(EventKind::Thread)
        }))
    }

    /// The event that calls it with `value`.
    #[doc(alias = "SIGEV_THREAD_INIT")]
    pub fn event(&self, value: i64) -> Event {
        table::current().seal(Event { value, ..self.0 })
    }
}

impl Drop for EventFunction {
    fn drop(&mut self) {
        table::current().remove_function(&self.0);
    }
}

impl Event {
    /// Performs an event of this process here and now: `MsgDeliverEvent` with the rcvid 0.
    ///
    /// # Errors
    /// - `EINVAL`: not an event of this process, or one that only ends a call.
    /// - `EACCES`: registered for somebody else.
    /// - `EBADF`, `ESRCH`: its pulse goes to no connection of this process, or to one whose server has gone.
    ///   Its signal goes to no thread (`ESRCH`).
    /// - `EAGAIN`: as many pulses, signals or threads as there may be are under way.
    #[doc(alias = "MsgDeliverEvent")]
    pub fn deliver(&self) -> Result<()> {
        timeout::clear();
        let events = table::current();
        let meant = events.resolve(self, Asker::Own)?;
        events.perform(&meant, caller::priority())
    }

    /// Whether this process would perform it now: `MsgVerifyEvent` with the rcvid 0.
    ///
    /// # Errors
    /// - `EINVAL`: not an event of this process, or its function or semaphore has gone.
    /// - `EACCES`: registered for somebody else.
    /// - `EBADF`, `ESRCH`: its pulse goes to no connection of this process, or to one whose server has gone.
    #[doc(alias = "MsgVerifyEvent")]
    pub fn verify(&self) -> Result<()> {
        let events = table::current();
        let meant = events.resolve(self, Asker::Own)?;
        match meant.kind {
            EventKind::Pulse => {
                let link = process::current().link_of(Coid(meant.subject));
                match link.ok_or(Errno::BADF)?.state() {
                    LinkState::Open => Ok(()),
                    LinkState::Dead => Err(Errno::SRCH),
                    LinkState::Detached => Err(Errno::BADF),
                }
            }
            EventKind::Thread => events.function(&meant).map(drop),
            EventKind::Semaphore => events.semaphore(&meant).map(drop),
            _ => Ok(()),
        }
    }
}

/// An event of this process's own timers. `priority` is its maker's.
pub(in crate::ipc) fn perform_own(event: &Event, priority: u8) -> Result<()> {
    let events = table::current();
    events.perform(&events.resolve(event, Asker::Own)?, priority)
}

impl Events {
    /// Never waits: the background thread is here. `priority` is that of whoever delivers.
    pub(super) fn perform(&self, event: &Event, priority: u8) -> Result<()> {
        match event.kind {
            EventKind::None => Ok(()),
            EventKind::Unblock => Err(Errno::INVAL),
            EventKind::Signal => signal::queue_to_self(
                None,
                event.subject,
                Info {
                    code: SI_QUEUE,
                    value: event.value,
                },
            ),
            EventKind::SignalCode => signal::queue_to_self(None, event.subject, info(event)),
            EventKind::SignalThread => {
                signal::queue_to_self(Some(event.which), event.subject, info(event))
            }
            EventKind::Pulse => pulse(event, priority),
            EventKind::Semaphore => {
                self.semaphore(event)?.post();
                Ok(())
            }
            EventKind::Thread => self.run(event),
        }
    }

    fn run(&self, event: &Event) -> Result<()> {
        let function = self.function(event)?;
        if self.threads.fetch_add(1, Ordering::Relaxed) >= MOST_THREADS {
            self.threads.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::AGAIN);
        }
        let running = Running(self);
        // `Events` may be a parent's after a fork, but then no thread of it is here.
        let events = table::current();
        let value = event.value;
        let spawned = std::thread::Builder::new()
            .name("resmgr-event".into())
            .spawn(move || {
                signal::block_all();
                let _running = Running(events);
                function(value);
            });
        match spawned {
            Ok(_) => {
                std::mem::forget(running);
                Ok(())
            }
            Err(_) => Err(Errno::AGAIN),
        }
    }
}

/// One of the threads that may run; also one that panics leaves its place.
struct Running<'a>(&'a Events);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

fn info(event: &Event) -> Info {
    Info {
        code: event.code.into(),
        value: event.value,
    }
}

fn pulse(event: &Event, priority: u8) -> Result<()> {
    let link = process::current()
        .link_of(Coid(event.subject))
        .ok_or(Errno::BADF)?;
    let priority = match event.priority {
        INHERIT => priority,
        own => u8::try_from(own).map_err(|_| Errno::INVAL)?,
    };
    link.pulse(PulseFields {
        value: event.value,
        code: event.code,
        priority,
        flags: PulseFlags::empty(),
        inherits: event.priority == INHERIT,
    })
}
