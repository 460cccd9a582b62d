//! The calls on a file by its path: each is one message, for a file that is open for that long (CB-2). Symbolic
//! links are followed.

use super::Caller;
use super::calls::{counted_status, statvfs_of};
use super::walk::Found;
use crate::wire::{
    self, Connect, DevctlHeader, IO_HEADER, OpenFlags, Plain, Seek, Space, SpaceKind, Statvfs,
    TimeChange, Utime, Xattr, XattrFlags, dcmds,
};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

macro_rules! by_path {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
        $(#[$meta])*
        #[doc = concat!("\n\nSee [`Caller::", stringify!($name), "`].")]
        pub fn $name(path: impl AsRef<Path> $(, $arg: $type)*) -> $result {
            Caller::default().$name(path $(, $arg)*)
        }
    )*};
}

by_path! {
    /// Changes a file's permissions.
    chmod(mode: u32) -> Result<()>;
    /// Changes a file's owner, its group, or both.
    chown(uid: Option<u32>, gid: Option<u32>) -> Result<()>;
    /// Changes when a file was last read and written.
    #[doc(alias = "utimensat")]
    set_times(accessed: TimeChange, modified: TimeChange) -> Result<()>;
    /// Changes how long a file is.
    truncate(size: u64) -> Result<()>;
    /// A limit that holds for a file.
    pathconf(name: u16) -> Result<i64>;
    /// What the file system of a file is.
    statvfs() -> Result<Statvfs>;
    /// An extended attribute.
    #[doc(alias = "getxattr")]
    xattr(name: &OsStr) -> Result<Vec<u8>>;
    /// Sets an extended attribute.
    #[doc(alias = "setxattr")]
    set_xattr(name: &OsStr, value: &[u8], flags: XattrFlags) -> Result<()>;
    /// The names of all extended attributes.
    #[doc(alias = "listxattr")]
    list_xattrs() -> Result<Vec<OsString>>;
    /// Takes an extended attribute away.
    #[doc(alias = "removexattr")]
    remove_xattr(name: &OsStr) -> Result<()>;
}

