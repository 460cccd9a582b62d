//! Descriptors that go with a call, on both ends of a link: a packet ahead of the message, and a packet ahead
//! of the reply. In one process they go from hand to hand.
//!
//! The packet is in the socket before the message or the reply can be seen, so whoever has seen it and knows
//! that descriptors come with it finds them there.

use super::control::{MOST_DESCRIPTORS, MOST_PARCELS, Packet, Parcel};
use super::inbox::{Expected, lock};
use super::staging::Staged;
use super::{ClientLink, ServerLink};
use crate::ipc::{SendError, SendOptions, TakenDescriptors, janitor};
use resmgr_sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

fn copies(fds: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>> {
    let copies = fds.iter().map(BorrowedFd::try_clone_to_owned);
    Ok(copies.collect::<std::io::Result<_>>()?)
}

/// The descriptors of a call that nobody is blocked in, as long as it is under way.
#[derive(Debug)]
pub(super) struct Kept {
    /// Copies of those that it lends: the server may want the message once more.
    lent: Vec<OwnedFd>,
    take: Option<TakenDescriptors>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        janitor::close(self.lent.drain(..));
    }
}

impl ClientLink {
    /// What has to be kept for a call with these options: nothing, if no descriptors go with it or come back.
    ///
    /// # Errors
    /// - `ENOTSUP`: more than the channel asks for.
    /// - `EMFILE` and the like: they cannot be copied.
    pub(super) fn keep_descriptors(&self, options: &SendOptions<'_>) -> Result<Option<Box<Kept>>> {
        if !options.has_descriptors() {
            return Ok(None);
        }
        self.check_count(options.descriptors)?;
        Ok(Some(Box::new(Kept {
            lent: copies(options.descriptors)?,
            take: options.take.cloned(),
        })))
    }

