//! Connections: from where a client sends.

use super::attachment::{self, Attachment};
use super::attachments::NewId;
use super::borrow::BorrowedRequest;
use super::link::{ClientLink, PulseFields, RequestFields};
use super::recorder::{self, Head, Sending};
use super::rendezvous::Which;
use super::{
    CancelToken, ChannelId, Coid, ConnectFlags, Credentials, PulseFlags, SendError, ServerInfo,
    TakenDescriptors, Waiting,
};
use super::{caller, process, timeout};
use resmgr_sys::clock::{self, Deadline};
use resmgr_sys::{Errno, Result};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

impl SendOptions<'_> {
    /// Whether the sender waits for the answer and for nothing else.
    #[inline]
    fn only_wait(&self) -> bool {
        self.deadline.is_none() && self.cancel.is_none() && !self.direct && !self.has_descriptors()
    }
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
///
/// It has a number in this process, by which it can be used as well: see [`by_id`](Self::by_id).
///
/// # Descriptors, fork and exec
/// An id in the descriptor space is the number of a descriptor that says where the connection leads. A forked
/// child and a new program (exec, spawn) inherit the descriptor, unless the flags CLOEXEC or NOINHERIT say
/// otherwise, and with it the connection: it is made again when it is first used there, for the server a new
/// client process with its own rights and its own scoid. Nothing happens before that first use, since a child
/// must not wait for a server that may be stopped; so a server does not count those that never use theirs. If
/// the channel has gone meanwhile, that use is `ESRCH`, also when another one has its number by then.
/// Side-channel connections are not inherited: their use in a child is `EBADF`.
///
/// The descriptor is the connection's. A program that closes it by itself, or puts another one in its place
/// with `dup2`, has detached the connection; that is noticed when its number is given to another connection, or
/// when [`info_from`](Self::info_from) or [`detach_id`](Self::detach_id) look at it. Until then sends go on,
/// since they do not look at descriptors. Nobody else's descriptor is closed in either case. What `dup` makes is
/// one more connection, like an inherited one.
#[derive(Debug)]
pub struct Connection {
    attachment: Arc<Attachment>,
    /// Whether the connection goes with this value.
    owns: bool,
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
    ///
    /// # Errors
    /// Also:
    /// - `ENOTSUP`: a flag that is not known here.
    /// - `EINVAL`: the flag DEAD, or a number below 0.
    #[doc(alias = "ConnectAttachExt")]
    pub fn attach_with(target: Target, space: IdSpace, flags: ConnectFlags) -> Result<Self> {
        timeout::clear();
        attachment::check_flags(flags)?;
        if flags.contains(ConnectFlags::DEAD) {
            return Err(Errno::INVAL);
        }
        let id = match space {
            IdSpace::SideChannel => NewId::Side,
            IdSpace::Descriptor(lowest) => NewId::Lowest(lowest),
        };
        let made = process::current().attach(target, Which::default(), id, flags)?;
        Ok(Self::owner(made))
    }

    /// As [`attach`](Self::attach), but only to the process of this identity, as the namespace's entries have it;
    /// 0 stands for any. A process's number may be another one's by now, and so may its socket: nothing is said
    /// to that one.
    ///
    /// # Errors
    /// Also:
    /// - `ESRCH`: it is another one.
    pub fn attach_to(pid: u32, identity: u64, chid: ChannelId) -> Result<Self> {
        Self::attach_which(pid, identity, chid, false)
    }

    /// The same for who sends a message at once, and so learns by that whether the process lives: where this process
    /// has a connection to it, no system call.
    pub(crate) fn attach_to_ask(pid: u32, identity: u64, chid: ChannelId) -> Result<Self> {
        Self::attach_which(pid, identity, chid, true)
    }

    fn attach_which(pid: u32, identity: u64, chid: ChannelId, asks: bool) -> Result<Self> {
        timeout::clear();
        let (target, flags) = (Target { nd: 0, pid, chid }, ConnectFlags::empty());
        let which = Which {
            process: identity,
            asks,
            ..Which::default()
        };
        let made = process::current().attach(target, which, NewId::Side, flags)?;
        Ok(Self::owner(made))
    }

