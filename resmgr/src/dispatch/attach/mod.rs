//! [`Attachments`]: what a loop that receives does beside serving files.
//!
//! Messages of a program's own types, pulses, descriptors, signals and timers each have a handler, and all of them
//! run in the threads that receive from the channel. A handler is a closure that may change what it holds: it never
//! runs in two threads at a time. Handlers of different things do, where several threads receive.
//!
//! What panics in a handler ends that call of it and nothing else. Nothing is locked while one runs but itself, so it
//! may attach and detach, itself included.

mod messages;
mod pulses;
mod select;
mod sources;

use crate::Result;
use crate::ipc::{Channel, ChannelId, Clock, Connection, Message, Pulse};
use messages::MessageRanges;
use pulses::PulseHandlers;
pub use select::{SelectFlags, Selected};
use sources::Sources;
pub use sources::{Expired, Signal, SourceId};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guarded(whose: &str, handler: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(handler)).is_err() {
        tracing::error!("a handler {whose} has panicked");
    }
}

/// Handlers of what a channel's receivers get beside the messages of files.
///
/// Whoever receives passes on what it gets:
///
/// ```
/// use resmgr::dispatch::{Attachments, SelectFlags};
/// use resmgr::ipc::{Channel, ChannelFlags, Received};
/// use std::io::{Read, Write};
/// use std::sync::mpsc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = Channel::create(ChannelFlags::PRIVATE)?;
/// let attachments = Attachments::new(&channel);
///
/// let (reader, mut writer) = std::io::pipe()?;
/// let (seen, bytes) = mpsc::channel();
/// let mut input = reader.try_clone()?;
/// attachments.attach_fd(reader, SelectFlags::READ, move |_| {
///     let mut byte = [0];
///     if input.read(&mut byte).is_ok() {
///         let _ = seen.send(byte[0]);
///     }
/// })?;
/// writer.write_all(b"x")?;
///
/// match channel.receive(&mut [])? {
///     Received::Pulse(pulse) => assert!(attachments.handle_pulse(&pulse)),
///     Received::Message(message) => drop(message),
/// }
/// assert_eq!(bytes.recv()?, b'x');
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Attachments {
    channel: ChannelId,
    messages: MessageRanges,
    pulses: PulseHandlers,
    sources: Sources,
}

impl Attachments {
    /// For this channel. It does not keep the channel.
    pub fn new(channel: &Channel) -> Self {
        Self {
            channel: channel.id(),
            messages: MessageRanges::default(),
            pulses: PulseHandlers::default(),
            sources: Sources::new(channel),
        }
    }

    /// A connection to the loop's own channel.
    ///
    /// # Errors
    /// As [`Connection::attach`].
    #[doc(alias = "message_connect")]
    pub fn connect(&self) -> Result<Connection> {
        Connection::attach(0, self.channel)
    }

    /// Has `handler` answer the messages of these types: the number in their first two bytes. It gets the message,
    /// which it has to answer, and what was received of it; a message that it drops is answered `EIO`.
    ///
    /// # Errors
    /// - `EINVAL`: no types, or some of the system's (up to 0x1FF), or some that have a handler already.
    /// - `EAGAIN`: 1024 ranges of them.
    #[doc(alias = "message_attach")]
    pub fn attach_messages(
        &self,
        types: RangeInclusive<u16>,
        handler: impl FnMut(Message, &[u8]) + Send + 'static,
    ) -> Result<()> {
        self.messages.attach(types, Box::new(handler))
    }

    /// Nobody answers these messages any more. They are a whole range that was attached.
    ///
    /// # Errors
    /// - `EINVAL`: they are not.
    #[doc(alias = "message_detach")]
    pub fn detach_messages(&self, types: &RangeInclusive<u16>) -> Result<()> {
        self.messages.detach(types)
    }

    /// Has `handler` get the pulses with this code: one that programs may use (0 to 127), or one that the system
    /// uses, such as [`COID_DEATH`](crate::ipc::PulseCode::COID_DEATH). Any client may send any of them.
    ///
    /// # Errors
    /// - `EINVAL`: UNBLOCK or DISCONNECT, which the loop needs itself.
    /// - `EBUSY`: the code has a handler.
    #[doc(alias = "pulse_attach")]
    pub fn attach_pulse(
        &self,
        code: i8,
        handler: impl FnMut(&Pulse) + Send + 'static,
    ) -> Result<()> {
        self.pulses.attach(code, Box::new(handler))
    }

    /// The same with a code that is free, which is returned.
    ///
    /// # Errors
    /// - `EAGAIN`: none is.
    #[doc(alias = "MSG_FLAG_ALLOC_PULSE")]
    pub fn attach_any_pulse(&self, handler: impl FnMut(&Pulse) + Send + 'static) -> Result<i8> {
        self.pulses.attach_any(Box::new(handler))
    }

