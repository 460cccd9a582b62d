//! A client that has done the handshake, and owes nothing to anybody.

use super::layout::{self, LEN, MAGIC, VERSION, packet};
use crate::{LIMIT, World};
use resmgr_sys::epoll::{EventFd, Ready, poll_one};
use resmgr_sys::memory::{Access, Region};
use resmgr_sys::socket;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// One link of the test's own process.
#[derive(Debug)]
pub struct RawClient {
    /// The rendezvous connection.
    pub socket: OwnedFd,
    /// What the server sent: the client's part, the server's part, the bell.
    pub fds: Vec<OwnedFd>,
    /// The client's part.
    pub ours: Region,
    /// The server's part.
    pub theirs: Region,
    bell: EventFd,
}

impl RawClient {
    /// Connects to a process and says nothing.
    pub fn stranger(world: &World, pid: u32) -> OwnedFd {
        socket::connect(&world.socket_of(pid), LIMIT).unwrap()
    }

    /// Attaches to a channel.
    pub fn attach(world: &World, pid: u32, chid: u32) -> Self {
        Self::ask(world, pid, chid).expect("not welcome")
    }

    /// The same, or the server's reason why not.
    ///
    /// # Errors
    /// The one that the welcome carries.
    pub fn ask(world: &World, pid: u32, chid: u32) -> resmgr_sys::Result<Self> {
        let socket = Self::stranger(world, pid);
        socket::send(socket.as_fd(), &packet(&[MAGIC, VERSION, chid, 0, 0]), &[]).unwrap();
        let mut bytes = [0; 64];
        let welcome = socket::receive_until(socket.as_fd(), &mut bytes, Some(soon())).unwrap();
        assert_eq!(bytes[..8], packet(&[MAGIC, VERSION]), "no server");
        let errno = bytes[8..]
            .first_chunk()
            .map(|word| i32::from_ne_bytes(*word));
        if let Some(errno) = errno.and_then(resmgr_sys::Errno::from_raw) {
            return Err(errno);
        }
        let fds = welcome.fds;
        Ok(Self {
            ours: Region::map(fds[0].as_fd(), LEN, Access::Write).unwrap(),
            theirs: Region::map(fds[1].as_fd(), LEN, Access::Read).unwrap(),
            bell: EventFd::from_received(fds[2].try_clone().unwrap()).unwrap(),
            socket,
            fds,
        })
    }

    /// Writes the ring's entry at `position` of its first lap.
    pub fn entry(&self, position: u32, kind: u32, index: u32) {
        let word = 1 << 16 | kind << 14 | index;
        self.ours
            .word(layout::RING_AT + position as usize * 4)
            .store(word, Ordering::SeqCst);
    }

    /// Fills a slot as a client does before it announces the call.
    pub fn fill(&self, slot: u32, number: u32, header: &[u8]) {
        let at = layout::slot(slot);
        self.ours.write(at + layout::FIELDS, header).unwrap();
        // 1 is "sent".
        self.ours.word(at).store(number << 2 | 1, Ordering::SeqCst);
    }

    /// Rings.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Waits until the server has answered a call.
    pub fn is_answered(&self, slot: u32, number: u32) -> bool {
        let answer = self.theirs.word(layout::slot(slot));
        let deadline = soon();
        while answer.load(Ordering::SeqCst) != number << 2 | 1 {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Waits until the server has closed the link.
    pub fn is_closed(&self) -> bool {
        is_closed(&self.socket)
    }

    /// Whether it is closed now.
    pub fn is_closed_now(&self) -> bool {
        closed_until(&self.socket, Instant::now())
    }
}

/// Waits until the other end of a connection is closed.
pub fn is_closed(socket: &OwnedFd) -> bool {
    closed_until(socket, soon())
}

fn closed_until(socket: &OwnedFd, deadline: Instant) -> bool {
    poll_one(socket.as_fd(), Ready::PEER_CLOSED, Some(deadline)).unwrap()
}

fn soon() -> Instant {
    Instant::now() + LIMIT
}
