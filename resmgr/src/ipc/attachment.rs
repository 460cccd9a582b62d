//! The connections of this process, by number.
//!
//! A connection is an entry of this table; the [`Connection`](super::Connection) that a program holds, and the
//! number that it may use instead, both mean the entry. A number in the descriptor space is kept by a
//! descriptor as well, which says to which channel it leads: that is how forked children and new programs find
//! the connections that they inherit.

use super::link::ClientLink;
use super::{ChannelId, Coid, ConnectFlags, ServerInfo, Target};
use resmgr_sys::standin::StandIn;
use resmgr_sys::{Errno, Result, process};
use slab::Slab;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Side-channel connections of a process. Descriptors have a limit of the system's.
const MOST_CONNECTIONS: usize = 1 << 20;

/// A connection of this process to a channel.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) link: Arc<ClientLink>,
    pub(super) coid: Coid,
    /// Somebody has detached it, by value or by number. Senders look at it before they sleep.
    detached: AtomicBool,
    flags: AtomicU32,
    stand_in: Mutex<Option<StandIn>>,
}

impl Attachment {
    pub(super) fn new(
        link: Arc<ClientLink>,
        coid: Coid,
        flags: ConnectFlags,
        stand_in: Option<StandIn>,
    ) -> Self {
        Self {
            link,
            coid,
            detached: AtomicBool::new(false),
            flags: AtomicU32::new(flags.bits()),
            stand_in: Mutex::new(stand_in),
        }
    }

    fn stand_in(&self) -> MutexGuard<'_, Option<StandIn>> {
        self.stand_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What senders look at.
    #[inline]
    pub(super) fn detached(&self) -> &AtomicBool {
        &self.detached
    }

    /// Whether the caller is the one who detaches it.
    pub(super) fn end(&self) -> bool {
        !self.detached.swap(true, Ordering::SeqCst)
    }

    /// Whether a parent of this process made it, in the space that children inherit.
    pub(super) fn is_inherited(&self) -> bool {
        !self.link.is_ours() && !self.coid.is_side_channel()
    }

    /// The value that owned the connection goes.
    pub(super) fn let_go(&self) {
        if self.link.is_ours() {
            super::process::current().detach(self);
        } else if self.is_inherited() {
            // A child: its own connection of this number goes, or at least the descriptor. The rest is the
            // parent's, whose locks may be held for ever here.
            match super::process::current().connections.get(self.coid) {
                Some(own) => super::process::current().detach(&own),
                None => self.close_in_child(),
            }
        }
    }

    /// Gives the number free, unless it means something else by now.
    fn close(&self) {
        let stand_in = self.stand_in().take();
        drop(stand_in);
    }

    /// The same in a child of the process that made it, where a lock of the parent's may be held for ever.
    fn close_in_child(&self) {
        if let Ok(mut stand_in) = self.stand_in.try_lock() {
            drop(stand_in.take());
        }
    }

    /// Whether the number still stands for this. A program may have closed the descriptor by itself.
    pub(super) fn is_there(&self) -> bool {
        self.coid.is_side_channel() || self.stand_in().as_ref().is_some_and(StandIn::is_there)
    }

    fn stands_in(&self, other: Option<&StandIn>) -> bool {
        let mine = self.stand_in();
        mine.as_ref()
            .zip(other)
            .is_some_and(|(mine, other)| mine.is_same(other))
    }