    /// Pulses with this code are dropped from now on.
    ///
    /// # Errors
    /// - `EINVAL`: it has no handler.
    #[doc(alias = "pulse_detach")]
    pub fn detach_pulse(&self, code: i8) -> Result<()> {
        self.pulses.detach(code)
    }

    /// Has `handler` run when a descriptor is ready, again and again unless `flags` say NOREARM. The descriptor is
    /// kept open until it is [detached](Self::detach).
    ///
    /// A descriptor stays ready until somebody reads or writes. A handler that finds the end
    /// ([`SRVEXCEPT`](SelectFlags::SRVEXCEPT), or a read of nothing) detaches it, or it is called for ever.
    ///
    /// # Errors
    /// - `EINVAL`: the flags ask for nothing, or contradict each other.
    /// - `EEXIST`: the descriptor is attached already.
    /// - `EPERM`: an ordinary file or a directory, which are always ready.
    /// - `EAGAIN`: 4096 descriptors, signals and timers.
    /// - `EMFILE`, `ENOMEM`, `ENOSPC`: the system has no room for it.
    #[doc(alias = "select_attach")]
    pub fn attach_fd(
        &self,
        fd: impl AsFd + Send + Sync + 'static,
        flags: SelectFlags,
        handler: impl FnMut(&Selected<'_>) + Send + 'static,
    ) -> Result<SourceId> {
        self.sources
            .attach_fd(Box::new(fd), flags, Box::new(handler))
    }

    /// Waits once more for a descriptor that was attached with NOREARM.
    ///
    /// # Errors
    /// - `EINVAL`: it is not attached.
    #[doc(alias = "select_rearm")]
    pub fn rearm(&self, id: SourceId) -> Result<()> {
        self.sources.rearm(id)
    }

    /// Has `handler` get a signal that is sent to this process, in a thread that receives instead of in any thread
    /// at any place. The signal is blocked for the calling thread and for those that it starts from now on, also
    /// after it was detached: attach it before the program starts threads of its own, or one of those gets it. A
    /// signal to a certain thread is that thread's.
    ///
    /// Signals of one number that come together may be one.
    ///
    /// # Errors
    /// - `EINVAL`: no signal, or one that nobody can block.
    /// - `EBUSY`: it has a handler.
    /// - those of [`attach_fd`](Self::attach_fd).
    #[doc(alias = "sigwait_attach")]
    pub fn attach_signal(
        &self,
        signal: i32,
        handler: impl FnMut(&Signal) + Send + 'static,
    ) -> Result<SourceId> {
        self.sources.attach_signal(signal, Box::new(handler))
    }

    /// Has `handler` run when a timer expires. It is not started yet.
    ///
    /// # Errors
    /// As [`attach_fd`](Self::attach_fd).
    pub fn attach_timer(
        &self,
        clock: Clock,
        handler: impl FnMut(&Expired) + Send + 'static,
    ) -> Result<SourceId> {
        self.sources.attach_timer(clock, Box::new(handler))
    }

    /// Starts a timer anew: it expires after `first`, and then after each `interval` (zero: never again). Expiries
    /// that come faster than they are handled are told together.
    ///
    /// # Errors
    /// - `EINVAL`: no timer, or longer than the system can count.
    pub fn start_timer(&self, id: SourceId, first: Duration, interval: Duration) -> Result<()> {
        self.sources.start_timer(id, Some(first), interval)
    }

    /// Stops a timer until it is started again. Its handler is not called from now on; it may still run.
    ///
    /// # Errors
    /// - `EINVAL`: no timer.
    pub fn stop_timer(&self, id: SourceId) -> Result<()> {
        self.sources.start_timer(id, None, Duration::ZERO)
    }

    /// A descriptor, signal or timer is waited for no more, and closed. Its handler is not called from now on; it
    /// may still run in another thread.
    ///
    /// # Errors
    /// - `EINVAL`: it is not attached.
    #[doc(alias = "select_detach")]
    #[doc(alias = "sigwait_detach")]
    pub fn detach(&self, id: SourceId) -> Result<()> {
        self.sources.detach(id)
    }

    /// Runs the handler of a pulse that was received. Returns whether there is one; a pulse without is meant to be
    /// dropped.
    #[doc(alias = "dispatch_handler")]
    pub fn handle_pulse(&self, pulse: &Pulse) -> bool {
        self.sources.handle(pulse) || self.pulses.handle(pulse)
    }

    /// Gives a message that was received, and the bytes of it that were, to the handler of its type.
    ///
    /// # Errors
    /// The message, if there is none: what is not a file's is meant to be answered with `ENOSYS`.
    #[doc(alias = "dispatch_handler")]
    pub fn handle_message(&self, message: Message, bytes: &[u8]) -> Result<(), Message> {
        self.messages.handle(message, bytes)
    }
}

#[cfg(test)]
mod tests;
