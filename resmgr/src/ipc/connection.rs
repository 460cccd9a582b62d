//! Connections: from where a client sends.

use super::borrow::BorrowedRequest;
use super::link::{ClientLink, LinkState, PulseFields, RequestFields};
use super::{
    CancelToken, ChannelId, Coid, ConnectFlags, Credentials, PulseFlags, SendError, ServerInfo,
    TakenDescriptors, Waiting,
};
use super::{caller, process, timeout};
use resmgr_sys::Result;
use resmgr_sys::clock::Deadline;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Which channel to attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Node; only 0, this machine.
    pub nd: u32,
    /// Process; 0 for the caller's own.
    pub pid: u32,
    /// Channel of that process.
    pub chid: ChannelId,
}

/// Where the connection's id comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdSpace {
    /// Above every possible descriptor.
    #[default]
    #[doc(alias = "_NTO_SIDE_CHANNEL")]
    SideChannel,
    /// The lowest free descriptor from this number on: the id *is* a descriptor.
    Descriptor(i32),
}

/// What a send may have beside its data.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions<'a> {
    /// Place in the server's queue; `None` takes the thread's.
    pub priority: Option<u8>,
    /// Until when to wait for the answer.
    pub deadline: Deadline,
    /// For whom the message is, if not for this process. Servers believe it from root and from their own user.
    pub on_behalf: Option<Credentials>,
    /// How to wait.
    pub waiting: Waiting,
    /// The server may read a long message (from 64 KiB on) in this process's memory, if its channel allows that,
    /// too ([`ChannelOptions::direct`](super::ChannelOptions::direct)): one copy instead of two. Where the system
    /// forbids it (Yama's `ptrace_scope`, another user), the message goes as usual.
    pub direct: bool,
    /// What lets another thread ask for this send to end.
    pub cancel: Option<&'a CancelToken>,
    /// Descriptors that the server gets copies of, if its channel asks for so many
    /// ([`ChannelOptions::descriptors`](super::ChannelOptions::descriptors); else `ENOTSUP`). 64 such calls may be
    /// under way, with those that take some; the next is `EAGAIN`.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// Where descriptors go that come with the reply. Without it there are none.
    pub take: Option<&'a TakenDescriptors>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the server gave as status.
    pub status: i64,
    /// Bytes of the reply buffer that the server wrote, from its start.
    pub len: usize,
}

/// A connection to a channel. Dropping it detaches it.
///
/// All connections of a process to one channel share what lies underneath, so the second one costs next to
/// nothing, and the server sees one client. Any number of threads may send on it at the same time.
#[derive(Debug)]
pub struct Connection {
    link: Arc<ClientLink>,
    coid: Coid,
    /// Keeps the number taken, if it is a descriptor's.
    _descriptor: Option<OwnedFd>,
}

impl Connection {
    /// Attaches to a channel of this machine, in the side-channel space. Process 0 is the caller's own.
    ///
    /// # Errors
    /// - `ESRCH`: no such process or channel.
    /// - `EPERM`: the channel is private, or not open to this user.
    /// - `EMFILE`: too many connections of this process, or descriptors.
    /// - `ENFILE`: as many clients as the channel takes.
    /// - `EUSERS`: as many of this user as the channel takes.
    /// - `EAGAIN`: the server has no descriptors left for one more client.
    /// - `EHOSTUNREACH`: another node.
    /// - `ETIMEDOUT`: the process does not answer (it is stopped, say).
    /// - `EPROTONOSUPPORT`: it was built with another layout of links.
    #[doc(alias = "ConnectAttach")]
    pub fn attach(pid: u32, chid: ChannelId) -> Result<Self> {
        let target = Target { nd: 0, pid, chid };
        Self::attach_with(target, IdSpace::SideChannel, ConnectFlags::empty())
    }

    /// Attaches with every choice.
    pub fn attach_with(target: Target, space: IdSpace, flags: ConnectFlags) -> Result<Self> {
        timeout::clear();
        let close_on_exec = flags.contains(ConnectFlags::CLOEXEC);
        let mut descriptor = None;
        let (link, coid) = process::current().attach(target, |link| {
            let (coid, fd) = process::new_id(link, space, close_on_exec)?;
            descriptor = fd;
            Ok(coid)
        })?;
        if flags.contains(ConnectFlags::REG_EVENTS) {
            link.take_registered_only();
        }
        Ok(Self {
            link,
            coid,
            _descriptor: descriptor,
        })
    }