    /// One more to the very channel that this one leads to, whatever has its number, or its process's, by now.
    pub(crate) fn again(&self) -> Result<Self> {
        timeout::clear();
        if self.attachment.is_unshared() {
            // A client of its own, as the server sees it: so is what is made of it.
            return process::current().beside(&self.attachment).map(Self::owner);
        }
        let far = &self.link().far;
        let (nd, pid, chid) = (0, far.pid, far.chid);
        let which = Which {
            birth: far.birth,
            process: match self.link().remote() {
                Some(remote) => remote.identity(pid)?,
                None => 0,
            },
            asks: true,
        };
        let (target, flags) = (Target { nd, pid, chid }, ConnectFlags::empty());
        let made = process::current().attach(target, which, NewId::Side, flags)?;
        Ok(Self::owner(made))
    }

    /// Detaches it and every other connection on its link, whoever holds them: what the server sees when a client's
    /// process ends. Their sends end with `EBADF`.
    pub(crate) fn sever(&self) {
        process::current().sever(self.link());
    }

    pub(super) fn owner(attachment: Arc<Attachment>) -> Self {
        Self {
            attachment,
            owns: true,
        }
    }

    pub(super) fn user(attachment: Arc<Attachment>) -> Self {
        Self {
            attachment,
            owns: false,
        }
    }

    pub(super) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    pub(super) fn link(&self) -> &Arc<ClientLink> {
        &self.attachment.link
    }

    /// Its id in this process.
    #[doc(alias = "coid")]
    pub fn id(&self) -> Coid {
        self.attachment.coid
    }

    /// Leaves it attached, as its number alone: it is detached by [`detach_id`](Self::detach_id).
    pub fn into_id(mut self) -> Coid {
        self.owns = false;
        self.id()
    }

    /// The server behind it.
    #[doc(alias = "ConnectServerInfo")]
    pub fn server_info(&self) -> ServerInfo {
        timeout::clear();
        if self.attachment.is_inherited()
            && let Ok(own) = Self::by_id(self.id())
        {
            return own.attachment.info();
        }
        self.attachment.info()
    }

    /// Its flags, with DEAD if the server has gone.
    ///
    /// # Errors
    /// - `EBADF`: it has been detached.
    pub fn flags(&self) -> Result<ConnectFlags> {
        self.set_flags(ConnectFlags::empty(), ConnectFlags::empty())
    }

    /// Sets the flags under `mask` to those in `bits`; returns all of them as they were before.
    ///
    /// QNX's call names a process; here it is always the caller's own.
    ///
    /// # Errors
    /// - `ENOTSUP`: a flag that is not known here.
    /// - `EINVAL`: one that cannot be set (DEAD), or only when attaching (NOSHARE).
    /// - `EBADF`: it has been detached.
    #[doc(alias = "ConnectFlags")]
    pub fn set_flags(&self, mask: ConnectFlags, bits: ConnectFlags) -> Result<ConnectFlags> {
        timeout::clear();
        if self.attachment.is_inherited() {
            return Self::by_id(self.id())
                .map_err(|_| Errno::BADF)?
                .set_flags(mask, bits);
        }
        self.attachment.set_flags(mask, bits)
    }

    /// Sends and waits for the answer: blocked until a receiver takes the message, and then until it replies.
    ///
    /// # Errors
    /// See [`SendError`].
    #[doc(alias = "MsgSend")]
    pub fn send(&self, message: &[u8], reply: &mut [u8]) -> Result<Reply, SendError> {
        let (message, reply) = (&[IoSlice::new(message)], &mut [IoSliceMut::new(reply)]);
        self.send_by(message, reply, &SendOptions::default())
    }

    /// The same with vectors and options. The parts of each side are seen as one buffer.
    ///
    /// A deadline or a cancellation ends the wait at once, unless the channel has the UNBLOCK flag and a
    /// receiver has the message: then the server is asked to let go, and the send ends when it answers.
    #[doc(alias = "MsgSendv")]
    #[doc(alias = "MsgSendvs")]
    #[doc(alias = "MsgSendsv")]
    pub fn send_with(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        self.send_by(message, reply, &options)
    }

    /// In line in both of its callers: for one of them the options are known, and half of the work goes away.
    #[inline(always)]
    #[expect(clippy::inline_always)] // as said
    fn send_by(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        match timeout::take() {
            None => self.send_now(message, reply, options),
            Some(set) => self.send_until(set, message, reply, options),
        }
    }