    /// Flags as they were set; what exec does to the descriptor may have been changed past us.
    fn stored_flags(&self) -> ConnectFlags {
        ConnectFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    fn flags_of(&self, stand_in: Option<&StandIn>) -> ConnectFlags {
        let mut flags = self.stored_flags();
        if let Some(Ok(closes)) = stand_in.map(StandIn::is_closed_by_exec)
            && !flags.contains(ConnectFlags::NOINHERIT)
        {
            flags.set(ConnectFlags::CLOEXEC, closes);
        }
        flags.set(ConnectFlags::DEAD, self.link.is_dead());
        flags
    }

    /// Sets the flags under `mask`; returns all of them as they were.
    pub(super) fn set_flags(&self, mask: ConnectFlags, bits: ConnectFlags) -> Result<ConnectFlags> {
        check_flags(mask)?;
        if mask.intersects(ConnectFlags::DEAD | ConnectFlags::NOSHARE) {
            return Err(Errno::INVAL);
        }
        // Held throughout: it makes this one step for other threads that change flags.
        let mut stand_in = self.stand_in();
        if self.detached.load(Ordering::Acquire) {
            return Err(Errno::BADF);
        }
        let old = self.flags_of(stand_in.as_ref());
        let known = old & !ConnectFlags::DEAD;
        let new = (known & !mask) | (bits & mask);
        if new == known {
            return Ok(old);
        }
        if let Some(stand_in) = stand_in.as_mut() {
            let text = Text::of(&self.link, new).encode();
            stand_in.replace(&text, closes_on_exec(new))?;
        }
        self.flags.store(new.bits(), Ordering::Relaxed);
        Ok(old)
    }

    /// Whom it leads to.
    pub(super) fn info(&self) -> ServerInfo {
        let far = self.link.far;
        let mut flags = self.stored_flags();
        flags.set(ConnectFlags::DEAD, self.link.is_dead());
        ServerInfo {
            nd: 0,
            pid: far.pid,
            chid: far.chid,
            scoid: far.scoid,
            coid: self.coid,
            flags,
        }
    }
}

/// # Errors
/// - `ENOTSUP`: a flag that is not known here.
pub(super) fn check_flags(flags: ConnectFlags) -> Result<()> {
    if ConnectFlags::all().contains(flags) {
        Ok(())
    } else {
        Err(Errno::NOTSUP)
    }
}

/// Nothing tells the exec of a new child from any other: what children must not have goes with both.
fn closes_on_exec(flags: ConnectFlags) -> bool {
    flags.intersects(ConnectFlags::CLOEXEC | ConnectFlags::NOINHERIT)
}

/// What a descriptor says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) target: Target,
    /// Which channel of that number: see [`Far::birth`](super::link::Far).
    pub(super) birth: u64,
    pub(super) flags: ConnectFlags,
}

impl Text {
    const MAGIC: u32 = u32::from_ne_bytes(*b"RSMC");
    const VERSION: u32 = 1;
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(link: &ClientLink, flags: ConnectFlags) -> Self {
        let target = Target {
            nd: 0,
            pid: link.far.pid,
            chid: link.far.chid,
        };
        Self {
            target,
            birth: link.far.birth,
            flags,
        }
    }

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let Target { nd, pid, chid } = self.target;
        let words = [
            Self::MAGIC,
            Self::VERSION,
            nd,
            pid,
            chid.0,
            self.flags.bits(),
        ];
        let mut bytes = [0; Self::BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[24..].copy_from_slice(&self.birth.to_ne_bytes());
        bytes
    }

    /// Whoever started this program may have written it. It names a channel that this process could attach to
    /// by itself, and no more than that comes of it: the server checks this process's own rights.
    ///
    /// # Errors
    /// - `EBADF`: no text of this kind, or the connection was not meant for children.
    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Result<Self> {
        let mut words = bytes.chunks_exact(4).map(|field| {
            field
                .first_chunk()
                .map_or(0, |field| u32::from_ne_bytes(*field))
        });
        let mut word = || words.next().unwrap_or(0);
        if (word(), word()) != (Self::MAGIC, Self::VERSION) {
            return Err(Errno::BADF);
        }
        let target = Target {
            nd: word(),
            pid: word(),
            chid: ChannelId(word()),
        };
        let flags = ConnectFlags::from_bits(word()).ok_or(Errno::BADF)?;
        let birth = bytes[24..]
            .first_chunk()
            .map_or(0, |field| u64::from_ne_bytes(*field));
        let named = target.nd == 0 && target.pid != 0 && birth != 0;
        if !named || flags.intersects(ConnectFlags::NOINHERIT | ConnectFlags::DEAD) {
            return Err(Errno::BADF);
        }
        Ok(Self {
            target,
            birth,
            flags,
        })
    }
}

/// Where the number of a new connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewId {
    Side,
    Lowest(i32),
    /// The descriptor is there already.
    Found(i32),
}

/// All connections of a process.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    by_id: RwLock<BTreeMap<Coid, Arc<Attachment>>>,
    side_ids: Mutex<Slab<()>>,
}

