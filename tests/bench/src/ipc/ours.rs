//! A channel and a connection of resmgr.

use super::payload::{Payload, REPLY, answer};
use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::server::{Server, say_ready};
use resmgr::ipc::{Channel, ChannelId, ChannelOptions, Connection, Received, SendOptions, Waiting};
use std::io::{IoSlice, IoSliceMut};

/// The client's side.
#[derive(Debug)]
pub(crate) struct Ours {
    connection: Connection,
    waiting: Waiting,
    payload: Payload,
    _server: Server,
}

impl Ours {
    /// Starts a server on `cpu`; both sides wait in the same way.
    pub(crate) fn start(waiting: Waiting, cpu: usize, size: usize) -> Result<Self, Failure> {
        let role = match waiting {
            Waiting::Adaptive => Role::Adaptive,
            Waiting::Block => Role::Block,
            // Its receiver would burn the others' turns: it needs a way to be parked first.
            Waiting::Spin => return Err(Failure::new("a spinning channel cannot be parked")),
        };
        let errand = Errand {
            size,
            ..Errand::new(role, cpu)
        };
        let mut server = Server::start(&errand, None)?;
        let number = server.ready()?.parse().doing("read a channel's number")?;
        let channel = ChannelId::from_raw(number);
        let connection = Connection::attach(server.pid(), channel).doing("attach to a channel")?;
        Ok(Self {
            connection,
            waiting,
            payload: Payload::new(size),
            _server: server,
        })
    }
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        match self.waiting {
            Waiting::Adaptive => "adaptive",
            Waiting::Block => "block",
            Waiting::Spin => "spin",
        }
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        let payload = &mut self.payload;
        payload.stamp();
        let options = SendOptions {
            waiting: self.waiting,
            ..SendOptions::default()
        };
        let request = [IoSlice::new(&payload.request)];
        let reply = &mut [IoSliceMut::new(&mut payload.reply)];
        let sent = self.connection.send_with(&request, reply, options);
        sent.doing("send a message")?;
        payload.check()
    }
}

/// The server's side: answers until it is killed.
pub(super) fn serve(waiting: Waiting, size: usize) -> Result<(), Failure> {
    let options = ChannelOptions {
        waiting,
        ..ChannelOptions::default()
    };
    let channel = Channel::with_options(options).doing("create a channel")?;
    let mut request = vec![0; size];
    let mut reply = [0; REPLY];
    say_ready(&channel.id().to_string())?;
    loop {
        if let Received::Message(message) = channel.receive(&mut request).doing("receive")? {
            answer(&request, &mut reply);
            // A client that has gone meanwhile is no failure of this side: its run has ended.
            let _gone = message.reply(0, &reply);
        }
    }
}
