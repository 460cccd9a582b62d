//! A channel and a connection of resmgr.

use super::payload::{Payload, answer};
use crate::arguments::{Errand, Role, Work};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, say_ready};
use resmgr::ipc::{
    Channel, ChannelFlags, ChannelId, ChannelOptions, Connection, Received, SendOptions, Waiting,
};
use resmgr_sys::{Errno, Result as SysResult};
use std::io::{IoSlice, IoSliceMut};

/// The client's side.
#[derive(Debug)]
pub(crate) struct Ours {
    name: &'static str,
    connection: Connection,
    waiting: Waiting,
    /// The server may read long requests in this process's memory.
    direct: bool,
    payload: Payload,
    server: Option<Server>,
}

impl Ours {
    /// Starts a server on `cpu`; both sides wait in the same way.
    pub(crate) fn start(waiting: Waiting, cpu: Seat, work: Work) -> Result<Self, Failure> {
        let role = match waiting {
            Waiting::Adaptive => Role::Adaptive,
            Waiting::Block => Role::Block,
            Waiting::Spin => Role::Awake,
        };
        Self::with_role(role, waiting, cpu, work)
    }

    /// The same with a channel of the flag UNBLOCK.
    pub(crate) fn unblocking(waiting: Waiting, cpu: Seat, work: Work) -> Result<Self, Failure> {
        let role = match waiting {
            Waiting::Adaptive => Role::AdaptiveUnblock,
            _ => Role::BlockUnblock,
        };
        Self::with_role(role, waiting, cpu, work)
    }

    /// The same with two sides that trust each other with their memory.
    pub(crate) fn direct(cpu: Seat, work: Work) -> Result<Self, Failure> {
        let ours = Self::with_role(Role::Direct, Waiting::Adaptive, cpu, work)?;
        Ok(Self {
            direct: true,
            ..ours
        })
    }

    fn with_role(role: Role, waiting: Waiting, cpu: Seat, work: Work) -> Result<Self, Failure> {
        let errand = Errand {
            work,
            ..Errand::new(role, cpu)
        };
        let mut server = Server::start(&errand, None)?;
        let address = server.ready()?;
        let mut client = Self::connect(&address, waiting, work)?;
        client.server = Some(server);
        if waiting == Waiting::Spin {
            client.park()?;
        }
        Ok(client)
    }

    /// A client of somebody else's server.
    pub(crate) fn connect(address: &str, waiting: Waiting, work: Work) -> Result<Self, Failure> {
        Ok(Self {
            name: match waiting {
                Waiting::Adaptive => "adaptive",
                Waiting::Block => "block",
                Waiting::Spin => "spin",
            },
            connection: attach(address)?,
            waiting,
            direct: false,
            payload: Payload::new(work),
            server: None,
        })
    }

    /// The same, by another name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn park(&self) -> Result<(), Failure> {
        self.server.as_ref().map_or(Ok(()), Server::park)
    }
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn resume(&mut self) -> Result<(), Failure> {
        match &self.server {
            Some(server) if self.waiting == Waiting::Spin => server.unpark(),
            _ => Ok(()),
        }
    }

    fn pause(&mut self) -> Result<(), Failure> {
        match self.waiting {
            Waiting::Spin => self.park(),
            _ => Ok(()),
        }
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        let payload = &mut self.payload;
        payload.stamp();
        let options = SendOptions {
            waiting: self.waiting,
            direct: self.direct,
            ..SendOptions::default()
        };
        let request = [IoSlice::new(&payload.request)];
        let reply = &mut [IoSliceMut::new(&mut payload.reply)];
        let sent = self.connection.send_with(&request, reply, options);
        sent.doing("send a message")?;
        payload.check()
    }
}

/// Attaches to a channel: `PROCESS:CHANNEL`.
pub(crate) fn attach(address: &str) -> Result<Connection, Failure> {
    let (pid, channel) = parse(address).ok_or_else(|| Failure::new("this is no channel"))?;
    Connection::attach(pid, channel).doing("attach to a channel")
}

/// Reads `PROCESS:CHANNEL`.
pub(crate) fn parse(address: &str) -> Option<(u32, ChannelId)> {
    let (pid, channel) = address.split_once(':')?;
    let channel = ChannelId::from_raw(channel.parse().ok()?);
    Some((pid.parse().ok()?, channel))
}

/// What [`attach`] reads.
pub(crate) fn address(channel: &Channel) -> String {
    format!("{}:{}", std::process::id(), channel.id())
}

/// A channel whose receivers wait so.
pub(crate) fn channel(waiting: Waiting, flags: ChannelFlags) -> Result<Channel, Failure> {
    let options = ChannelOptions {
        flags,
        waiting,
        ..ChannelOptions::default()
    };
    Channel::with_options(options).doing("create a channel")
}

/// Receives. The interruption that a server is told of after it was stopped means nothing.
#[inline]
pub(crate) fn receive(channel: &Channel, buffer: &mut [u8]) -> SysResult<Received> {
    loop {
        match channel.receive(buffer) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// The server's side of two that trust each other.
pub(crate) fn serve_direct(work: Work) -> Result<(), Failure> {
    let options = ChannelOptions {
        direct: true,
        ..ChannelOptions::default()
    };
    let channel = Channel::with_options(options).doing("create a channel")?;
    answer_all(&channel, work)
}

/// The server's side: answers until it is killed.
pub(crate) fn serve(waiting: Waiting, flags: ChannelFlags, work: Work) -> Result<(), Failure> {
    answer_all(&channel(waiting, flags)?, work)
}

fn answer_all(channel: &Channel, work: Work) -> Result<(), Failure> {
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready(&address(channel))?;
    loop {
        if let Received::Message(message) = receive(channel, &mut request).doing("receive")? {
            answer(work.service(), &request, &mut reply);
            // A client that has gone meanwhile is no failure of this side: its run has ended.
            let _gone = message.reply(0, &reply);
        }
    }
}
