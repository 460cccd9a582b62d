//! A pair of stream sockets, with the system's buffers or with large ones.

use super::payload::{Payload, answer};
use crate::arguments::{Errand, Role, Work};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, passed, say_ready};
use resmgr_sys::measure::set_buffers;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// What [`Stream::start`] can give a socket.
const LARGE: usize = 4 << 20;

/// The client's side.
#[derive(Debug)]
pub(crate) struct Stream {
    name: &'static str,
    socket: UnixStream,
    payload: Payload,
    _server: Server,
}

impl Stream {
    /// Starts a server on `cpu`; `large`: buffers for a whole message of 1 MiB.
    pub(crate) fn start(cpu: Seat, work: Work, large: bool) -> Result<Self, Failure> {
        let (ours, theirs) = UnixStream::pair().doing("make a pair of sockets")?;
        if large {
            for end in [&ours, &theirs] {
                set_buffers(end.as_fd(), LARGE).doing("give a socket buffers")?;
            }
        }
        let errand = Errand {
            work,
            ..Errand::new(Role::Stream, cpu)
        };
        let mut server = Server::start(&errand, Some(theirs.into()))?;
        server.ready()?;
        Ok(Self {
            name: if large { "stream-4m" } else { "stream" },
            socket: ours,
            payload: Payload::new(work),
            _server: server,
        })
    }
}

impl Subject for Stream {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call(&mut self) -> Result<(), Failure> {
        let payload = &mut self.payload;
        payload.stamp();
        let sent = self.socket.write_all(&payload.request);
        sent.doing("write to a stream")?;
        let got = self.socket.read_exact(&mut payload.reply);
        got.doing("read from a stream")?;
        payload.check()
    }
}

/// The server's side: answers until the client has gone.
pub(crate) fn serve(work: Work) -> Result<(), Failure> {
    let mut socket = UnixStream::from(passed()?);
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready("ready")?;
    loop {
        match socket.read_exact(&mut request) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other.doing("read from a stream")?,
        }
        answer(work.service(), &request, &mut reply);
        socket.write_all(&reply).doing("write to a stream")?;
    }
}
