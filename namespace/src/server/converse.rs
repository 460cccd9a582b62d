//! What a client says, and what it is answered.
//!
//! Checks in this order: shape, conversation (a greeting first, and only one), path, right, room, then
//! the act. A breach of the first two ends the conversation and is counted; everything else is an errno.

use super::{Server, TURN};
use crate::path::Rooted;
use crate::protocol::{Answer, MOST, Request, Resolved, VERSION, encode_answer};
use crate::registration::FileType;
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
        let answer = self.answer(slot, serial, request);
        self.registry.answered();
        let refused = greeting && answer.is_err();
        let packet = encode_answer(serial, &answer);
        let page = self.registry.page().filter(|_| greeting && !refused);
        let page = page.map(AsFd::as_fd);
        let sent = socket::send(self.sessions[slot].socket.as_fd(), &packet, page.as_slice());
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

    fn answer(&mut self, slot: usize, serial: u32, request: Request) -> Result<Answer> {
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
                self.resolve(slot, &path?, file_type).map(Answer::Resolved)
            }
            Request::List { after, path } => {
                let path = path?.into();
                let followed = self.follow(slot, &path)?.unwrap_or(path);
                self.list(slot, followed.path(), &after)
                    .map(Answer::Listing)
            }
            Request::Serve => {
                self.registry.processes[process].listens = true;
                Ok(Answer::Done)
            }
            Request::Settled => {
                self.registry.settle(process);
                Ok(Answer::Done)
            }
            Request::Link { id, link } => {
                let link = link?;
                if !self.registry.keeps(process, id) {
                    self.may_attach(slot, &link.path)?;
                }
                let names = &mut self.sessions[slot].names;
                self.registry
                    .link(process, names, id, &link)
                    .map(Answer::Attached)
            }
            Request::ReadLink(path) => {
                let path = path?;
                self.may_resolve(slot, &path)?;
                let target = self.registry.tree.read_link(&path)?;
                Ok(Answer::Target(target.into()))
            }
            Request::Watch { file_type, path } => self.watch((slot, serial), file_type, path?),
        }
    }

    /// The path that links lead to, if there are any on the way. The client may know both, or neither is there.
    fn follow(&self, slot: usize, path: &Rooted) -> Result<Option<Rooted>> {
        self.may_resolve(slot, path.path())?;
        let followed = self.registry.tree.follow(path)?;
        if let Some(followed) = &followed {
            self.may_resolve(slot, followed.path())?;
        }
        Ok(followed)
    }

    pub(super) fn resolve(
        &self,
        slot: usize,
        path: &Rooted,
        file_type: FileType,
    ) -> Result<Resolved> {
        let followed = self.follow(slot, path)?;
        let asking = self.registry.processes[self.sessions[slot].process].pid;
        let path = followed.as_ref().unwrap_or(path);
        match self.registry.resolve(path.path(), file_type, asking) {
            Ok(entries) => Ok(Resolved { entries, followed }),
            // What the links led to may be another namespace's.
            Err(Errno::NOENT | Errno::NOTDIR) if followed.is_some() => Ok(Resolved {
                entries: Vec::new(),
                followed,
            }),
            Err(errno) => Err(errno),
        }
    }
}
