//! What an event is, as a value of fixed length: a client puts it into a message, and a server keeps it. Pure.

use resmgr_sys::{Errno, Result};

bitflags::bitflags! {
    /// What may be done with an event. The numbers are QNX's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "SIGEV_FLAG")]
    pub struct EventFlags: u32 {
        /// Whoever delivers it may give another value.
        #[doc(alias = "SIGEV_FLAG_UPDATEABLE")]
        const UPDATEABLE = 0x0400;
        /// It names an event that its process has registered.
        #[doc(alias = "SIGEV_FLAG_HANDLE")]
        const HANDLE = 0x2000;
        /// Whoever delivers it may give another code.
        #[doc(alias = "SIGEV_FLAG_CODE_UPDATEABLE")]
        const CODE_UPDATEABLE = 0x4000;
    }
}

/// What happens. The numbers are QNX's, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "sigev_notify")]
pub enum EventKind {
    /// Nothing.
    #[doc(alias = "SIGEV_NONE")]
    None,
    /// A signal for the process.
    #[doc(alias = "SIGEV_SIGNAL")]
    Signal,
    /// A signal for the process, with a code and a value.
    #[doc(alias = "SIGEV_SIGNAL_CODE")]
    SignalCode,
    /// The same for one thread.
    #[doc(alias = "SIGEV_SIGNAL_THREAD")]
    SignalThread,
    /// A pulse on a connection of the process.
    #[doc(alias = "SIGEV_PULSE")]
    Pulse,
    /// The end of the blocked call that a timeout was set for.
    #[doc(alias = "SIGEV_UNBLOCK")]
    Unblock,
    /// A function, in a thread of its own.
    #[doc(alias = "SIGEV_THREAD")]
    Thread,
    /// A post to a semaphore.
    #[doc(alias = "SIGEV_SEM")]
    Semaphore,
}

const KINDS: [(u32, EventKind); 8] = [
    (0, EventKind::None),
    (1, EventKind::Signal),
    (2, EventKind::SignalCode),
    (3, EventKind::SignalThread),
    (4, EventKind::Pulse),
    (5, EventKind::Unblock),
    (7, EventKind::Thread),
    (8, EventKind::Semaphore),
];

const KIND_MASK: u32 = 0xff;
/// The priority of whoever delivers.
pub(super) const INHERIT: i16 = -1;

/// A request of a process to itself: what shall happen in it when somebody says so.
///
/// A client hands one to a server in a message ([`to_bytes`](Self::to_bytes)), or gives it to a
/// [`Timer`](crate::ipc::Timer) or [a timeout](crate::ipc::timeout_next). Only the process that made it performs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "sigevent")]
pub struct Event {
    pub(super) kind: EventKind,
    pub(super) flags: EventFlags,
    /// Connection, signal, or the number of a semaphore, function or registration.
    pub(super) subject: i32,
    /// Thread, or which of those that had the number.
    pub(super) which: u32,
    pub(super) code: i8,
    pub(super) priority: i16,
    pub(super) value: i64,
    /// By this the process that made it knows it again. Not of handles, which are looked up.
    pub(super) seal: u64,
}

impl Event {
    /// Bytes of an event in a message.
    pub const BYTES: usize = 32;

    pub(super) const fn of(kind: EventKind) -> Self {
        Self {
            kind,
            flags: EventFlags::empty(),
            subject: 0,
            which: 0,
            code: 0,
            priority: INHERIT,
            value: 0,
            seal: 0,
        }
    }

    /// Nothing happens.
    pub const fn none() -> Self {
        Self::of(EventKind::None)
    }

    /// The blocked call ends: for [`timeout_next`](crate::ipc::timeout_next) only.
    pub const fn unblock() -> Self {
        Self::of(EventKind::Unblock)
    }

    /// What happens. Of a handle, what happens is known to its process only.
    #[doc(alias = "SIGEV_GET_TYPE")]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// What may be done with it.
    pub fn flags(&self) -> EventFlags {
        self.flags
    }

    /// The value that goes with it; of a handle, what a server gave it.
    #[doc(alias = "sigev_value")]
    pub fn value(&self) -> i64 {
        self.value
    }

    /// The same event with another value. One that is not UPDATEABLE keeps its own.
    pub fn with_value(mut self, value: i64) -> Self {
        if self.flags.contains(EventFlags::UPDATEABLE) {
            self.value = value;
        }
        self
    }

