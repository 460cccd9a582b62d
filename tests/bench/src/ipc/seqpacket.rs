//! Packet sockets: a pair, or connections to a name with one server thread or one for each. What does not
//! fit into one packet goes in several, and both sides know how long the whole is: no header to read first.
//! The buffers keep the system's size: larger ones (1 MB, 2 MB) made 1 MiB on one processor a quarter slower
//! and nothing faster.

use super::payload::{Payload, answer};
use crate::arguments::{Errand, Role, Work};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, passed, say_ready};
use resmgr_sys::epoll::{Epoll, Ready, poll_one};
use resmgr_sys::socket;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
// The kernel knows what kind of socket it is; this type only lends `send` and `recv`.
use std::os::unix::net::UnixDatagram as Socket;

const PACKET: usize = 64 << 10;

/// The client's side.
#[derive(Debug)]
pub(crate) struct Seqpacket {
    socket: Socket,
    payload: Payload,
    _server: Option<Server>,
}

impl Seqpacket {
    /// Starts a server on `cpu`.
    pub(crate) fn start(cpu: Seat, work: Work) -> Result<Self, Failure> {
        let (ours, theirs) = socket::pair().doing("make a pair of sockets")?;
        let errand = Errand {
            work,
            ..Errand::new(Role::Seqpacket, cpu)
        };
        let mut server = Server::start(&errand, Some(theirs))?;
        server.ready()?;
        Ok(Self {
            socket: ours.into(),
            payload: Payload::new(work),
            _server: Some(server),
        })
    }

    /// A client of a server that listens.
    pub(crate) fn connect(path: &str, work: Work) -> Result<Self, Failure> {
        let socket = socket::connect(Path::new(path), Duration::from_secs(5));
        Ok(Self {
            socket: blocking(socket.doing("connect to a packet socket")?)?,
            payload: Payload::new(work),
            _server: None,
        })
    }
}

fn blocking(socket: OwnedFd) -> Result<Socket, Failure> {
    let socket = Socket::from(socket);
    socket.set_nonblocking(false).doing("let a socket wait")?;
    Ok(socket)
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

/// The server's side of a pair: answers until the client has gone.
pub(crate) fn serve(work: Work) -> Result<(), Failure> {
    let socket = Socket::from(passed()?);
    say_ready("ready")?;
    answer_all(&socket, work)
}

fn answer_all(socket: &Socket, work: Work) -> Result<(), Failure> {
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    while receive(socket, &mut request).doing("receive a packet")? {
        answer(work.service(), &request, &mut reply);
        send(socket, &reply).doing("send a packet")?;
    }
    Ok(())
}

/// The server's side by name, with a thread for each connection.
pub(crate) fn serve_threads(path: &Path, work: Work) -> Result<(), Failure> {
    let listener = socket::listen(path).doing("listen")?;
    say_ready(&path.display().to_string())?;
    loop {
        poll_one(listener.as_fd(), Ready::IN, None).doing("wait for a client")?;
        if let Some(client) = socket::accept(listener.as_fd()).doing("accept a client")? {
            let client = blocking(client)?;
            // A client that goes ends its own thread.
            std::thread::spawn(move || answer_all(&client, work));
        }
    }
}

/// The server's side by name, with one thread that waits for all of them; requests of one packet.
pub(crate) fn serve_set(path: &Path, work: Work) -> Result<(), Failure> {
    const LISTENER: u64 = u64::MAX;
    let listener = socket::listen(path).doing("listen")?;
    let set = Epoll::new().doing("make a set")?;
    set.add(&listener, LISTENER, Ready::IN).doing("listen")?;
    let mut clients: Vec<Option<Socket>> = Vec::new();
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    let mut events = Vec::new();
    say_ready(&path.display().to_string())?;
    loop {
        set.wait(None, &mut events).doing("wait for clients")?;
        for event in &events {
            if event.token == LISTENER {
                if let Some(client) = socket::accept(listener.as_fd()).doing("accept a client")? {
                    let client = blocking(client)?;
                    let added = set.add(&client, clients.len() as u64, Ready::IN);
                    added.doing("watch a client")?;
                    clients.push(Some(client));
                }
                continue;
            }
            let place = usize::try_from(event.token).ok();
            let Some(client) = place.and_then(|place| clients.get_mut(place)) else {
                continue;
            };
            let Some(socket) = client else { continue };
            if receive(socket, &mut request).doing("receive a packet")? {
                answer(work.service(), &request, &mut reply);
                send(socket, &reply).doing("send a packet")?;
            } else {
                *client = None;
            }
        }
    }
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
