//! What a client says, and what it is answered.
//!
//! Checks in this order: shape, conversation (a greeting first, and only one), path, right, room, then
//! the act. A breach of the first two ends the conversation and is counted; everything else is an errno.

use super::Server;
use crate::protocol::{Answer, PAGE, Request, VERSION, encode_answer};
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;

impl Server {
    /// Answers the next request of a client. Only one: the set tells of the rest in the next round, when
    /// others have had theirs, and looking for more would cost every lone request a system call.
    pub(super) fn converse(&mut self, slot: usize) {
        let Some(session) = self.sessions.get(slot) else {
            return;
        };
        // A descriptor that comes along has no room, and so is a breach, too.
        match socket::receive_plain(session.socket.as_fd(), &mut self.buffer[..]) {
            Ok(packet) if packet.truncated => self.breach(slot),
            Ok(packet) if packet.len == 0 => self.close(slot),
            Ok(packet) => self.serve(slot, packet.len),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.close(slot),
        }
    }

    /// The request in the buffer.
    fn serve(&mut self, slot: usize, len: usize) {
        let session = &mut self.sessions[slot];
        let Ok((serial, request)) = Request::decode(&self.buffer[..len]) else {
            return self.breach(slot);
        };
        let greeting = matches!(request, Request::Hello { .. });
        if greeting == session.greeted {
            return self.breach(slot);
        }
        session.greeted = true;
        let answer = self.answer(slot, serial, request);
        self.registry.answered();
        let refused = greeting && answer.is_err();
        let packet = encode_answer(serial, &answer);
        let page = self.registry.page().filter(|_| greeting && !refused);
        let page = page.map(AsFd::as_fd);
        let sent = socket::send(self.sessions[slot].socket.as_fd(), &packet, page.as_slice());
        if refused || sent.is_err() {
            self.close(slot);
        }
    }

    fn breach(&mut self, slot: usize) {
        let session = &self.sessions[slot];
        let pid = self.registry.processes[session.process].pid;
        self.breaches += 1;
        tracing::warn!(
            pid,
            uid = session.uid,
            count = self.breaches,
            "malformed message"
        );
        self.close(slot);
    }

    fn answer(&mut self, slot: usize, serial: u32, request: Request) -> Result<Answer> {
        let session = &mut self.sessions[slot];
        let process = session.process;
        match request {
            Request::Hello { version: VERSION } => Ok(Answer::Kept(self.registry.kept_of(process))),
            Request::Hello { .. } => Err(Errno::PROTONOSUPPORT),
            Request::Attach { id, attach } => {
                let attach = attach?;
                if session.uid != self.dir.owner_uid() && session.uid != 0 {
                    return Err(Errno::ACCES);
                }
                let names = &mut session.names;
                self.registry
                    .attach(process, names, id, &attach)
                    .map(Answer::Attached)
            }
            Request::Detach(id) => self
                .registry
                .detach(&mut session.names, id)
                .map(|()| Answer::Done),
            Request::Resolve { file_type, path } => {
                let asking = self.registry.processes[process].pid;
                self.registry
                    .tree
                    .resolve(&path?, file_type, asking)
                    .map(Answer::Entries)
            }
            Request::List { after, path } => self
                .registry
                .tree
                .list(&path?, &after, PAGE)
                .map(Answer::Listing),
            Request::Serve => {
                self.registry.processes[process].listens = true;
                Ok(Answer::Done)
            }
            Request::Settled => {
                self.registry.settle(process);
                Ok(Answer::Done)
            }
            Request::Watch { file_type, path } => self.watch((slot, serial), file_type, path?),
        }
    }
}