impl Attachments {
    /// A new connection on `link`. If its number was another connection's, whose descriptor the program has
    /// closed, that one comes second: it is the caller's to detach.
    pub(super) fn add(
        &self,
        link: &Arc<ClientLink>,
        id: NewId,
        flags: ConnectFlags,
    ) -> Result<(Arc<Attachment>, Option<Arc<Attachment>>)> {
        let (coid, stand_in) = match id {
            NewId::Side => (self.side_id()?, None),
            NewId::Lowest(lowest) => {
                let text = Text::of(link, flags).encode();
                let made = StandIn::new(&text, lowest, closes_on_exec(flags))?;
                (Coid(made.number()), Some(made))
            }
            NewId::Found(number) => {
                let found = StandIn::adopt(number, &mut [0; Text::BYTES])?;
                (Coid(number), Some(found))
            }
        };
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let known = by_id.get(&coid).map(Arc::clone);
        if let Some(known) = known.filter(|known| known.stands_in(stand_in.as_ref())) {
            // Another thread has found the descriptor, too, and was faster.
            stand_in.into_iter().for_each(StandIn::leave);
            return Ok((known, None));
        }
        let made = Arc::new(Attachment::new(Arc::clone(link), coid, flags, stand_in));
        super::process::lock(&link.coids).push(coid);
        let replaced = by_id.insert(coid, Arc::clone(&made));
        Ok((made, replaced))
    }

    pub(super) fn get(&self, coid: Coid) -> Option<Arc<Attachment>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(&coid).cloned()
    }

    /// The one with this number, or with the next higher.
    pub(super) fn from(&self, coid: Coid) -> Option<Arc<Attachment>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id
            .range(coid..)
            .next()
            .map(|(_, found)| Arc::clone(found))
    }

    /// Takes one out of the table, if it is there still.
    pub(super) fn remove(&self, gone: &Attachment) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id
            .get(&gone.coid)
            .is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), gone))
        {
            by_id.remove(&gone.coid);
        }
        drop(by_id);
        gone.close();
        self.free_side_id(gone.coid);
    }

    /// A link to a channel of this process that is nobody's but one connection's.
    pub(super) fn unshared(
        &self,
        matches: impl Fn(&ClientLink) -> bool,
    ) -> Option<Arc<ClientLink>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut links = by_id.values().map(|attachment| &attachment.link);
        links.find(|link| matches(link)).cloned()
    }

    fn side_id(&self) -> Result<Coid> {
        let mut ids = super::process::lock(&self.side_ids);
        if ids.is_empty() {
            // Number 0 is the system's own connection in QNX.
            ids.insert(());
        }
        if ids.len() >= MOST_CONNECTIONS {
            return Err(Errno::AGAIN);
        }
        let number = i32::try_from(ids.insert(())).map_err(|_| Errno::AGAIN)?;
        Ok(Coid(Coid::SIDE_CHANNEL | number))
    }

    fn free_side_id(&self, coid: Coid) {
        if coid.is_side_channel()
            && let Ok(number) = usize::try_from(coid.0 & !Coid::SIDE_CHANNEL)
        {
            super::process::lock(&self.side_ids).try_remove(number);
        }
    }
}

/// Flags of a connection that this program finds: it is marked if this program has rights that whoever
/// started it does not have.
pub(super) fn found_flags(said: ConnectFlags) -> ConnectFlags {
    if process::is_privileged() {
        said | ConnectFlags::INSECURE
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use super::{Attachments, MOST_CONNECTIONS, Text};
    use crate::ipc::{ChannelId, Coid, ConnectFlags, Target};
    use resmgr_sys::Errno;

    #[test]
    fn x6_side_channel_numbers_run_out() {
        let all = Attachments::default();
        for number in 1..MOST_CONNECTIONS {
            let coid = i32::try_from(number).map(|number| Coid(Coid::SIDE_CHANNEL | number));
            assert_eq!(all.side_id(), Ok(coid.unwrap()));
        }
        assert_eq!(all.side_id(), Err(Errno::AGAIN));
        all.free_side_id(Coid(Coid::SIDE_CHANNEL | 7));
        assert_eq!(all.side_id(), Ok(Coid(Coid::SIDE_CHANNEL | 7)));
    }

    #[test]
    fn texts_survive_the_way_and_others_are_refused() {
        let target = Target {
            nd: 0,
            pid: 5,
            chid: ChannelId(6),
        };
        let text = Text {
            target,
            birth: 1 << 40 | 7,
            flags: ConnectFlags::REG_EVENTS,
        };
        assert_eq!(Text::decode(&text.encode()), Ok(text));
        let refused = |change: fn(&mut Text)| {
            let mut text = text;
            change(&mut text);
            assert_eq!(Text::decode(&text.encode()), Err(Errno::BADF));
        };
        refused(|text| text.target.nd = 1);
        refused(|text| text.target.pid = 0);
        refused(|text| text.birth = 0);
        refused(|text| text.flags = ConnectFlags::NOINHERIT);
        refused(|text| text.flags = ConnectFlags::from_bits_retain(1 << 30));
        assert_eq!(Text::decode(&[0; Text::BYTES]), Err(Errno::BADF));
    }
}