    fn check_count(&self, fds: &[BorrowedFd<'_>]) -> Result<()> {
        if fds.len() > usize::from(self.far.descriptors) {
            return Err(Errno::NOTSUP);
        }
        Ok(())
    }

    /// Sends the descriptors of a call ahead of it, and notes how many it takes back. Gives the slot back when
    /// that fails.
    #[cold]
    pub(super) fn lend_descriptors(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
    ) -> Result<(), SendError> {
        let lent = self.try_lend(
            staged.slot,
            staged.number,
            options.descriptors,
            options.takes(),
        );
        lent.map_err(|errno| {
            self.end_parcels(staged.slot, staged.number);
            self.give_back(staged.slot, staged.block);
            SendError::Unsent(errno)
        })
    }

    /// The same with those that were kept.
    #[cold]
    pub(super) fn lend_kept(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        kept: &Kept,
    ) -> Result<(), SendError> {
        let fds: Vec<_> = kept.lent.iter().map(AsFd::as_fd).collect();
        let options = SendOptions {
            descriptors: &fds,
            take: kept.take.as_ref(),
            ..SendOptions::default()
        };
        self.lend_descriptors(staged, &options)
    }

    fn try_lend(&self, slot: u16, number: u32, fds: &[BorrowedFd<'_>], takes: u8) -> Result<()> {
        self.check_count(fds)?;
        let mut state = lock(&self.inbox.0);
        if state.expected.len() >= MOST_PARCELS {
            return Err(Errno::AGAIN);
        }
        state.expected.push(Expected {
            slot,
            number,
            most: takes,
            wanted: true,
        });
        let count = u8::try_from(fds.len()).map_err(|_| Errno::NOTSUP)?;
        if count == 0 {
            return Ok(());
        }
        let parcel = Parcel {
            slot,
            number,
            count,
        };
        if let Some(server) = self.local() {
            lock(&server.inbox.0).parcels.put(parcel, copies(fds)?);
            return Ok(());
        }
        let remote = self.remote().ok_or(Errno::SRCH)?;
        super::control::send(remote.socket.as_fd(), Packet::Descriptors(parcel), fds)
    }

    /// The descriptors that came with an answer.
    #[cold]
    pub(super) fn take_descriptors<T: Copy>(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        room: Option<&TakenDescriptors>,
        collected: Result<T, SendError>,
    ) -> Result<T, SendError> {
        let count = collected
            .and_then(|_| staged.answer())
            .map_or(0, |fields| fields.descriptors());
        let taken = self.close_parcel(staged.slot, staged.number);
        match (collected, taken, room) {
            (Ok(reply), Some(fds), Some(room)) if fds.len() as u64 == u64::from(count) => {
                room.put(fds);
                Ok(reply)
            }
            (Ok(reply), None, _) if count == 0 => Ok(reply),
            (collected, taken, _) => {
                janitor::close(taken.into_iter().flatten());
                collected.and(Err(SendError::Protocol))
            }
        }
    }

    /// The same for a call that nobody is blocked in.
    #[cold]
    pub(super) fn take_kept<T: Copy>(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        kept: &Kept,
        collected: Result<T, SendError>,
    ) -> Result<T, SendError> {
        self.take_descriptors(staged, kept.take.as_ref(), collected)
    }

    /// Nobody waits any more for what the server may still send with its answer: it is closed when it comes.
    pub(super) fn disown_parcels(&self, slot: u16, number: u32) {
        let mut state = lock(&self.inbox.0);
        if let Some(call) = state.expected(slot, number) {
            call.wanted = false;
            janitor::close(state.parcels.take(slot, number).into_iter().flatten());
        }
    }

    /// The call is over. What came for it and was not wanted is closed.
    pub(super) fn end_parcels(self: &Arc<Self>, slot: u16, number: u32) {
        janitor::close(self.close_parcel(slot, number).into_iter().flatten());
    }

    /// The server has sent what goes with an answer before it answered: after a last look at the socket
    /// nothing more may come for this call.
    fn close_parcel(self: &Arc<Self>, slot: u16, number: u32) -> Option<Vec<OwnedFd>> {
        let mut state = lock(&self.inbox.0);
        if state.expected(slot, number)?.most > 0 {
            self.read_locked(&mut state, super::inbox::MOST_UNREAD);
        }
        let is_other = |call: &Expected| (call.slot, call.number) != (slot, number);
        state.expected.retain(is_other);
        state.parcels.take(slot, number)
    }
}

impl ServerLink {
    /// The descriptors that came with a message.
    ///
    /// # Errors
    /// - `EBADMSG`: the client said that there are some, and sent none.
    pub(crate) fn take_parcel(&self, slot: u16, number: u32) -> Result<Vec<OwnedFd>> {
        let mut state = lock(&self.inbox.0);
        if let Some(fds) = state.parcels.take(slot, number) {
            return Ok(fds);
        }
        self.read_locked(&mut state, super::inbox::MOST_UNREAD);
        state.parcels.take(slot, number).ok_or(Errno::BADMSG)
    }

    /// Nobody has fetched a message's descriptors.
    pub(crate) fn drop_parcel(&self, slot: u16, number: u32) {
        if let Ok(fds) = self.take_parcel(slot, number) {
            janitor::close(fds);
        }
    }

    /// Sends descriptors ahead of a reply.
    ///
    /// # Errors
    /// - `EAGAIN`: the client does not read.
    /// - `ESRCH`: it has gone.
    pub(crate) fn send_parcel(&self, slot: u16, number: u32, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let count = u8::try_from(fds.len()).map_err(|_| Errno::MSGSIZE)?;
        if count > MOST_DESCRIPTORS {
            return Err(Errno::MSGSIZE);
        }
        let parcel = Parcel {
            slot,
            number,
            count,
        };
        if self.socket().is_some() {
            return self.say(Packet::Descriptors(parcel), fds);
        }
        let inbox = lock(&self.far_inbox).upgrade().ok_or(Errno::SRCH)?;
        lock(&inbox.0).arrived(parcel, copies(fds)?);
        Ok(())
    }
}