    #[cold]
    fn send_until(
        &self,
        set: timeout::Set,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        set.send(options.deadline, |deadline| {
            let options = SendOptions {
                deadline,
                ..*options
            };
            self.send_now(message, reply, &options)
        })
    }

    #[inline(always)]
    #[expect(clippy::inline_always)] // as above
    fn send_now(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        if recorder::traces_sends() {
            return self.send_recorded(message, reply, options);
        }
        self.send_unrecorded(message, reply, options)
    }

    #[cold]
    fn send_recorded(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let far = &self.link().far;
        let server = match far.pid {
            0 => std::process::id(),
            pid => pid,
        };
        let sending = Sending {
            server,
            chid: far.chid.raw(),
            scoid: far.scoid.raw(),
            coid: self.id(),
            priority: options.priority.unwrap_or_else(caller::priority),
            len: message.iter().map(|part| part.len() as u64).sum(),
            head: Head::of(message),
            begun: clock::exact(),
        };
        let sent = self.send_unrecorded(message, reply, options);
        let outcome = sent.map(|reply| reply.status);
        recorder::sent(&sending, outcome.map_err(SendError::errno));
        sent
    }

    #[inline(always)]
    #[expect(clippy::inline_always)] // as above
    fn send_unrecorded(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let through = &*self.attachment;
        let room = reply.iter().map(|part| part.len()).sum();
        let fields = RequestFields::of(through.coid.raw(), room, options);
        if options.only_wait() {
            let (link, detached) = (&through.link, through.detached());
            let sent = link.call_ordinary(detached, message, reply, &fields, options.waiting);
            if let Some(sent) = sent {
                return sent;
            }
        }
        self.send_otherwise(message, reply, fields, options)
    }

    #[cold]
    fn send_otherwise(
        &self,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let send = |through: &Attachment, reply: &mut [IoSliceMut<'_>]| {
            let detached = through.detached();
            through.link.call(detached, message, reply, fields, options)
        };
        match send(&self.attachment, reply) {
            // Nothing was sent: the parent's link is not this process's.
            Err(SendError::Gone(Errno::BADF)) if self.attachment.is_inherited() => {
                let own = Self::by_id(self.id()).map_err(SendError::Gone)?;
                send(&own.attachment, reply)
            }
            sent => sent,
        }
    }

    /// Room for a message of `len` bytes in the memory that the server reads: what is built there needs no copy
    /// when it is sent. Worth it from some ten KiB on.
    ///
    /// # Errors
    /// - `ESRCH`, `EBADF`: the server has gone; the connection has been detached, or is a side channel of the parent
    ///   of this process.
    /// - `EMSGSIZE`: longer than any message on this link.
    /// - `ENOMEM`: other messages under way leave no room.
    pub fn borrow(&self, len: usize) -> Result<BorrowedRequest> {
        if self.attachment.is_inherited() {
            return Self::by_id(self.id())?.borrow(len);
        }
        BorrowedRequest::new(&self.attachment, len)
    }

    /// Sends a pulse; `None` takes the thread's priority. Never waits.
    ///
    /// # Errors
    /// - `EAGAIN`: 128 pulses of this process are not yet received, or as many as its share of the channel's
    ///   pool ([`PulsePool`](super::PulsePool)) has.
    /// - `ESRCH`: the server has gone.
    /// - `EBADF`: it has been detached, or it is a side channel of the parent of this process.
    #[doc(alias = "MsgSendPulse")]
    #[doc(alias = "MsgSendPulsePtr")]
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
        if self.attachment.is_inherited() {
            let own = Self::by_id(self.id())?;
            return own.send_pulse_with(Some(priority), code, value, flags);
        }
        if self.attachment.detached().load(Ordering::Relaxed) {
            return Err(Errno::BADF);
        }
        self.attachment.link.pulse(PulseFields {
            value,
            code,
            priority,
            flags,
            inherits: false,
        })
    }

    /// Detaches now; dropping does the same. See [`detach_id`](Self::detach_id).
    #[doc(alias = "ConnectDetach")]
    pub fn detach(self) {}
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.owns {
            timeout::clear();
            self.attachment.let_go();
        }
    }
}