    pub(super) fn link(&self) -> &Arc<ClientLink> {
        &self.link
    }

    /// Its id in this process.
    #[doc(alias = "coid")]
    pub fn id(&self) -> Coid {
        self.coid
    }

    /// The server behind it.
    #[doc(alias = "ConnectServerInfo")]
    pub fn server_info(&self) -> ServerInfo {
        let far = self.link.far;
        let dead = self.link.state() != LinkState::Open;
        let flags = if dead {
            ConnectFlags::DEAD
        } else {
            ConnectFlags::empty()
        };
        ServerInfo {
            pid: far.pid,
            chid: far.chid,
            scoid: far.scoid,
            flags,
        }
    }

    /// Sends and waits for the answer: blocked until a receiver takes the message, and then until it replies.
    ///
    /// # Errors
    /// See [`SendError`].
    #[doc(alias = "MsgSend")]
    pub fn send(&self, message: &[u8], reply: &mut [u8]) -> Result<Reply, SendError> {
        let (message, reply) = (&[IoSlice::new(message)], &mut [IoSliceMut::new(reply)]);
        self.send_with(message, reply, SendOptions::default())
    }

    /// The same with vectors and options. The parts of each side are seen as one buffer.
    ///
    /// A deadline or a cancellation ends the wait at once, unless the channel has the UNBLOCK flag and a
    /// receiver has the message: then the server is asked to let go, and the send ends when it answers.
    #[doc(alias = "MsgSendv")]
    pub fn send_with(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        match timeout::take() {
            None => self.send_now(message, reply, options),
            Some(set) => set.send(options.deadline, |deadline| {
                self.send_now(
                    message,
                    reply,
                    SendOptions {
                        deadline,
                        ..options
                    },
                )
            }),
        }
    }

    #[inline]
    fn send_now(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let room = reply.iter().map(|part| part.len()).sum();
        let fields = RequestFields::of(self.coid.raw(), room, &options);
        self.link.call(message, reply, fields, &options)
    }

    /// Room for a message of `len` bytes in the memory that the server reads: what is built there needs no copy
    /// when it is sent. Worth it from some ten KiB on.
    ///
    /// # Errors
    /// - `ESRCH`, `EBADF`: the server has gone; the connection was made by the parent of this process.
    /// - `EMSGSIZE`: longer than any message on this link.
    /// - `ENOMEM`: other messages under way leave no room.
    pub fn borrow(&self, len: usize) -> Result<BorrowedRequest> {
        BorrowedRequest::new(&self.link, self.coid.raw(), len)
    }

    /// Sends a pulse; `None` takes the thread's priority. Never waits.
    ///
    /// # Errors
    /// - `EAGAIN`: 128 pulses of this process are not yet received, or as many as its share of the channel's
    ///   pool ([`PulsePool`](super::PulsePool)) has.
    /// - `ESRCH`: the server has gone.
    /// - `EBADF`: the connection was made by the parent of this process.
    #[doc(alias = "MsgSendPulse")]
    pub fn send_pulse(&self, priority: Option<u8>, code: i8, value: i64) -> Result<()> {
        self.send_pulse_with(priority, code, value, PulseFlags::empty())
    }

    /// The same with flags: a pulse that is not queued twice, or that replaces the value of a pending one.
    pub fn send_pulse_with(
        &self,
        priority: Option<u8>,
        code: i8,
        value: i64,
        flags: PulseFlags,
    ) -> Result<()> {
        timeout::clear();
        let priority = priority.unwrap_or_else(caller::priority);
        self.link.pulse(PulseFields {
            value,
            code,
            priority,
            flags,
            inherits: false,
        })
    }

    /// Detaches now; dropping does the same. Threads that are blocked in a send on the last connection to the
    /// channel fail with `EBADF`.
    #[doc(alias = "ConnectDetach")]
    pub fn detach(self) {}
}

impl Drop for Connection {
    fn drop(&mut self) {
        process::current().detach(&self.link, self.coid);
    }
}
