//! What each side has been sent on a link's socket.
//!
//! The background thread reads, and so does whoever needs a packet now: under one lock for each link, so
//! packets are taken in turn. What waits to be fetched is bounded, since a well-behaved peer is: it has so
//! many lanes, and so many calls with descriptors under way.

use super::control::{self, MOST_PARCELS, Packet, Parcel, Read};
use super::{Breach, ClientLink, LinkState, ServerLink};
use crate::ipc::{event, janitor};
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than a socket holds of a well-behaved client's packets: whoever looks for one of them reads so many.
pub(super) const MOST_UNREAD: usize = 512;

/// Descriptors that have come before their message or reply was fetched.
#[derive(Debug, Default)]
pub(super) struct Parcels(Vec<(u16, u32, Vec<OwnedFd>)>);

impl Parcels {
    /// What was left in the slot by an earlier call is dropped.
    /// The oldest make room: a peer that keeps to its bound never has so many under way.
    pub(super) fn put(&mut self, parcel: Parcel, fds: Vec<OwnedFd>) {
        if let Some(place) = self.0.iter().position(|(slot, ..)| *slot == parcel.slot) {
            janitor::close(self.0.remove(place).2);
        } else if self.0.len() >= MOST_PARCELS {
            janitor::close(self.0.remove(0).2);
        }
        self.0.push((parcel.slot, parcel.number, fds));
    }

    pub(super) fn take(&mut self, slot: u16, number: u32) -> Option<Vec<OwnedFd>> {
        let is_it = |(s, n, _): &(u16, u32, _)| (*s, *n) == (slot, number);
        let place = self.0.iter().position(is_it)?;
        Some(self.0.remove(place).2)
    }
}

impl Drop for Parcels {
    fn drop(&mut self) {
        janitor::close(self.0.drain(..).flat_map(|(.., fds)| fds));
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's. Made of what its client has sent.
#[derive(Debug, Default)]
pub(super) struct ServerInbox(pub(super) Mutex<FromClient>);

#[derive(Debug, Default)]
pub(super) struct FromClient {
    /// Where to wake the client's threads.
    wakes: Vec<Wake>,
    pub(super) parcels: Parcels,
    /// The client has asked for a boost.
    boost: bool,
}

#[derive(Debug)]
struct Wake {
    lane: u8,
    number: u32,
    socket: OwnedFd,
}

impl Drop for FromClient {
    fn drop(&mut self) {
        janitor::close(self.wakes.drain(..).map(|wake| wake.socket));
    }
}

impl FromClient {
    /// A lane may be given to another thread: then the new socket counts.
    fn set_wake(&mut self, wake: Wake) -> Result<(), Breach> {
        if !socket::is_local(wake.socket.as_fd()) {
            janitor::close([wake.socket]);
            return Err(Breach("a wake-up socket that is none"));
        }
        if let Some(place) = self.wakes.iter().position(|old| old.lane == wake.lane) {
            janitor::close([self.wakes.swap_remove(place).socket]);
        }
        self.wakes.push(wake);
        Ok(())
    }

    /// False: no such socket.
    fn nudge(&self, number: u32) -> bool {
        let found = self.wakes.iter().find(|wake| wake.number == number);
        // Under the lock: so the janitor's descriptor is the last one, not this thread's.
        found
            .inspect(|wake| socket::nudge(wake.socket.as_fd()))
            .is_some()
    }
}

impl ServerLink {
    /// Reads what the client has sent on the socket; cuts it off when it breaks the rules.
    pub(crate) fn read_control(&self, most: usize) -> Read {
        let mut state = lock(&self.inbox.0);
        self.read_locked(&mut state, most)
    }

    pub(super) fn read_locked(&self, state: &mut FromClient, most: usize) -> Read {
        let Some(socket) = self.socket() else {
            return Read::All;
        };
        let wanted = |_: &FromClient, packet: Packet<'_>| match packet {
            Packet::Wake { .. } | Packet::Boost => Ok(()),
            Packet::Descriptors(parcel) if parcel.count <= self.accepts => Ok(()),
            Packet::Descriptors(_) => Err(Breach("descriptors that nobody asked for")),
            Packet::Event(_) => Err(Breach("an event from a client")),
        };
        let take = |state: &mut FromClient, packet: Packet<'_>, mut fds: Vec<OwnedFd>| match packet
        {
            Packet::Wake { lane, number } => fds.pop().map_or(Ok(()), |socket| {
                state.set_wake(Wake {
                    lane,
                    number,
                    socket,
                })
            }),
            Packet::Descriptors(parcel) => {
                state.parcels.put(parcel, fds);
                Ok(())
            }
            Packet::Boost => {
                state.boost = true;
                Ok(())
            }
            Packet::Event(_) => Ok(()),
        };
        control::read(socket.as_fd(), most, state, wanted, take).unwrap_or_else(|breach| {
            self.breached(breach);
            Read::End
        })
    }

    /// Whether the client has asked for a boost since the last look. A receiver may have read the request while it
    /// woke a client: it is on its way to its next receive then, where the boost is decided anew.
    pub(crate) fn takes_boost_request(&self) -> bool {
        std::mem::take(&mut lock(&self.inbox.0).boost)
    }

    /// Wakes a caller at its socket. One that is not known has been handed over on the way here, or belongs to
    /// a thread that sleeps no more.
    #[cold]
    pub(super) fn wake_at_socket(&self, number: u32) {
        let mut state = lock(&self.inbox.0);
        if !state.nudge(number) && self.read_locked(&mut state, MOST_UNREAD) != Read::End {
            state.nudge(number);
        }
    }

    /// A client of this process gives its socket without a packet.
    pub(super) fn hand_over(&self, lane: u8, number: u32, socket: OwnedFd) {
        let wake = Wake {
            lane,
            number,
            socket,
        };
        // Our own socket is what it should be.
        let _ = lock(&self.inbox.0).set_wake(wake);
    }

    /// Sends an event to the client.
    ///
    /// # Errors
    /// - `EMSGSIZE`: longer than 128 bytes.
    /// - `EAGAIN`: the client does not read.
    /// - `ESRCH`: it has gone.
    pub(crate) fn send_event(&self, event: &[u8]) -> Result<()> {
        if event.len() > control::MOST_EVENT {
            return Err(Errno::MSGSIZE);
        }
        self.say(Packet::Event(event), &[])
    }

    pub(super) fn say(&self, packet: Packet<'_>, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let socket = self.socket().ok_or(Errno::NOTSUP)?;
        control::send(socket.as_fd(), packet, fds).map_err(gone)
    }
}

/// The client's. Made of what its server has sent.
#[derive(Debug, Default)]
pub(super) struct ClientInbox(pub(super) Mutex<FromServer>);

#[derive(Debug, Default)]
pub(super) struct FromServer {
    pub(super) expected: Vec<Expected>,
    pub(super) parcels: Parcels,
}

/// A call with descriptors that is under way.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) slot: u16,
    pub(super) number: u32,
    /// How many the reply may bring.
    pub(super) most: u8,
    /// Whether somebody waits for them.
    pub(super) wanted: bool,
}

