//! [`Filter`]: what stands before a resource; [`Act`]: what it sees.

use crate::ipc::Credentials;
use crate::resource::{At, Attr, Change, Filesystem, New, RenameFlags};
use crate::wire::{Dcmd, OpenFlags, Space};
use crate::{Errno, Result};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::sync::Arc;

/// What is asked of a resource: one call of a handler of [`Resource`](crate::resource::Resource). Names are the last
/// component of a path.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Act<'a> {
    /// What the file is: at each open, stat and step of a path.
    Attr,
    /// The file of this name in a directory.
    Lookup(&'a OsStr),
    /// The text of a symbolic link.
    ReadLink,
    /// An open, with these flags. Permissions have been checked.
    Open(OpenFlags),
    /// The last close of an open.
    Close,
    /// A read.
    Read {
        /// Where.
        offset: u64,
        /// At most so many bytes.
        len: usize,
    },
    /// A write.
    Write {
        /// Where.
        offset: u64,
        /// So many bytes.
        len: usize,
    },
    /// A device command.
    Devctl(Dcmd),
    /// A private message.
    Message {
        /// Whom it is for.
        manager: u16,
        /// What it is.
        subtype: u16,
    },
    /// A directory is listed.
    ReadDir,
    /// Mode, owner, size or times are changed.
    Change(&'a Change),
    /// A file is made in a directory.
    Create(&'a OsStr, &'a New),
    /// A file gets one more name.
    Link(&'a OsStr),
    /// A name is taken away.
    Unlink(&'a OsStr),
    /// A directory is removed.
    RemoveDir(&'a OsStr),
    /// A file gets another name.
    Rename {
        /// The one that it has.
        from: &'a OsStr,
        /// The one that it gets.
        to: &'a OsStr,
        /// How.
        flags: RenameFlags,
    },
    /// The next data, or the next hole, are looked for.
    Seek,
    /// Room is taken or given back.
    Space(&'a Space),
    /// What was written is made safe.
    Sync,
    /// What the file system is.
    Filesystem,
    /// The value of an extended attribute.
    Xattr(&'a OsStr),
    /// The names of all of them.
    Xattrs,
    /// One is set, or removed.
    SetXattr(&'a OsStr),
    /// The file is mapped: what is read there is seen by no filter. True: to be written.
    Map(bool),
}

impl Act<'_> {
    /// Whether it changes something, or may: so do device commands that carry data to it, and private messages.
    pub fn changes(&self) -> bool {
        match self {
            Self::Open(flags) => flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE),
            Self::Devctl(command) => command.goes_to_device(),
            Self::Map(write) => *write,
            Self::Write { .. }
            | Self::Message { .. }
            | Self::Change(_)
            | Self::Create(..)
            | Self::Link(_)
            | Self::Unlink(_)
            | Self::RemoveDir(_)
            | Self::Rename { .. }
            | Self::Space(_)
            | Self::SetXattr(_) => true,
            Self::Attr
            | Self::Lookup(_)
            | Self::ReadLink
            | Self::Close
            | Self::Read { .. }
            | Self::ReadDir
            | Self::Seek
            | Self::Sync
            | Self::Filesystem
            | Self::Xattr(_)
            | Self::Xattrs => false,
        }
    }
}

/// What a [`Proxy`](super::Proxy) has before its resource. Each method lets everything through if it is not written.
///
/// It runs on the manager's threads, at the same time for several calls: it does not wait. A method that panics
/// answers `EIO` to the call that it is about.
#[expect(
    unused_variables,
    reason = "the parameters of the defaults are there to be read"
)]
pub trait Filter: Send + Sync + 'static {
    /// Before an act, of this client. An error refuses it: the resource does not hear of it. What cannot be refused, the
    /// close, goes on all the same.
    fn before(&self, act: &Act<'_>, by: &Credentials) -> Result<()> {
        Ok(())
    }

    /// After an act that was not refused: how many bytes a read or write has moved (0 of anything else), or the error. It
    /// comes once, before the client knows, when the answer comes; `EINTR`: the client was let go without one, or has
    /// died; `EIO`: the answer was lost.
    fn after(&self, act: &Act<'_>, by: &Credentials, outcome: Result<u64>) {}

    /// What the client gets in place of bytes that were read: as many as there were, or it gets `EIO`. An error reaches
    /// the client, and the bytes are lost if the resource gives them only once.
    fn read<'d>(&self, at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        Ok(Cow::Borrowed(data))
    }

    /// What the resource gets in place of bytes to be written: as many as there were, or the client gets `EIO`.
    fn write<'d>(&self, at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        Ok(Cow::Borrowed(data))
    }

    /// Changes what a file says that it is; permissions are checked by that.
    fn attr(&self, attr: &mut Attr) {}

    /// Changes what the file system says that it is. A tree is read-only when
    /// [`read_only`](Filesystem::read_only) is set: the framework refuses what would change it, in POSIX's order.
    fn filesystem(&self, known: &mut Filesystem) {}
}

/// A filter that others look at, too.
impl<F: Filter> Filter for Arc<F> {
    fn before(&self, act: &Act<'_>, by: &Credentials) -> Result<()> {
        (**self).before(act, by)
    }
    fn after(&self, act: &Act<'_>, by: &Credentials, outcome: Result<u64>) {
        (**self).after(act, by, outcome);
    }
    fn read<'d>(&self, at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        (**self).read(at, data)
    }
    fn write<'d>(&self, at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        (**self).write(at, data)
    }
    fn attr(&self, attr: &mut Attr) {
        (**self).attr(attr);
    }
    fn filesystem(&self, known: &mut Filesystem) {
        (**self).filesystem(known);
    }
}

/// What a filter made of some bytes, if they are as many.
pub(super) fn as_many(len: usize, made: Result<Cow<'_, [u8]>>) -> Result<Cow<'_, [u8]>> {
    let made = made?;
    if made.len() == len {
        return Ok(made);
    }
    tracing::error!(len, made = made.len(), "a filter has changed a length: EIO");
    Err(Errno::IO)
}
