//! What a client may do: the rules, asked with what the kernel said of it when it connected.
//!
//! What may not be resolved looks as if it were not there, in resolutions and in listings alike. A name that
//! somebody has is never given away by the right to attach alone: see [`may_attach`](Server::may_attach).

use super::{Server, Session};
use crate::path::{Pathname, Rooted};
use crate::protocol::PAGE;
use crate::registration::Name;
use crate::rules::{Client, Decision, Rights};
use crate::tree::Listing;
use resmgr_sys::{Errno, Result};
use std::os::fd::OwnedFd;

impl Server {
    /// Whether a user may do everything here.
    pub(super) fn is_master(&self, uid: u32) -> bool {
        uid == 0 || uid == self.dir.owner_uid()
    }

    /// Whether a user may connect: a user's own namespace is that user's alone, also for somebody who was handed
    /// the way into its directory.
    pub(super) fn admits(&self, uid: u32) -> bool {
        self.dir.owner_uid() == 0 || self.is_master(uid)
    }

    fn decide(&self, session: &Session, right: Rights, path: &Pathname) -> Decision {
        if self.is_master(session.uid) {
            return Decision {
                allowed: true,
                prefix_len: 0,
            };
        }
        let owns = || self.has_name(session.uid, path);
        self.rules.decide(right, path, &client(session), owns)
    }

    fn may(&self, session: &Session, right: Rights, path: &Pathname) -> bool {
        self.decide(session, right, path).allowed
    }

    /// Whether one of the registrations that answer for the path first is the user's.
    fn has_name(&self, uid: u32, path: &Pathname) -> bool {
        let mut holders = self.registry.tree.holders(path).peekable();
        let longest = holders.peek().map(|(prefix, _)| *prefix);
        holders
            .take_while(|(prefix, _)| Some(*prefix) == longest)
            .any(|(_, one)| self.registry.user_of(one) == Some(uid))
    }

    /// The right to register a path. What another user has at or below the prefix whose rule allows it needs the
    /// right to shadow as well: a rule gives away a place, not what others have put there since. What is kept for
    /// a process that has not come back yet counts.
    ///
    /// # Errors
    /// - `EACCES`: the rules do not allow it.
    pub(super) fn may_attach(&self, slot: usize, path: &Pathname) -> Result<()> {
        let session = &self.sessions[slot];
        if self.is_master(session.uid) {
            return Ok(());
        }
        let decision = self.decide(session, Rights::ATTACH, path);
        let mut holders = self.registry.tree.holders(path);
        let shadows = holders.any(|(prefix, one)| {
            prefix >= decision.prefix_len && self.registry.user_of(one) != Some(session.uid)
        });
        let allowed = decision.allowed && (!shadows || self.may(session, Rights::SHADOW, path));
        if allowed { Ok(()) } else { Err(Errno::ACCES) }
    }

    /// The socket of a process that may register somewhere, but not make anything in this directory. It is bound
    /// here, with the process's number for its name, and the process listens on it: so clients see that process
    /// at its other end, and a number is nobody else's to take.
    ///
    /// # Errors
    /// - `EACCES`: the rules allow it no name at all.
    pub(super) fn make_socket(&mut self, slot: usize) -> Result<OwnedFd> {
        let session = &self.sessions[slot];
        let may = self.is_master(session.uid) || self.rules.gives_a_place(&client(session));
        if !may {
            return Err(Errno::ACCES);
        }
        let process = session.process;
        self.registry.make_socket(process)
    }

    /// The right to know where a path leads.
    ///
    /// # Errors
    /// - `ENOENT`: the rules do not allow it.
    pub(super) fn may_resolve(&self, slot: usize, path: &Pathname) -> Result<()> {
        if self.may(&self.sessions[slot], Rights::RESOLVE, path) {
            Ok(())
        } else {
            Err(Errno::NOENT)
        }
    }

    /// One page of what lies below a path, without what the client may neither resolve nor list. A page is
    /// empty only if nothing follows, so that the last name of each says where the next one begins.
    ///
    /// # Errors
    /// - `EACCES`: the path may not be listed.
    /// - `ENOENT`: it may not be resolved either, or is not there.
    pub(super) fn list(&self, slot: usize, path: &Rooted, after: &[u8]) -> Result<Listing> {
        let session = &self.sessions[slot];
        self.may_list(slot, path.path())?;
        let followed = self.registry.tree.follow(path)?;
        if let Some(followed) = &followed {
            self.may_list(slot, followed.path())?;
        }
        let path = followed.as_ref().unwrap_or(path).path();
        let mut page = self.registry.tree.list(path, after, PAGE)?;
        if self.rules.is_empty() || self.is_master(session.uid) {
            return Ok(page);
        }
        loop {
            let last = page.names.last().map(|name| name.name.clone());
            page.names.retain(|child| self.shows(session, path, child));
            match last {
                Some(last) if page.names.is_empty() && page.more => {
                    page = self.registry.tree.list(path, &last, PAGE)?;
                }
                _ => return Ok(page),
            }
        }
    }

    fn may_list(&self, slot: usize, path: &Pathname) -> Result<()> {
        if self.may(&self.sessions[slot], Rights::LIST, path) {
            return Ok(());
        }
        self.may_resolve(slot, path)?;
        Err(Errno::ACCES)
    }

    /// Whether a client sees a name in its directory.
    fn shows(&self, session: &Session, directory: &Pathname, child: &Name) -> bool {
        directory.join(&child.name).is_ok_and(|path| {
            self.may(session, Rights::RESOLVE, &path) || self.may(session, Rights::LIST, &path)
        })
    }
}

fn client(session: &Session) -> Client<'_> {
    Client {
        uid: session.uid,
        gid: session.gid,
        groups: &session.groups,
    }
}