impl FromServer {
    pub(super) fn expected(&mut self, slot: u16, number: u32) -> Option<&mut Expected> {
        let mut expected = self.expected.iter_mut();
        expected.find(|call| (call.slot, call.number) == (slot, number))
    }

    /// Keeps what has come ahead of a reply, for whoever waits for that.
    pub(super) fn arrived(&mut self, parcel: Parcel, fds: Vec<OwnedFd>) {
        let expected = self.expected(parcel.slot, parcel.number);
        if expected.is_some_and(|call| call.wanted) {
            self.parcels.put(parcel, fds);
        } else {
            janitor::close(fds);
        }
    }
}

impl ClientLink {
    /// Reads what the server has sent on the socket; ends the link when it breaks the rules.
    pub(crate) fn read_control(self: &Arc<Self>, most: usize) -> Read {
        let mut state = lock(&self.inbox.0);
        self.read_locked(&mut state, most)
    }

    pub(super) fn read_locked(self: &Arc<Self>, state: &mut FromServer, most: usize) -> Read {
        let Some(remote) = self.remote() else {
            return Read::All;
        };
        let wanted = |state: &FromServer, packet: Packet<'_>| match packet {
            Packet::Descriptors(Parcel {
                slot,
                number,
                count,
            }) if state
                .expected
                .iter()
                .any(|call| (call.slot, call.number) == (slot, number) && count <= call.most) =>
            {
                Ok(())
            }
            Packet::Descriptors(_) => Err(Breach("descriptors that nobody asked for")),
            Packet::Event(_) => Ok(()),
            Packet::Boost => Err(Breach("a request for a boost from a server")),
            Packet::Wake { .. } => Err(Breach("a wake-up socket from a server")),
        };
        let take = |state: &mut FromServer, packet: Packet<'_>, fds| match packet {
            Packet::Descriptors(parcel) => {
                state.arrived(parcel, fds);
                Ok(())
            }
            Packet::Event(bytes) => {
                // Under the lock, so that events keep their order.
                event::arrived(self, bytes)
            }
            Packet::Boost | Packet::Wake { .. } => Ok(()),
        };
        let read = control::read(remote.socket.as_fd(), most, state, wanted, take);
        read.unwrap_or_else(|Breach(what)| {
            tracing::warn!(
                pid = self.far.pid,
                what,
                "the server broke the protocol; link closed"
            );
            self.end(LinkState::Dead);
            Read::End
        })
    }
}

/// A send on a socket whose other end has gone.
fn gone(errno: Errno) -> Errno {
    match errno {
        Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Errno::SRCH,
        other => other,
    }
}
