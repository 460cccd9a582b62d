//! A request of ours that is made in the link's memory and read there.

use super::carry::{read_pieces, write_pieces};
use super::ours::{address, attach, channel, receive};
use super::payload::{Payload, answer};
use crate::arguments::{Errand, Role, Work};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, say_ready};
use resmgr::ipc::{BorrowedRequest, ChannelFlags, Connection, Received, SendOptions, Waiting};

/// The client's side.
#[derive(Debug)]
pub(crate) struct Lent {
    // The room lies in the link of the connection.
    room: Option<BorrowedRequest>,
    connection: Connection,
    payload: Payload,
    _server: Server,
}

impl Lent {
    /// Starts a server on `cpu`.
    pub(crate) fn start(cpu: Seat, work: Work) -> Result<Self, Failure> {
        let errand = Errand {
            work,
            ..Errand::new(Role::Lent, cpu)
        };
        let mut server = Server::start(&errand, None)?;
        Ok(Self {
            room: None,
            connection: attach(&server.ready()?)?,
            payload: Payload::new(work),
            _server: server,
        })
    }
}

impl Subject for Lent {
    fn name(&self) -> &'static str {
        "borrowed"
    }

    fn call(&mut self) -> Result<(), Failure> {
        let payload = &mut self.payload;
        payload.stamp();
        let mut room = if let Some(room) = self.room.take() {
            room
        } else {
            let room = self.connection.borrow(payload.request.len());
            room.doing("borrow room for a message")?
        };
        let mut bytes = room.bytes();
        write_pieces(&payload.request, |at, piece| {
            bytes.write(at, piece).doing("write a message")
        })?;
        let reply = room.send(payload.reply.len(), SendOptions::default());
        let reply = reply.doing("send a message")?;
        reply.bytes().read(0, &mut payload.reply);
        self.room = Some(reply.into_request());
        payload.check()
    }
}

/// The server's side: answers until it is killed.
pub(crate) fn serve(work: Work) -> Result<(), Failure> {
    let channel = channel(Waiting::Adaptive, ChannelFlags::empty())?;
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready(&address(&channel))?;
    loop {
        let Received::Message(message) = receive(&channel, &mut []).doing("receive")? else {
            continue;
        };
        // A client that has gone meanwhile is no failure of this side: its run has ended.
        let Ok(bytes) = message.shared() else {
            continue;
        };
        read_pieces(&mut request, |at, piece| match bytes.read(at, piece) {
            len if len == piece.len() => Ok(()),
            len => Err(Failure::new(format!("{len} bytes of a piece were there"))),
        })?;
        answer(work.service(), &request, &mut reply);
        let _gone = message.reply(0, &reply);
    }
}
