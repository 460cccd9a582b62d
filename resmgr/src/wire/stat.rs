//! [`Stat`]: what a file is.

use super::bytes::{get, put};
use crate::Result;

/// What stat() tells of a file. On the wire it has a layout of its own, the same on every machine word
/// (QNX has one per program model).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "stat")]
pub struct Stat {
    /// Device that the file is on: the attachment, unique in its server.
    pub dev: u64,
    /// Number of the file there.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Names that it has.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Which device it is, for device files.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// The best size for reads and writes, in bytes.
    pub blksize: u32,
    /// Units of 512 bytes that it takes.
    pub blocks: u64,
    /// Last read, in nanoseconds since 1970.
    pub atime: i64,
    /// Last write, in nanoseconds since 1970.
    pub mtime: i64,
    /// Last change of the file's attributes, in nanoseconds since 1970.
    pub ctime: i64,
}

impl Stat {
    /// Bytes on the wire.
    pub const SIZE: usize = 96;
    /// The part of `mode` that is the type.
    #[doc(alias = "S_IFMT")]
    pub const TYPE: u32 = 0o170_000;
    /// Type: directory.
    #[doc(alias = "S_IFDIR")]
    pub const DIRECTORY: u32 = 0o040_000;
    /// Type: character device.
    #[doc(alias = "S_IFCHR")]
    pub const CHARACTER: u32 = 0o020_000;
    /// Type: block device.
    #[doc(alias = "S_IFBLK")]
    pub const BLOCK: u32 = 0o060_000;
    /// Type: pipe.
    #[doc(alias = "S_IFIFO")]
    pub const PIPE: u32 = 0o010_000;
    /// Type: socket.
    #[doc(alias = "S_IFSOCK")]
    pub const SOCKET: u32 = 0o140_000;
    /// Type: ordinary file.
    #[doc(alias = "S_IFREG")]
    pub const REGULAR: u32 = 0o100_000;
    /// Type: symbolic link.
    #[doc(alias = "S_IFLNK")]
    pub const LINK: u32 = 0o120_000;
    /// Type: a name that a program receives messages under.
    #[doc(alias = "S_IFNAM")]
    #[doc(alias = "S_INNAM")]
    pub const NAME: u32 = 0o050_000;

    /// Whether it is a directory.
    pub const fn is_dir(&self) -> bool {
        self.mode & Self::TYPE == Self::DIRECTORY
    }

    /// From the bytes of a reply. Bytes after it are left alone; too few are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        Ok(Self {
            dev: get(reply, 0)?,
            ino: get(reply, 8)?,
            mode: get(reply, 16)?,
            nlink: get(reply, 20)?,
            uid: get(reply, 24)?,
            gid: get(reply, 28)?,
            rdev: get(reply, 32)?,
            size: get(reply, 40)?,
            blksize: get(reply, 48)?,
            blocks: get(reply, 56)?,
            atime: get(reply, 64)?,
            mtime: get(reply, 72)?,
            ctime: get(reply, 80)?,
        })
    }

    /// Appends the bytes of a reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; self.dev, self.ino, self.mode, self.nlink, self.uid, self.gid, self.rdev, self.size);
        put!(out; self.blksize, 0_u32, self.blocks, self.atime, self.mtime, self.ctime, 0_u64);
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn what_was_encoded_is_decoded() {
        let stat = Stat {
            dev: 1,
            ino: 2,
            mode: Stat::REGULAR | 0o644,
            nlink: 3,
            uid: 4,
            gid: 5,
            rdev: 6,
            size: 1 << 40,
            blksize: 4096,
            blocks: 7,
            atime: -8,
            mtime: 9,
            ctime: i64::MAX,
        };
        let mut bytes = Vec::new();
        stat.encode(&mut bytes);
        assert_eq!(bytes.len(), Stat::SIZE);
        assert_eq!(Stat::decode(&bytes), Ok(stat));
        assert_eq!(Stat::decode(&bytes[..40]), Err(crate::Errno::BADMSG));
    }
}