impl Caller<'_> {
    /// Changes a file's permissions: the lower twelve bits of `mode`.
    ///
    /// # Errors
    /// As [`open`](Self::open); `EPERM`: it is not the caller's; `ENOSYS`: the server does not know the call.
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.at(path, |out| wire::encode_chmod(mode, out))
    }

    /// Changes a file's owner, its group, or both; what is `None` stays.
    ///
    /// # Errors
    /// As [`chmod`](Self::chmod).
    pub fn chown(&self, path: impl AsRef<Path>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        self.at(path, |out| wire::encode_chown(uid, gid, out))
    }

    /// Changes when a file was last read and written.
    ///
    /// # Errors
    /// As [`chmod`](Self::chmod); `EACCES`: it is not the caller's, and may not be written.
    #[doc(alias = "utimensat")]
    pub fn set_times(
        &self,
        path: impl AsRef<Path>,
        accessed: TimeChange,
        modified: TimeChange,
    ) -> Result<()> {
        self.at(path, |out| Utime { accessed, modified }.encode(out))
    }

    /// Changes how long a file is: it is cut, or goes on with zeros.
    ///
    /// # Errors
    /// As [`open`](Self::open) for writing; `EFBIG`, `EINVAL`: no file of the server can be so long; `ENOSYS`: the
    /// server does not know the call.
    pub fn truncate(&self, path: impl AsRef<Path>, size: u64) -> Result<()> {
        let mut message = Vec::new();
        cut(size).encode(&mut message)?;
        let connect = Connect {
            flags: OpenFlags::WRITE,
            ..Connect::default()
        };
        self.at_with(path.as_ref(), connect, &message, size_of::<u64>())
            .map(drop)
    }

    /// A limit that holds for a file: the number of `_PC_LINK_MAX` (0) and others as Linux has them; -1 for none.
    ///
    /// # Errors
    /// As [`open`](Self::open); `EINVAL`: the server knows no such limit; `ENOSYS`: it knows none.
    pub fn pathconf(&self, path: impl AsRef<Path>, name: u16) -> Result<i64> {
        let mut message = Vec::new();
        wire::encode_pathconf(name, &mut message);
        let found = self.at_with(path.as_ref(), Connect::default(), &message, 0)?;
        Ok(found.status)
    }

    /// What the file system of a file is.
    ///
    /// # Errors
    /// As [`open`](Self::open); `ENOSYS`: the server does not know the call.
    pub fn statvfs(&self, path: impl AsRef<Path>) -> Result<Statvfs> {
        let command = dcmds::FSYS_STATVFS.dcmd();
        let len = u32::try_from(Statvfs::SIZE).map_err(|_| Errno::INVAL)?;
        let (mut message, room) = (Vec::new(), IO_HEADER + Statvfs::SIZE);
        DevctlHeader { command, len }.encode(&mut message);
        let found = match self.at_with(path.as_ref(), Connect::default(), &message, room) {
            Err(Errno::NOTTY) => return Err(Errno::NOSYS),
            found => found?,
        };
        statvfs_of(&found.reply)
    }

    /// The value of an extended attribute, of at most 65,536 bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open); `ENODATA`: there is none of that name; `ENOSYS`: the server has none.
    #[doc(alias = "getxattr")]
    pub fn xattr(&self, path: impl AsRef<Path>, name: &OsStr) -> Result<Vec<u8>> {
        let name = name.as_bytes();
        self.xattr_bytes(path.as_ref(), Xattr::Get { name })
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// As [`open`](Self::open), and
    /// - `EEXIST`, `ENODATA`: as the flags say.
    /// - `ERANGE`, `E2BIG`: the name or the value has a length that none can have.
    /// - `ENOSYS`: the server has none.
    #[doc(alias = "setxattr")]
    pub fn set_xattr(
        &self,
        path: impl AsRef<Path>,
        name: &OsStr,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<()> {
        let set = set_of(name, value, flags)?;
        self.xattr_call(path.as_ref(), set, 0).map(drop)
    }

    /// The names of all extended attributes, of at most 65,536 bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open); `ENOSYS`: the server has none.
    #[doc(alias = "listxattr")]
    pub fn list_xattrs(&self, path: impl AsRef<Path>) -> Result<Vec<OsString>> {
        self.xattr_bytes(path.as_ref(), Xattr::List)
            .map(|names| names_of(&names))
    }

    /// Takes an extended attribute away.
    ///
    /// # Errors
    /// As [`set_xattr`](Self::set_xattr); `ENODATA`: there is none of that name.
    #[doc(alias = "removexattr")]
    pub fn remove_xattr(&self, path: impl AsRef<Path>, name: &OsStr) -> Result<()> {
        let name = name.as_bytes();
        self.xattr_call(path.as_ref(), Xattr::Remove { name }, 0)
            .map(drop)
    }

    fn xattr_bytes(&self, path: &Path, xattr: Xattr<'_>) -> Result<Vec<u8>> {
        let found = self.xattr_call(path, xattr, Xattr::VALUE_MAX)?;
        let len = counted_status(found.status, found.reply.len())?;
        let mut bytes = found.reply;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn xattr_call(&self, path: &Path, xattr: Xattr<'_>, room: usize) -> Result<Found> {
        let mut message = Vec::new();
        xattr.encode(&mut message)?;
        self.at_with(path, Connect::default(), &message, room)
    }

    fn at(&self, path: impl AsRef<Path>, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut message = Vec::new();
        write(&mut message);
        self.at_with(path.as_ref(), Connect::default(), &message, 0)
            .map(drop)
    }

    fn at_with(
        &self,
        path: &Path,
        connect: Connect<'_>,
        next: &[u8],
        room: usize,
    ) -> Result<Found> {
        self.combine(&self.path(path)?, connect, next, room)
    }
}

/// The file ends at `size`.
pub(super) fn cut(size: u64) -> Space {
    Space {
        kind: SpaceKind::Free,
        base: Seek::Start(size),
        len: 0,
    }
}

/// `E2BIG` for a value that is too long.
pub(super) fn set_of<'a>(name: &'a OsStr, value: &'a [u8], flags: XattrFlags) -> Result<Xattr<'a>> {
    if value.len() > Xattr::VALUE_MAX {
        return Err(Errno::TOOBIG);
    }
    Ok(Xattr::Set {
        name: name.as_bytes(),
        value,
        len: u32::try_from(value.len()).map_err(|_| Errno::TOOBIG)?,
        flags,
    })
}

/// Names that are closed by NULs.
pub(super) fn names_of(bytes: &[u8]) -> Vec<OsString> {
    let names = bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    names
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect()
}
