//! [`Link`]: one connection to one server, and a request's way there and back.

use crate::directory::RuntimeDir;
use crate::page::View;
use crate::protocol::{self, MOST, Request, VERSION};
use crate::registration::AttachId;
use crate::server::SOCKET;
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Whether an error means that nobody serves there (any more).
pub(super) fn is_gone(errno: Errno) -> bool {
    const GONE: [Errno; 5] = [
        Errno::NOENT,
        Errno::CONNREFUSED,
        Errno::CONNRESET,
        Errno::PIPE,
        Errno::NOTCONN,
    ];
    GONE.contains(&errno)
}

/// By how much a receive may outlast its deadline.
const SLACK: Duration = Duration::from_millis(10);

/// A connection whose server is the directory's owner's.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: PrivateFd,
    pub(super) server: u32,
    serial: u32,
    /// The descriptor that the last answer brought.
    pub(super) brought: Option<OwnedFd>,
    view: Option<View>,
    buffer: Box<[u8; MOST]>,
    /// How long one receive may wait by itself.
    patience: Duration,
    /// Attachments whose caller gave up: should the answer still come, nobody wants the name.
    given_up: Vec<u32>,
}

impl Link {
    /// Connects and greets. Also returns how many names are kept for this process.
    pub(super) fn open(dir: &RuntimeDir, deadline: Instant) -> Result<(Self, u32)> {
        let patience = deadline.saturating_duration_since(Instant::now());
        // No time at all would mean no limit to the kernel.
        let patience = patience.max(Duration::from_millis(1));
        let socket =
            socket::connect(&dir.entry(SOCKET), patience).map_err(|errno| match errno {
                Errno::AGAIN => Errno::TIMEDOUT,
                other => other,
            })?;
        let socket = PrivateFd::new(socket);
        let server = socket::peer_credentials(socket.as_fd())?;
        if server.uid != dir.owner_uid() {
            tracing::warn!(
                server.pid,
                server.uid,
                "the namespace is served by somebody else"
            );
            return Err(Errno::ACCES);
        }
        socket::set_waiting(socket.as_fd(), patience)?;
        let mut link = Self {
            socket,
            server: server.pid,
            serial: 0,
            brought: None,
            view: None,
            buffer: Box::new([0; MOST]),
            patience,
            given_up: Vec::new(),
        };
        let hello = Request::Hello { version: VERSION };
        link.send(&hello, deadline)?;
        let kept = link.welcome(dir.owner_uid(), deadline)?;
        Ok((link, kept))
    }

    /// The answer to the greeting, and the page that comes with it.
    fn welcome(&mut self, owner: u32, deadline: Instant) -> Result<u32> {
        let mut buffer = [0; 64];
        let packet = socket::receive_until(self.socket.as_fd(), &mut buffer, Some(deadline))?;
        let said = buffer.get(..packet.len).ok_or(Errno::PROTO)?;
        let (_, content) = protocol::decode_answer(said).map_err(|_| Errno::PROTO)?;
        let kept = protocol::decode_kept(content?).map_err(|_| Errno::PROTO)?;
        let view = packet.fds.into_iter().next().map(|fd| View::new(fd, owner));
        self.view = view.transpose()?;
        Ok(kept)
    }

    /// The server's page; only once.
    pub(super) fn take_view(&mut self) -> Option<View> {
        self.view.take()
    }

    /// The serial of the last request.
    pub(super) fn last_serial(&self) -> u32 {
        self.serial
    }

    /// The next packet under a serial, if one is there already.
    ///
    /// # Errors
    /// - `EAGAIN`: there is none.
    pub(super) fn told(&self, serial: u32) -> Result<Vec<u8>> {
        let mut buffer = [0; 64];
        let packet = match socket::receive_plain(self.socket.as_fd(), &mut buffer) {
            Ok(packet) if packet.len == 0 => return Err(Errno::CONNRESET),
            Err(Errno::INTR) => return Err(Errno::AGAIN),
            packet => packet?,
        };
        let said = buffer.get(..packet.len).ok_or(Errno::PROTO)?;
        match protocol::decode_answer(said).map_err(|_| Errno::PROTO)? {
            (to, content) if to == serial => content.map(<[u8]>::to_vec),
            _ => Err(Errno::PROTO),
        }
    }

