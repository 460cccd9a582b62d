//! The open itself: where it leads, the same file again, memory, private messages, notification.

use super::Calls;
use crate::client::File;
use crate::ipc::{Event, Reply, TakenDescriptors};
use crate::wire::{
    self, Conditions, FDINFO_LOCAL_PATH, FdInfoReply, MmapReply, MmapRequest, Msg, Notify,
    NotifyAction, NotifyReply, OpenFd, OpenFlags, PATH_MAX, Protection,
};
use crate::{Errno, Result};
use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a server gives to be mapped.
#[derive(Debug)]
pub struct Mappable {
    /// What mmap() takes. It is what the server says it is, or not: a page of it can take for ever, and be cut off
    /// (`SIGBUS`).
    pub descriptor: OwnedFd,
    /// Where in it the memory begins.
    pub offset: u64,
}

impl Calls<'_> {
    /// The same file opened once more, with flags and a position of its own.
    pub fn open_again(&self, flags: OpenFlags) -> Result<File> {
        let old = &self.file.connection;
        let new = old.again()?;
        let mut message = Vec::new();
        OpenFd {
            flags,
            share: 0,
            scoid: old.server_info().scoid.raw(),
            coid: old.id().raw(),
        }
        .encode(&mut message);
        new.send_with(&[IoSlice::new(&message)], &mut [], self.caller.options())?;
        Ok(self.file.beside(new, flags))
    }

    /// What the server knows of the open. The path is from the root.
    pub fn info(&self) -> Result<FdInfoReply> {
        self.info_with(0)
    }

    /// The file's path, from the root.
    pub fn path(&self) -> Result<PathBuf> {
        path_of(self.info_with(0)?)
    }

    /// The file's path below its server's name.
    pub fn local_path(&self) -> Result<PathBuf> {
        path_of(self.info_with(FDINFO_LOCAL_PATH)?)
    }

    /// Something that can be mapped in the file's place.
    pub fn map(&self, prot: Protection, offset: u64, len: u64) -> Result<Mappable> {
        let (mut message, mut room) = (Vec::new(), [0; MmapReply::SIZE]);
        MmapRequest { prot, offset, len }.encode(&mut message);
        let taken = TakenDescriptors::room_for(1);
        let options = crate::ipc::SendOptions {
            take: Some(&taken),
            ..self.caller.options()
        };
        let parts = &mut [IoSliceMut::new(&mut room)];
        let reply = self.send_with(&[IoSlice::new(&message)], parts, options)?;
        let told = room.get(..reply.len).ok_or(Errno::PROTO)?;
        let told = MmapReply::decode(told).map_err(|_| Errno::PROTO)?;
        Ok(Mappable {
            descriptor: taken.take().pop().ok_or(Errno::PROTO)?,
            offset: told.offset,
        })
    }

    /// A private message of the file's manager.
    pub fn message(&self, msg: Msg, data: &[u8], reply: &mut [u8]) -> Result<Reply> {
        // Those are no private ones, and their status is counted elsewhere.
        if msg.manager == Msg::XATTR {
            return Err(Errno::INVAL);
        }
        let mut header = Vec::with_capacity(Msg::HEADER);
        msg.encode(&mut header);
        let parts = [&header, data].map(IoSlice::new);
        self.send(&parts, &mut [IoSliceMut::new(reply)])
    }

    /// Asks about conditions, and for an event when they come.
    pub fn notify(
        &self,
        action: NotifyAction,
        conditions: Conditions,
        event: &Event,
    ) -> Result<Conditions> {
        let (mut message, mut room) = (Vec::new(), [0; NotifyReply::SIZE]);
        let event = *event;
        Notify {
            action,
            conditions,
            event,
        }
        .encode(&mut message);
        let reply = self.send_bytes(&message, &mut room)?;
        // What does not report may come without a word.
        if reply.len == 0 {
            return Ok(Conditions::empty());
        }
        let told = room.get(..reply.len).ok_or(Errno::PROTO)?;
        let told = NotifyReply::decode(told).map_err(|_| Errno::PROTO)?;
        Ok(told.conditions)
    }

    fn info_with(&self, flags: u32) -> Result<FdInfoReply> {
        let mut room = vec![0; FdInfoReply::HEADER + PATH_MAX];
        let mut message = Vec::new();
        let path_room = u32::try_from(PATH_MAX).map_err(|_| Errno::INVAL)?;
        wire::encode_fd_info(flags, path_room, &mut message);
        let reply = self.send_bytes(&message, &mut room)?;
        room.truncate(reply.len);
        let mut info = FdInfoReply::decode(&room).map_err(|_| Errno::PROTO)?;
        let len = usize::try_from(reply.status).map_err(|_| Errno::PROTO)?;
        if len > info.path.len() {
            return Err(Errno::NAMETOOLONG);
        }
        info.path.truncate(len);
        Ok(info)
    }
}

fn path_of(info: FdInfoReply) -> Result<PathBuf> {
    if info.path.is_empty() {
        return Err(Errno::NOENT);
    }
    Ok(OsString::from_vec(info.path).into())
}
