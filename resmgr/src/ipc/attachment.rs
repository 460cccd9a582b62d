//! One connection of this process.

use super::inherited::{Text, closes_on_exec};
use super::link::ClientLink;
use super::{Coid, ConnectFlags, ServerInfo, process};
use resmgr_sys::standin::StandIn;
use resmgr_sys::{Errno, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
            process::current().detach(self);
        } else if self.is_inherited() {
            // A child: its own connection of this number goes, or at least the descriptor. The rest is the
            // parent's, whose locks may be held for ever here.
            match process::current().connections.get(self.coid) {
                Some(own) => process::current().detach(&own),
                None => self.close_in_child(),
            }
        }
    }

    /// Gives the number free, unless it means something else by now.
    pub(super) fn close(&self) {
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

    pub(super) fn stands_in(&self, other: Option<&StandIn>) -> bool {
        let mine = self.stand_in();
        mine.as_ref()
            .zip(other)
            .is_some_and(|(mine, other)| mine.is_same(other))
    }

    /// Whether its link is no other connection's but of those made from it.
    pub(super) fn is_unshared(&self) -> bool {
        self.link.is_ours() && self.stored_flags().contains(ConnectFlags::NOSHARE)
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
        if new.contains(ConnectFlags::REG_EVENTS) {
            self.link.take_registered_only();
        }
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
