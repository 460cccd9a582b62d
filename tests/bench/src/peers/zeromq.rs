//! ZeroMQ: REQ and REP over a Unix socket.

use crate::arguments::Work;
use crate::failure::{Doing, Failure};
use crate::ipc::{Payload, answer};
use crate::measure::Subject;
use crate::server::say_ready;
use zmq::{Context, Message, Socket};

pub(super) struct Client {
    socket: Socket,
    payload: Payload,
    got: Message,
}

impl Client {
    pub(super) fn connect(address: &str, work: Work) -> Result<Self, Failure> {
        let socket = Context::new().socket(zmq::REQ).doing("make a socket")?;
        socket.set_linger(0).doing("set up a socket")?;
        socket.connect(address).doing("connect")?;
        Ok(Self {
            socket,
            payload: Payload::new(work),
            got: Message::new(),
        })
    }
}

impl Subject for Client {
    fn name(&self) -> &'static str {
        "zeromq"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let sent = self.socket.send(&self.payload.request, 0);
        sent.doing("send through ZeroMQ")?;
        let got = self.socket.recv(&mut self.got, 0);
        got.doing("receive through ZeroMQ")?;
        self.payload.check_in(&self.got)
    }
}

pub(super) fn serve(at: &str, work: Work) -> Result<(), Failure> {
    let socket = Context::new().socket(zmq::REP).doing("make a socket")?;
    let address = format!("ipc://{at}");
    socket.bind(&address).doing("listen")?;
    let mut reply = vec![0; work.reply];
    let mut request = Message::new();
    say_ready(&address)?;
    loop {
        let got = socket.recv(&mut request, 0);
        got.doing("receive through ZeroMQ")?;
        answer(work.service(), &request, &mut reply);
        socket.send(&reply, 0).doing("send through ZeroMQ")?;
    }
}
