//! The fields of a packet, one after the other.

use super::{MOST, Malformed};
use crate::path::{Pathname, Rooted};
use crate::registration::{Attach, AttachFlags, AttachId, Entry, FileType, Name, NameKind};
use crate::tree::Listing;
use resmgr_sys::Result;

/// Bytes to be sent.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// With room for most packets, so that few grow.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(128))
    }
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
    pub(super) fn head(&mut self, op: u8, serial: u32) -> &mut Self {
        self.bytes(&[op, 0, 0, 0]).u32(serial)
    }
    /// Always the last of a packet.
    pub(super) fn path(&mut self, path: &Pathname) -> &mut Self {
        let slash = path.has_trailing_slash() && path.as_bytes() != b"/";
        self.bytes(path.as_bytes())
            .bytes(if slash { b"/" } else { b"" })
    }
    pub(super) fn rooted(&mut self, path: &Rooted) -> &mut Self {
        // A path is shorter than PATH_MAX.
        let root = u16::try_from(path.root()).unwrap_or(0);
        self.u16(root).path(path.path())
    }
    pub(super) fn entry(&mut self, entry: &Entry) -> &mut Self {
        self.u32(entry.nd)
            .u32(entry.pid)
            .i32(entry.chid)
            .u32(entry.handle);
        self.i32(entry.file_type.0)
            .u32(entry.flags.bits())
            .u16(entry.prefix_len)
            .u16(0)
            .u64(entry.identity)
    }
    pub(super) fn listing(&mut self, listing: &Listing) {
        self.u8(listing.here.bits());
        let more = self.0.len();
        self.u8(listing.more.into());
        for Name { name, kind, target } in &listing.names {
            let lengths = (u8::try_from(name.len()), u16::try_from(target.len()));
            let (Ok(len), Ok(target_len)) = lengths else {
                continue;
            };
            if self.0.len() + 4 + name.len() + target.len() > MOST {
                self.0[more] = 1;
                return;
            }
            self.u8(kind.bits()).u8(len).bytes(name);
            if kind.contains(NameKind::LINK) {
                self.u16(target_len).bytes(target);
            }
        }
    }
}

/// Bytes that arrived. Nothing is read beyond their end.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (first, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(first)
    }
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }
    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }
    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
    pub(super) fn kind(&mut self) -> Result<NameKind, Malformed> {
        NameKind::from_bits(self.u8()?).ok_or(Malformed)
    }
    pub(super) fn flags(&mut self) -> Result<AttachFlags, Malformed> {
        AttachFlags::from_bits(self.u32()?).ok_or(Malformed)
    }
    /// The rest of the packet.
    pub(super) fn path(&mut self) -> Result<Pathname> {
        Pathname::new(std::mem::take(&mut self.0))
    }
    /// The same with its root in front.
    pub(super) fn rooted(&mut self) -> Result<Result<Rooted>, Malformed> {
        let root = self.u16()?.into();
        Ok(self.path().and_then(|path| Rooted::new(path, root)))
    }
    pub(super) fn attach(&mut self) -> Result<(AttachId, Result<Attach>), Malformed> {
        let id = AttachId(self.u64()?);
        let (chid, handle) = (self.i32()?, self.u32()?);
        let (file_type, flags) = (FileType(self.i32()?), self.flags()?);
        let exclusive = match self.u32()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        let attach = self.path().map(|path| Attach {
            path,
            chid,
            handle,
            file_type,
            flags,
            exclusive,
        });
        Ok((id, attach))
    }
    pub(super) fn entry(&mut self) -> Result<Entry, Malformed> {
        let (nd, pid, chid, handle) = (self.u32()?, self.u32()?, self.i32()?, self.u32()?);
        let (file_type, flags) = (FileType(self.i32()?), self.flags()?);
        let (prefix_len, _) = (self.u16()?, self.u16()?);
        let identity = self.u64()?;
        Ok(Entry {
            nd,
            pid,
            identity,
            chid,
            handle,
            file_type,
            flags,
            prefix_len,
        })
    }
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}
