//! zbus, peer to peer: D-Bus without a bus.

use crate::arguments::Work;
use crate::failure::{Doing, Failure};
use crate::ipc::{Payload, answer};
use crate::measure::Subject;
use crate::server::say_ready;
use serde_bytes::{ByteBuf, Bytes};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use zbus::Connection;
use zbus::connection::Builder;

const GUID: &str = "0123456789abcdef0123456789abcdef";
const PATH: &str = "/bench";
const INTERFACE: &str = "resmgr.Bench1";

pub(super) struct Client {
    connection: Connection,
    payload: Payload,
}

impl Client {
    pub(super) fn connect(address: &str, work: Work) -> Result<Self, Failure> {
        let socket = UnixStream::connect(address).doing("connect")?;
        let connection = zbus::block_on(Builder::unix_stream(socket).p2p().build());
        Ok(Self {
            connection: connection.doing("begin a D-Bus connection")?,
            payload: Payload::new(work),
        })
    }
}

impl Subject for Client {
    fn name(&self) -> &'static str {
        "zbus"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let body = Bytes::new(&self.payload.request);
        let call = self
            .connection
            .call_method(None::<&str>, PATH, Some(INTERFACE), "Call", &body);
        let reply = zbus::block_on(call).doing("call through zbus")?;
        let reply: ByteBuf = reply.body().deserialize().doing("read an answer")?;
        self.payload.check_in(&reply)
    }
}

struct Answerer(Work);

#[zbus::interface(name = "resmgr.Bench1")]
impl Answerer {
    fn call(&self, request: ByteBuf) -> ByteBuf {
        let mut reply = vec![0; self.0.reply];
        answer(self.0.service(), &request, &mut reply);
        ByteBuf::from(reply)
    }
}

/// A connection for each client, which zbus gives a thread.
pub(super) fn serve(at: &str, work: Work) -> Result<(), Failure> {
    let listener = UnixListener::bind(at).doing("listen")?;
    say_ready(at)?;
    loop {
        let (socket, _) = listener.accept().doing("accept a client")?;
        thread::spawn(move || zbus::block_on(serve_one(socket, work)));
    }
}

async fn serve_one(socket: UnixStream, work: Work) -> zbus::Result<()> {
    let builder = Builder::unix_stream(socket).server(GUID).p2p();
    let connection = builder.serve_at(PATH, Answerer(work)).build().await?;
    connection.closed().await;
    Ok(())
}
