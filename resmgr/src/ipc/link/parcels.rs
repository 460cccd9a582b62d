//! Descriptors that go with a call, on both ends of a link: a packet ahead of the message, and a packet ahead
//! of the reply. In one process they go from hand to hand.
//!
//! The packet is in the socket before the message or the reply can be seen, so whoever has seen it and knows
//! that descriptors come with it finds them there.

use super::control::{MOST_DESCRIPTORS, MOST_PARCELS, Packet, Parcel};
use super::inbox::lock;
use super::staging::Staged;
use super::{ClientLink, ServerLink};
use crate::ipc::{Reply, SendError, SendOptions, janitor};
use resmgr_sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

fn copies(fds: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>> {
    let copies = fds.iter().map(BorrowedFd::try_clone_to_owned);
    Ok(copies.collect::<std::io::Result<_>>()?)
}

impl ClientLink {
    /// Sends the descriptors of a call ahead of it, and notes how many it takes back. Gives the slot back when
    /// that fails.
    #[cold]
    pub(super) fn lend_descriptors(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
    ) -> Result<(), SendError> {
        let lent = self.try_lend(staged.slot, staged.number, options);
        lent.map_err(|errno| {
            self.end_parcels(staged.slot, staged.number);
            self.give_back(staged.slot, staged.block);
            SendError::Unsent(errno)
        })
    }

    fn try_lend(&self, slot: u16, number: u32, options: &SendOptions<'_>) -> Result<()> {
        let fds = options.descriptors;
        if fds.len() > usize::from(self.far.descriptors) {
            return Err(Errno::NOTSUP);
        }
        let mut state = lock(&self.inbox.0);
        if state.expected.len() >= MOST_PARCELS {
            return Err(Errno::AGAIN);
        }
        state.expected.push((slot, number, options.takes()));
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
    pub(super) fn take_descriptors(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        collected: Result<Reply, SendError>,
    ) -> Result<Reply, SendError> {
        let place = (staged.slot, staged.number);
        let count = collected
            .and_then(|_| staged.answer())
            .map_or(0, |fields| fields.descriptors());
        let taken = self.close_parcel(place.0, place.1);
        match (collected, taken, options.take) {
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

    /// The call is over. What came for it and was not wanted is closed.
    pub(super) fn end_parcels(self: &Arc<Self>, slot: u16, number: u32) {
        janitor::close(self.close_parcel(slot, number).into_iter().flatten());
    }

    /// The server has sent what goes with an answer before it answered: after a last look at the socket
    /// nothing more may come for this call.
    fn close_parcel(self: &Arc<Self>, slot: u16, number: u32) -> Option<Vec<OwnedFd>> {
        let mut state = lock(&self.inbox.0);
        let is_it = |(s, n, _): &(u16, u32, u8)| (*s, *n) == (slot, number);
        let place = state.expected.iter().position(is_it)?;
        if state.expected[place].2 > 0 {
            self.read_locked(&mut state, super::inbox::MOST_UNREAD);
        }
        let place = state.expected.iter().position(is_it)?;
        state.expected.swap_remove(place);
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
        lock(&inbox.0).parcels.put(parcel, copies(fds)?);
        Ok(())
    }
}
