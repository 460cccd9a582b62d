//! The connections of this process, by number.
//!
//! A connection is an entry of this table; the [`Connection`](super::Connection) that a program holds, and the
//! number that it may use instead, both mean the entry. A number in the descriptor space is kept by a
//! descriptor as well, which says to which channel it leads: that is how forked children and new programs find
//! the connections that they inherit.

use super::attachment::Attachment;
use super::inherited::{Text, closes_on_exec};
use super::link::ClientLink;
use super::process::lock;
use super::{Coid, ConnectFlags};
use resmgr_sys::standin::StandIn;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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
    /// A new connection on `link`, if there are not as many side channels as there may be at `most`. If its number was another connection's, whose descriptor the program has
    /// closed, that one comes second: it is the caller's to detach.
    pub(super) fn add(
        &self,
        link: &Arc<ClientLink>,
        id: NewId,
        flags: ConnectFlags,
        most: usize,
    ) -> Result<(Arc<Attachment>, Option<Arc<Attachment>>)> {
        let (coid, stand_in) = match id {
            NewId::Side => (self.side_id(most)?, None),
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
        lock(&link.coids).insert(coid);
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

    fn side_id(&self, most: usize) -> Result<Coid> {
        let mut ids = lock(&self.side_ids);
        if ids.is_empty() {
            // Number 0 is the system's own connection in QNX.
            ids.insert(());
        }
        if ids.len() > most {
            return Err(Errno::MFILE);
        }
        let number = i32::try_from(ids.insert(())).map_err(|_| Errno::MFILE)?;
        Ok(Coid(Coid::SIDE_CHANNEL | number))
    }

    fn free_side_id(&self, coid: Coid) {
        if coid.is_side_channel()
            && let Ok(number) = usize::try_from(coid.0 & !Coid::SIDE_CHANNEL)
        {
            lock(&self.side_ids).try_remove(number);
        }
    }
}
