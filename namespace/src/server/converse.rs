//! What a client says, and what it is answered.
//!
//! Checks in this order: shape, conversation (a greeting first, and only one), path, right, room, then
//! the act. A breach of the first two ends the conversation and is counted; everything else is an errno.

use super::{Server, TURN};
use crate::protocol::{Answer, MOST, Request, VERSION, encode_answer};
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;

impl Server {
    /// Answers what a client has sent.
    pub(super) fn converse(&mut self, slot: usize) {
        let mut buffer = [0; MOST];
        for _ in 0..TURN {
            let Some(session) = self.sessions.get(slot) else {
                return;
            };
            match socket::receive(session.socket.as_fd(), &mut buffer) {
                Ok(packet) if packet.len == 0 && packet.fds.is_empty() => return self.close(slot),
                Ok(packet) if packet.truncated || !packet.fds.is_empty() => {
                    return self.breach(slot);
                }
                Ok(packet) => {
                    if !self.serve(slot, &buffer[..packet.len]) {
                        return;
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => return self.close(slot),
            }
        }
    }

    /// One request; false when the session has ended over it.
    fn serve(&mut self, slot: usize, packet: &[u8]) -> bool {
        let session = &mut self.sessions[slot];
        let Ok((serial, request)) = Request::decode(packet) else {
            self.breach(slot);
            return false;
        };
        let greeting = matches!(request, Request::Hello { .. });
        if greeting == session.greeted {
            self.breach(slot);
            return false;
        }
        session.greeted = true;
        let (answer, made) = match request {
            Request::Listen => match self.make_socket(slot) {
                Ok(made) => (Ok(Answer::Done), Some(made)),
                Err(errno) => (Err(errno), None),
            },
            request => (self.answer(slot, request), None),
        };
        let refused = greeting && answer.is_err();
        let packet = encode_answer(serial, &answer);
        let fds: Vec<_> = made.iter().map(AsFd::as_fd).collect();
        let sent = socket::send(self.sessions[slot].socket.as_fd(), &packet, &fds);
        if refused || sent.is_err() {
            self.close(slot);
            return false;
        }
        true
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

    fn answer(&mut self, slot: usize, request: Request) -> Result<Answer> {
        let session = &mut self.sessions[slot];
        let process = session.process;
        match request {
            Request::Hello { version: VERSION } => Ok(Answer::Kept(self.registry.kept_of(process))),
            Request::Hello { .. } => Err(Errno::PROTONOSUPPORT),
            Request::Attach { id, attach } => {
                let attach = attach?;
                // A name that is kept for this process was allowed when it was new.
                if !self.registry.keeps(process, id) {
                    self.may_attach(slot, &attach.path)?;
                }
                let names = &mut self.sessions[slot].names;
                self.registry
                    .attach(process, names, id, &attach)
                    .map(Answer::Attached)
            }
            Request::Detach(id) => self
                .registry
                .detach(&mut session.names, id)
                .map(|()| Answer::Done),
            Request::Resolve { file_type, path } => {
                let path = path?;
                self.may_resolve(slot, &path)?;
                let asking = self.registry.processes[process].pid;
                self.registry
                    .resolve(&path, file_type, asking)
                    .map(Answer::Entries)
            }
            Request::List { after, path } => self.list(slot, &path?, &after).map(Answer::Listing),
            Request::Serve => {
                self.registry.processes[process].listens = true;
                Ok(Answer::Done)
            }
            // Its answer is more than a packet.
            Request::Listen => Err(Errno::NOSYS),
            Request::Settled => {
                self.registry.settle(process);
                Ok(Answer::Done)
            }
        }
    }
}
