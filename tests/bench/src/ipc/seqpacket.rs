//! A pair of packet sockets. What does not fit into one packet goes in several, and both sides know how long
//! the whole is: no header to read first. The buffers keep the system's size: larger ones (1 MB, 2 MB) made
//! 1 MiB on one processor a quarter slower and nothing faster.

use super::payload::{Payload, REPLY, answer};
use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::server::{Server, passed, say_ready};
use resmgr_sys::socket;
use std::io;
// The kernel knows what kind of socket it is; this type only lends `send` and `recv`.
use std::os::unix::net::UnixDatagram as Socket;

const PACKET: usize = 64 << 10;

/// The client's side.
#[derive(Debug)]
pub(crate) struct Seqpacket {
    socket: Socket,
    payload: Payload,
    _server: Server,
}

impl Seqpacket {
    /// Starts a server on `cpu`.
    pub(crate) fn start(cpu: usize, size: usize) -> Result<Self, Failure> {
        let (ours, theirs) = socket::pair().doing("make a pair of sockets")?;
        let errand = Errand {
            size,
            ..Errand::new(Role::Seqpacket, cpu)
        };
        let mut server = Server::start(&errand, Some(theirs))?;
        server.ready()?;
        Ok(Self {
            socket: ours.into(),
            payload: Payload::new(size),
            _server: server,
        })
    }
}

impl Subject for Seqpacket {
    fn name(&self) -> &'static str {
        "seqpacket"
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        let payload = &mut self.payload;
        payload.stamp();
        send(&self.socket, &payload.request).doing("send a packet")?;
        if !receive(&self.socket, &mut payload.reply).doing("receive a packet")? {
            return Err(Failure::new("the server has gone"));
        }
        payload.check()
    }
}

/// The server's side: answers until the client has gone.
pub(super) fn serve(size: usize) -> Result<(), Failure> {
    let socket = Socket::from(passed()?);
    let mut request = vec![0; size];
    let mut reply = [0; REPLY];
    say_ready("ready")?;
    while receive(&socket, &mut request).doing("receive a packet")? {
        answer(&request, &mut reply);
        send(&socket, &reply).doing("send a packet")?;
    }
    Ok(())
}

fn send(socket: &Socket, data: &[u8]) -> io::Result<()> {
    for packet in data.chunks(PACKET) {
        socket.send(packet)?;
    }
    Ok(())
}

/// Fills `data`; false when the other side has gone.
fn receive(socket: &Socket, data: &mut [u8]) -> io::Result<bool> {
    let mut got = 0;
    while got < data.len() {
        match socket.recv(&mut data[got..])? {
            0 => return Ok(false),
            count => got += count,
        }
    }
    Ok(true)
}
