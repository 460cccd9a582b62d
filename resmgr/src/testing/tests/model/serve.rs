//! What the model answers.

use super::super::fault::Fault;
use super::{Model, Node, Open, copy, is_dir, is_empty};
use crate::resource::{
    Attr, Call, Change, Control, Done, Entries, New, Ocb, OnUnblock, Opening, Read, RenameFlags,
    Resource, Write, lock,
};
use crate::testing::contract::PART;
use crate::wire::{Conditions, OpenFlags, Seek};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::sync::atomic::Ordering;

type File = Ocb<Node, Open>;

impl Model {
    /// Where a read begins.
    fn place(&self, ocb: &File, call: &Call<'_, Read>) -> u64 {
        let offset = call.at().offset;
        let first = !ocb.open.has_read.swap(true, Ordering::Relaxed);
        match self.fault {
            Fault::ReadsAtStart if first => 0,
            Fault::OnePosition if first => ocb.node.position.load(Ordering::Relaxed).max(offset),
            Fault::DuplicateStarts => {
                let connection = call
                    .info()
                    .map_or(0, |info| u64::from(info.coid.raw().cast_unsigned()));
                let before = ocb.open.connection.swap(connection, Ordering::Relaxed);
                if first || before == connection {
                    offset
                } else {
                    0
                }
            }
            _ => offset,
        }
    }

    /// Answers one read when the next one comes.
    fn late(&self, ocb: &File, call: Call<'_, Read>) -> Result<Done> {
        let bytes = self.bytes(&ocb.node, call.at().offset, call.room())?;
        let before = lock(&ocb.open.late).take();
        if let Some(before) = before {
            let done = call.bytes(&bytes);
            let offset = before.at().offset;
            before.bytes(&self.bytes(&ocb.node, offset, PART)?)?;
            return done;
        }
        let (done, deferred) = call.defer(OnUnblock::LetGo)?;
        *lock(&ocb.open.late) = Some(deferred);
        Ok(done)
    }
}

impl Resource for Model {
    type Node = Node;
    type Open = Open;

    fn root(&self) -> Node {
        Arc::clone(&self.root)
    }

    fn attr(&self, node: &Node) -> Result<Attr> {
        Ok(self.attr_of(node))
    }

    fn lookup(&self, dir: &Node, name: &OsStr) -> Result<Node> {
        let found = self.find(dir, name);
        match found {
            None if self.has_for(Fault::FindsAll, name, "-missing") => {
                Ok(super::inode(self.number(), Attr::file(0o666, 0), "".into()))
            }
            None => {
                if self.has(Fault::RenameGap) {
                    self.gap.pass();
                }
                Err(Errno::NOENT)
            }
            Some(found) => Ok(found),
        }
    }

    fn read_link(&self, node: &Node) -> Result<OsString> {
        let text = lock(&node.inner).text.clone();
        Ok(if self.has(Fault::LinkText) {
            "else".into()
        } else {
            text
        })
    }

    fn open(&self, node: &Node, how: &Opening) -> Result<Open> {
        let own = resmgr_sys::process::effective_uid();
        if self.has(Fault::RefusesOthers) && how.client.uid != own && !how.created {
            return Err(Errno::ACCES);
        }
        if self.has(Fault::OpenCuts) && how.flags.contains(OpenFlags::WRITE) {
            lock(&node.inner).bytes.clear();
        }
        let open = Open::default();
        let size = lock(&node.inner).bytes.len() as u64;
        open.place.store(size, Ordering::Relaxed);
        Ok(open)
    }