    /// Whether the server has closed the connection, as far as can be seen now.
    pub(super) fn is_over(&self) -> bool {
        let ends = Ready::PEER_CLOSED;
        matches!(
            poll_one(self.socket.as_fd(), ends, Some(Instant::now())),
            Ok(true)
        )
    }

    /// Sends a request and waits for its answer. The outer error is the conversation's, the inner one the
    /// server's.
    pub(super) fn round_trip(
        &mut self,
        request: &Request,
        deadline: Instant,
    ) -> Result<Result<Vec<u8>>> {
        let serial = self.send(request, deadline)?;
        let brings = matches!(request, Request::Listen);
        let answer = self.receive(serial, brings, deadline);
        if answer == Err(Errno::TIMEDOUT)
            && matches!(request, Request::Attach { .. } | Request::Link { .. })
        {
            self.given_up.push(serial);
        }
        answer
    }

    fn send(&mut self, request: &Request, deadline: Instant) -> Result<u32> {
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        let packet = request.encode(self.serial)?;
        loop {
            match socket::send(self.socket.as_fd(), &packet, &[]) {
                Err(Errno::AGAIN) => {}
                done => return done.map(|()| self.serial),
            }
            match poll_one(self.socket.as_fd(), Ready::OUT, Some(deadline)) {
                Ok(true) | Err(Errno::INTR) => {}
                Ok(false) => return Err(Errno::TIMEDOUT),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Waits for the answer with this serial; answers to calls that were given up are passed over.
    fn receive(&mut self, serial: u32, brings: bool, deadline: Instant) -> Result<Result<Vec<u8>>> {
        loop {
            let len = self.wait_for_packet(brings, deadline)?;
            let packet = self.buffer.get(..len).ok_or(Errno::PROTO)?;
            let (to, content) = protocol::decode_answer(packet).map_err(|_| Errno::PROTO)?;
            match content {
                Err(refused) if to == 0 => return Err(refused),
                content if to == serial => return Ok(content.map(<[u8]>::to_vec)),
                content => {
                    let unwanted = unwanted(content);
                    self.pass_over(to, unwanted, deadline)?;
                }
            }
        }
    }

    /// The next packet's length; it is in the buffer. One system call when the deadline leaves the socket's
    /// own patience, as it does for every call that did not have to wait for its turn, and when the answer brings
    /// no descriptor.
    fn wait_for_packet(&mut self, brings: bool, deadline: Instant) -> Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if brings || left + SLACK < self.patience {
                let buffer = &mut self.buffer[..];
                let packet = socket::receive_until(self.socket.as_fd(), buffer, Some(deadline))?;
                self.brought = packet.fds.into_iter().next();
                return Ok(packet.len);
            }
            match socket::receive_waiting(self.socket.as_fd(), &mut self.buffer[..]) {
                Ok(0) => return Err(Errno::CONNRESET),
                Ok(len) => return Ok(len),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn pass_over(&mut self, to: u32, unwanted: Option<AttachId>, deadline: Instant) -> Result<()> {
        let Some(at) = self.given_up.iter().position(|serial| *serial == to) else {
            return Ok(());
        };
        self.given_up.swap_remove(at);
        match unwanted {
            Some(id) => self.send(&Request::Detach(id), deadline).map(drop),
            None => Ok(()),
        }
    }
}

/// The name of an attachment whose caller has given up, if it was made.
fn unwanted(content: Result<&[u8]>) -> Option<AttachId> {
    let id = protocol::decode_attached(content.ok()?).ok()?;
    (id != AttachId(0)).then_some(id)
}

/// The server learns the end even if some forked child has a copy of the socket.
impl Drop for Link {
    fn drop(&mut self) {
        if self.socket.is_ours() {
            socket::shutdown(self.socket.as_fd());
        }
    }
}