    /// The same event with another code. One that is not CODE_UPDATEABLE keeps its own.
    pub fn with_code(mut self, code: i8) -> Self {
        if self.flags.contains(EventFlags::CODE_UPDATEABLE) {
            self.code = code;
        }
        self
    }

    /// The event in a message, in the machine's byte order.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind);
        let word = kind.map_or(0, |(number, _)| *number) | self.flags.bits();
        let mut bytes = [0; Self::BYTES];
        bytes[0..4].copy_from_slice(&word.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.subject.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.which.to_ne_bytes());
        bytes[12..14].copy_from_slice(&self.priority.to_ne_bytes());
        bytes[14] = self.code.cast_unsigned();
        bytes[16..24].copy_from_slice(&self.value.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.seal.to_ne_bytes());
        bytes
    }

    /// An event out of a message. It says nothing of whether its process will perform it.
    ///
    /// # Errors
    /// - `EINVAL`: there is no such event.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes = <&[u8; Self::BYTES]>::try_from(bytes).map_err(|_| Errno::INVAL)?;
        let [word, subject, which] = [0, 4, 8].map(|at| u32::from_ne_bytes(field(bytes, at)));
        let known = |(number, _): &&(u32, EventKind)| *number == word & KIND_MASK;
        let (_, kind) = KINDS.iter().find(known).ok_or(Errno::INVAL)?;
        if bytes[15] != 0 {
            return Err(Errno::INVAL);
        }
        Ok(Self {
            kind: *kind,
            flags: EventFlags::from_bits(word & !KIND_MASK).ok_or(Errno::INVAL)?,
            subject: subject.cast_signed(),
            which,
            code: bytes[14].cast_signed(),
            priority: i16::from_ne_bytes(field(bytes, 12)),
            value: i64::from_ne_bytes(field(bytes, 16)),
            seal: u64::from_ne_bytes(field(bytes, 24)),
        })
    }

    /// What a seal covers: all that whoever delivers may not change.
    pub(super) fn fixed(&self) -> Self {
        let mut fixed = Self { seal: 0, ..*self };
        if fixed.flags.contains(EventFlags::UPDATEABLE) {
            fixed.value = 0;
        }
        if fixed.flags.contains(EventFlags::CODE_UPDATEABLE) {
            fixed.code = 0;
        }
        fixed
    }

    /// This event, with what `delivered` may change of it.
    pub(super) fn updated(self, delivered: &Self) -> Self {
        self.with_value(delivered.value).with_code(delivered.code)
    }
}

fn field<const LEN: usize>(bytes: &[u8; Event::BYTES], at: usize) -> [u8; LEN] {
    bytes[at..].first_chunk().copied().unwrap_or([0; LEN])
}

#[cfg(test)]
mod tests {
    use super::{Event, EventFlags, EventKind, KINDS};
    use resmgr_sys::Errno;

    fn example(kind: EventKind) -> Event {
        Event {
            flags: EventFlags::all(),
            subject: -1,
            which: 7,
            code: -128,
            priority: 255,
            value: i64::MIN,
            seal: u64::MAX,
            ..Event::of(kind)
        }
    }

    #[test]
    fn e1_events_survive_the_way() {
        for (_, kind) in KINDS {
            let event = example(kind);
            assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
        }
    }

    #[test]
    fn e1_bytes_that_are_no_event_are_refused() {
        let good = example(EventKind::Pulse).to_bytes();
        let mut bad = [good; 4];
        bad[0][0] = 6;
        bad[1][1] = 1;
        bad[2][2] = 1;
        bad[3][15] = 1;
        for bytes in bad {
            assert_eq!(Event::from_bytes(&bytes), Err(Errno::INVAL));
        }
        assert_eq!(Event::from_bytes(&good[1..]), Err(Errno::INVAL));
        assert_eq!(Event::from_bytes(&[]), Err(Errno::INVAL));
    }

    #[test]
    fn e5_only_what_may_be_changed_is() {
        let fixed = Event::of(EventKind::Pulse);
        assert_eq!(fixed.with_value(1).with_code(2), fixed);
        let open = Event {
            flags: EventFlags::UPDATEABLE | EventFlags::CODE_UPDATEABLE,
            ..fixed
        };
        let changed = open.with_value(1).with_code(2);
        assert_eq!((changed.value, changed.code), (1, 2));
        assert_eq!(changed.fixed(), open.fixed());
        assert_eq!(fixed.updated(&changed), fixed);
    }
}