    fn close_dup(&self, ocb: &File) -> Result<()> {
        ocb.open.has_ended.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn close(&self, ocb: &File) {
        // Who closes it has said so before.
        let died = !ocb.open.has_ended.load(Ordering::Relaxed);
        if self.has(Fault::GoesWithClient) && died && lock(&ocb.node.inner).bytes == b"kept" {
            lock(&ocb.node.inner).bytes.clear();
        }
    }

    fn read(&self, ocb: &File, call: Call<'_, Read>) -> Result<Done> {
        if self.has(Fault::EndsAtFirstClose) && ocb.open.has_ended.load(Ordering::Relaxed) {
            return Err(Errno::IO);
        }
        if self.has(Fault::AnswersLate) && call.room() == PART {
            return self.late(ocb, call);
        }
        let place = self.place(ocb, &call);
        if self.has(Fault::DropsRest) && ocb.open.place.swap(0, Ordering::Relaxed) == place + 1 {
            return call.bytes(&[]);
        }
        let bytes = self.bytes(&ocb.node, place, call.room())?;
        let end = place + bytes.len() as u64;
        ocb.node.position.store(end, Ordering::Relaxed);
        if bytes.len() < 3 && end < lock(&ocb.node.inner).bytes.len() as u64 {
            ocb.open.place.store(end + 1, Ordering::Relaxed);
        }
        call.bytes(&bytes)
    }

    fn write(&self, ocb: &File, call: Call<'_, Write>) -> Result<Done> {
        let appends = ocb.flags().contains(OpenFlags::APPEND);
        let len = call.data().len() as u64;
        let offset = match self.fault {
            Fault::AppendsAtStart if appends => 0,
            Fault::AppendsFromOpen if appends => ocb.open.place.fetch_add(len, Ordering::Relaxed),
            _ => call.at().offset,
        };
        self.store(&ocb.node, offset, call.data())?;
        call.all()
    }

    fn devctl(&self, _: &File, call: Call<'_, Control>) -> Result<Done> {
        if self.has(Fault::TakesCommands) {
            return call.reply_with(0, &[]);
        }
        Err(Errno::NOTTY)
    }

    fn read_dir(&self, ocb: &File, from: u64, entries: &mut Entries) -> Result<()> {
        let inner = lock(&ocb.node.inner);
        let mut names: Vec<_> = inner.names.iter().collect();
        names.sort_by_key(|(_, (place, _))| *place);
        let counts = self.has(Fault::CookiesAreCounts);
        let mut skipped = from > 0 && self.has(Fault::SkipsEntries);
        for (count, (name, (place, node))) in (1_u64..).zip(names) {
            let cookie = if counts { count } else { *place };
            if cookie <= from || std::mem::take(&mut skipped) {
                continue;
            }
            if !entries.add(name, node.ino, cookie) {
                break;
            }
        }
        Ok(())
    }

    fn change(&self, node: &Node, change: &Change) -> Result<()> {
        self.apply(node, change);
        Ok(())
    }

    fn create(&self, dir: &Node, name: &OsStr, new: &New) -> Result<Node> {
        let one = lock(&self.names);
        self.may_be_new(dir, name, new)?;
        let node = self.new_node(new);
        let gap = self.has_for(Fault::CreateGap, name, "-create")
            || self.has_for(Fault::RemoveGap, name, "-rmdir");
        if gap {
            drop(one);
            self.gap.meet();
        } else if lock(&dir.inner).attr.nlink == 0 {
            return Err(Errno::NOENT);
        }
        self.put(dir, name, Arc::clone(&node));
        Ok(node)
    }

    fn link(&self, node: &Node, dir: &Node, name: &OsStr) -> Result<()> {
        let _one = lock(&self.names);
        if self.find(dir, name).is_some() {
            return Err(Errno::EXIST);
        }
        let linked = if self.has(Fault::LinkCopies) {
            copy(node, self.number())
        } else {
            lock(&node.inner).attr.nlink += 1;
            Arc::clone(node)
        };
        self.put(dir, name, linked);
        Ok(())
    }

    fn unlink(&self, dir: &Node, name: &OsStr) -> Result<()> {
        let _one = lock(&self.names);
        let node = self.find(dir, name).ok_or(Errno::NOENT)?;
        if is_dir(&node) {
            return Err(Errno::ISDIR);
        }
        self.take(dir, name);
        self.unnamed(&node, Fault::UnlinkEmpties);
        Ok(())
    }

    fn remove_dir(&self, dir: &Node, name: &OsStr) -> Result<()> {
        let one = lock(&self.names);
        let node = self.find(dir, name).ok_or(Errno::NOENT)?;
        if !is_dir(&node) {
            return Err(Errno::NOTDIR);
        }
        if !is_empty(&node) && !self.has_for(Fault::RemovesFull, name, "-directory") {
            return Err(Errno::NOTEMPTY);
        }
        if self.has_for(Fault::RemoveGap, name, "-goes") {
            drop(one);
            self.gap.meet();
        }
        lock(&node.inner).attr.nlink = 0;
        if !self.has(Fault::KeepsRemoved) {
            self.take(dir, name);
        }
        Ok(())
    }

    fn rename(
        &self,
        from: (&Node, &OsStr),
        to: (&Node, &OsStr),
        _flags: RenameFlags,
    ) -> Result<()> {
        let _one = lock(&self.names);
        let node = self.find(from.0, from.1).ok_or(Errno::NOENT)?;
        let over = self.find(to.0, to.1);
        self.may_rename(&node, over.as_ref(), to.0)?;
        let moved = if self.has(Fault::RenameCopies) {
            copy(&node, self.number())
        } else {
            node
        };
        self.take(from.0, from.1);
        if self.has_for(Fault::RenameGap, to.1, "-rename") {
            self.take(to.0, to.1);
            self.gap.wait();
        }
        if let Some(over) = over {
            self.unnamed(&over, Fault::RenameEmpties);
        }
        self.put(to.0, to.1, moved);
        Ok(())
    }

    fn seek(&self, _ocb: &File, to: Seek, size: u64) -> Result<u64> {
        if self.has(Fault::NoHoles) {
            return Ok(0);
        }
        match to {
            Seek::Data(offset) if offset < size => Ok(offset),
            Seek::Hole(offset) if offset <= size => Ok(size),
            _ => Err(Errno::NXIO),
        }
    }

    fn ready(&self, _ocb: &File) -> Conditions {
        if self.has(Fault::NeverReady) {
            return Conditions::empty();
        }
        Conditions::INPUT | Conditions::OUTPUT
    }
}
