//! The space of an open file, and locks on it.

use super::{Calls, sent};
use crate::client::attributes::cut;
use crate::wire::{
    LockAction, LockKind, LockReply, LockRequest, Seek, Space, SpaceKind, decode_space_reply,
};
use crate::{Errno, Result};

impl Calls<'_> {
    /// Changes how long the file is; returns how long it is then.
    pub fn set_len(&self, size: u64) -> Result<u64> {
        self.space(cut(size))
    }

    /// Takes space for `len` bytes from `offset` on; the file grows if it must. Returns how long it is then.
    pub fn allocate(&self, offset: u64, len: u64) -> Result<u64> {
        self.range(SpaceKind::Allocate, offset, len)
    }

    /// Gives the space of `len` bytes from `offset` on back.
    pub fn free(&self, offset: u64, len: u64) -> Result<u64> {
        self.range(SpaceKind::Free, offset, len)
    }

    /// The first byte from `offset` on that was written.
    pub fn seek_data(&self, offset: u64) -> Result<u64> {
        self.seek(Seek::Data(offset))
    }

    /// The first byte from `offset` on that was not.
    pub fn seek_hole(&self, offset: u64) -> Result<u64> {
        self.seek(Seek::Hole(offset))
    }

    /// Locks a range for this process, waiting for it.
    pub fn lock(&self, kind: LockKind, base: Seek, len: i64) -> Result<()> {
        self.lock_with(LockAction::SetWait, kind, (base, len), &mut [])
            .map(drop)
    }

    /// Locks a range for this process now, or fails.
    pub fn try_lock(&self, kind: LockKind, base: Seek, len: i64) -> Result<()> {
        self.lock_with(LockAction::Set, kind, (base, len), &mut [])
            .map(drop)
    }

    /// Takes this process's locks of a range back.
    pub fn unlock(&self, base: Seek, len: i64) -> Result<()> {
        self.try_lock(LockKind::Unlock, base, len)
    }

    /// What stands in the way of a lock.
    pub fn test_lock(&self, kind: LockKind, base: Seek, len: i64) -> Result<Option<LockReply>> {
        let mut room = [0; LockReply::SIZE];
        let came = self.lock_with(LockAction::Get, kind, (base, len), &mut room)?;
        let reply = LockReply::decode(room.get(..came).ok_or(Errno::PROTO)?);
        let reply = reply.map_err(|_| Errno::PROTO)?;
        Ok((reply.kind != LockKind::Unlock).then_some(reply))
    }

    /// Locks the whole file for this open, waiting for it.
    pub fn flock(&self, kind: LockKind) -> Result<()> {
        self.whole(LockAction::FlockWait, kind)
    }

    /// Locks the whole file for this open now, or fails.
    pub fn try_flock(&self, kind: LockKind) -> Result<()> {
        self.whole(LockAction::Flock, kind)
    }

    fn whole(&self, action: LockAction, kind: LockKind) -> Result<()> {
        let all = (Seek::Start(0), 0);
        self.lock_with(action, kind, all, &mut []).map(drop)
    }

    fn lock_with(
        &self,
        action: LockAction,
        kind: LockKind,
        (base, len): (Seek, i64),
        room: &mut [u8],
    ) -> Result<usize> {
        let mut message = Vec::new();
        LockRequest {
            action,
            kind,
            base,
            len,
        }
        .encode(&mut message)?;
        self.send_bytes(&message, room).map(|reply| reply.len)
    }

    /// No bytes are nothing to do; on the wire they would be all bytes.
    fn range(&self, kind: SpaceKind, offset: u64, len: u64) -> Result<u64> {
        if len == 0 {
            return Err(Errno::INVAL);
        }
        let base = Seek::Start(offset);
        self.space(Space { kind, base, len })
    }

    fn space(&self, space: Space) -> Result<u64> {
        let (mut message, mut room) = (Vec::new(), [0; 8]);
        space.encode(&mut message)?;
        let reply = self.send_bytes(&message, &mut room)?;
        decode_space_reply(sent(&room, reply)).map_err(|_| Errno::PROTO)
    }
}
