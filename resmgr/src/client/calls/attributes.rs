//! Attributes of an open file: mode, owner, times, limits, extended attributes.

use super::{Calls, counted};
use crate::Result;
use crate::client::attributes::{names_of, set_of};
use crate::wire::{self, TimeChange, Utime, Xattr, XattrFlags};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

impl Calls<'_> {
    /// Changes the permissions.
    pub fn chmod(&self, mode: u32) -> Result<()> {
        self.tell(|out| wire::encode_chmod(mode, out))
    }

    /// Changes the owner, the group, or both.
    pub fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        self.tell(|out| wire::encode_chown(uid, gid, out))
    }

    /// Changes when it was last read and written.
    pub fn set_times(&self, accessed: TimeChange, modified: TimeChange) -> Result<()> {
        self.tell(|out| Utime { accessed, modified }.encode(out))
    }

    /// A limit that holds for the file; -1 for none.
    pub fn pathconf(&self, name: u16) -> Result<i64> {
        let mut message = Vec::new();
        wire::encode_pathconf(name, &mut message);
        self.send_bytes(&message, &mut []).map(|reply| reply.status)
    }

    /// Waits until data and attributes are safe.
    pub fn sync_all(&self) -> Result<()> {
        self.tell(|out| wire::encode_sync(wire::SYNC_ALL, out))
    }

    /// Waits until the data are safe.
    pub fn sync_data(&self) -> Result<()> {
        self.tell(|out| wire::encode_sync(wire::SYNC_DATA, out))
    }

    /// The value of an extended attribute.
    pub fn xattr(&self, name: &OsStr) -> Result<Vec<u8>> {
        let name = name.as_bytes();
        self.xattr_bytes(Xattr::Get { name })
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&self, name: &OsStr, value: &[u8], flags: XattrFlags) -> Result<()> {
        self.xattr_call(set_of(name, value, flags)?)
    }

    /// The names of all extended attributes.
    pub fn list_xattrs(&self) -> Result<Vec<OsString>> {
        self.xattr_bytes(Xattr::List).map(|names| names_of(&names))
    }

    /// Takes an extended attribute away.
    pub fn remove_xattr(&self, name: &OsStr) -> Result<()> {
        let name = name.as_bytes();
        self.xattr_call(Xattr::Remove { name })
    }

    fn xattr_call(&self, xattr: Xattr<'_>) -> Result<()> {
        let mut message = Vec::new();
        xattr.encode(&mut message)?;
        self.send_bytes(&message, &mut []).map(drop)
    }

    fn xattr_bytes(&self, xattr: Xattr<'_>) -> Result<Vec<u8>> {
        let (mut message, mut bytes) = (Vec::new(), vec![0; Xattr::VALUE_MAX]);
        xattr.encode(&mut message)?;
        let reply = self.send_bytes(&message, &mut bytes)?;
        bytes.truncate(counted(reply, reply.len)?);
        Ok(bytes)
    }
}
