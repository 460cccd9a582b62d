//! What the kernel asks for, a file for each topic; [`filesystem`] is the table of all requests.
//!
//! Here: whose a request is, and on which thread it is served, by what it is about, be it a name, a node or an open file.

pub(crate) mod attr;
pub(crate) mod attributes;
pub(crate) mod change;
pub(crate) mod control;
mod devctl;
pub(crate) mod directory;
pub(crate) mod file;
mod filesystem;
pub(crate) mod kernel;
pub(crate) mod locks;
pub(crate) mod lookup;
pub(crate) mod polls;
pub(crate) mod refusal;
pub(crate) mod space;
pub(crate) mod xattr;

use crate::requests::directory::Listing;
use crate::requests::locks::Wanted;
use crate::requests::refusal::Operation;
use crate::serving::bridge::{Bridge, Desk};
use crate::serving::call::{Call, Program, Refuse};
use crate::serving::pool::Scratch;
use crate::serving::traffic::Key;
use crate::state::handle::Open;
use fuser::{FileHandle, INodeNo, Request};
use resmgr_sys::{Errno, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A request as it comes from the kernel.
pub(crate) fn start<R: Refuse>(request: &Request, operation: Operation, reply: R) -> Call<R> {
    Call::new(Program::of(request), operation, reply)
}

impl Bridge {
    /// Something about a name in a directory.
    pub(crate) fn on_name<R: Refuse>(
        &self,
        call: Call<R>,
        (parent, name): (INodeNo, &OsStr),
        work: impl FnOnce(&mut Desk<'_, R>, &Path) -> Result<()> + Send + 'static,
    ) {
        match self.0.nodes.child(parent.0, name) {
            Ok(path) => self.on_node(call, move |desk| work(desk, &path)),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about two names.
    pub(crate) fn on_names<R: Refuse>(
        &self,
        call: Call<R>,
        [old, (parent, name)]: [(INodeNo, &OsStr); 2],
        work: impl FnOnce(&mut Desk<'_, R>, (&Path, &Path)) -> Result<()> + Send + 'static,
    ) {
        match self.0.nodes.child(parent.0, name) {
            Ok(new) => self.on_name(call, old, move |desk, old| work(desk, (old, &new))),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about a node.
    pub(crate) fn on_node<R: Refuse>(
        &self,
        call: Call<R>,
        work: impl FnOnce(&mut Desk<'_, R>) -> Result<()> + Send + 'static,
    ) {
        self.on(call, Key::Names, work);
    }

    /// Something without bytes that goes to a server that is known.
    pub(crate) fn on<R: Refuse>(
        &self,
        call: Call<R>,
        key: Key,
        work: impl FnOnce(&mut Desk<'_, R>) -> Result<()> + Send + 'static,
    ) {
        self.serve(call, key, &[], move |desk, _, _| work(desk));
    }

    /// Something about an extended attribute, if it is one that servers have.
    pub(crate) fn on_xattr<R: Refuse>(
        &self,
        call: Call<R>,
        name: &OsStr,
        value: &[u8],
        work: impl FnOnce(&mut Desk<'_, R>, &OsStr, &[u8]) -> Result<()> + Send + 'static,
    ) {
        if !xattr::is_known(name) {
            return call.refuse(Errno::NOTSUP);
        }
        let name = name.to_os_string();
        self.serve(call, Key::Names, value, move |desk, _, value| {
            work(desk, &name, value)
        });
    }

    /// The open file that a request names, if it names one.
    pub(crate) fn open_of(&self, handle: Option<FileHandle>) -> Option<Arc<Open>> {
        self.0.handles.file(handle?.0).ok()
    }

    /// Something about an open file.
    pub(crate) fn on_open<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        work: impl FnOnce(&mut Desk<'_, R>, &Open) -> Result<()> + Send + 'static,
    ) {
        self.on_data(call, handle, &[], move |desk, open, _, _| work(desk, open));
    }

    /// The same with bytes that came along, and room for an answer.
    pub(crate) fn on_data<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        data: &[u8],
        work: impl FnOnce(&mut Desk<'_, R>, &Open, &mut Scratch, &[u8]) -> Result<()> + Send + 'static,
    ) {
        match self.0.handles.file(handle.0) {
            Ok(open) => self.serve(call, open.key, data, move |desk, scratch, data| {
                work(desk, &open, scratch, data)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about a lock.
    pub(crate) fn on_lock<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        wanted: Wanted,
        work: impl FnOnce(&mut Desk<'_, R>, &Open) -> Result<()> + Send + 'static,
    ) {
        match self.0.handles.file(handle.0) {
            Ok(open) => {
                let key = wanted.key(open.key);
                self.on(call, key, move |desk| work(desk, &open));
            }
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about an open directory.
    pub(crate) fn on_listing<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        work: impl FnOnce(&mut Desk<'_, R>, &Mutex<Listing>) -> Result<()> + Send + 'static,
    ) {
        match self.0.handles.directory(handle.0) {
            Ok(listing) => self.on_node(call, move |desk| work(desk, &listing)),
            Err(errno) => call.refuse(errno),
        }
    }
}
