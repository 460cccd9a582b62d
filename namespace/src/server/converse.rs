//! What a client says, and what it is answered.
//!
//! Checks in this order: shape, conversation (a greeting first, and only one), path, right, room, then
//! the act. A breach of the first two ends the conversation and is counted; everything else is an errno.

use super::Server;
use crate::path::Rooted;
use crate::protocol::{Answer, Request, Resolved, VERSION, encode_answer};
use crate::registration::FileType;
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
        let (answer, made) = match request {
            Request::Listen => match self.make_socket(slot) {
                Ok(made) => (Ok(Answer::Done), Some(made)),
                Err(errno) => (Err(errno), None),
            },
            request => (self.answer(slot, serial, request), None),
        };
        self.registry.answered();
        let refused = greeting && answer.is_err();
        let packet = encode_answer(serial, &answer);
        let page = self.registry.page().filter(|_| greeting && !refused);
        let brings = page.map(AsFd::as_fd).or(made.as_ref().map(AsFd::as_fd));
        let sent = socket::send(
            self.sessions[slot].socket.as_fd(),
            &packet,
            brings.as_slice(),
        );
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
            Request::List { after, path } => self
                .list(slot, &Rooted::from(path?), &after)
                .map(Answer::Listing),
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

    /// Where a path leads, for the client of a session: both the path and what links make of it must be the
    /// client's to resolve.
    pub(super) fn resolve(
        &self,
        slot: usize,
        path: &Rooted,
        file_type: FileType,
    ) -> Result<Resolved> {
        self.may_resolve(slot, path.path())?;
        let asking = self.registry.processes[self.sessions[slot].process].pid;
        let followed = self.registry.tree.follow(path)?;
        let entries = match &followed {
            None => self.registry.resolve(path.path(), file_type, asking),
            Some(followed) => self
                .may_resolve(slot, followed.path())
                .and_then(|()| self.registry.resolve(followed.path(), file_type, asking)),
        };
        match entries {
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
