//! ipc-channel: a channel of bytes each way, made once for each client.

use crate::arguments::Work;
use crate::failure::{Doing, Failure};
use crate::ipc::{Payload, answer};
use crate::measure::Subject;
use crate::server::say_ready;
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

/// What a client brings.
#[derive(Deserialize, Serialize)]
struct Ends(IpcBytesReceiver, IpcBytesSender);

pub(super) struct Client {
    out: IpcBytesSender,
    back: IpcBytesReceiver,
    payload: Payload,
}

impl Client {
    /// The name of a server that takes one client lies in a file; clients take turns.
    pub(super) fn connect(address: &str, work: Work) -> Result<Self, Failure> {
        let (out, request) = bytes_channel().doing("make a channel")?;
        let (reply, back) = bytes_channel().doing("make a channel")?;
        let turn = File::create(format!("{address}.lock")).doing("take turns")?;
        turn.lock().doing("take turns")?;
        let name = fs::read_to_string(address).doing("read a server's name")?;
        let server = IpcSender::connect(name.clone()).doing("connect")?;
        server.send(Ends(request, reply)).doing("send two ends")?;
        let until = Instant::now() + Duration::from_secs(5);
        while fs::read_to_string(address).is_ok_and(|next| next == name) {
            if Instant::now() > until {
                return Err(Failure::new("the server has no further name"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self {
            out,
            back,
            payload: Payload::new(work),
        })
    }
}

impl Subject for Client {
    fn name(&self) -> &'static str {
        "ipc-channel"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let sent = self.out.send(&self.payload.request);
        sent.doing("send through ipc-channel")?;
        let got = self.back.recv().doing("receive through ipc-channel")?;
        self.payload.check_in(&got)
    }
}

/// A thread for each client.
pub(super) fn serve(at: &str, work: Work) -> Result<(), Failure> {
    let mut told = false;
    loop {
        let (server, name) = IpcOneShotServer::<Ends>::new().doing("listen")?;
        // In one step: a reader sees a whole name.
        let next = format!("{at}.next");
        fs::write(&next, &name).doing("tell a name")?;
        fs::rename(&next, at).doing("tell a name")?;
        if !told {
            say_ready(at)?;
            told = true;
        }
        let (_, Ends(request, reply)) = server.accept().doing("accept a client")?;
        thread::spawn(move || serve_one(&request, &reply, work));
    }
}

fn serve_one(requests: &IpcBytesReceiver, replies: &IpcBytesSender, work: Work) {
    let mut reply = vec![0; work.reply];
    while let Ok(request) = requests.recv() {
        answer(work.service(), &request, &mut reply);
        if replies.send(&reply).is_err() {
            break;
        }
    }
}
