//! [`Attr`]: what stat() tells, and what open() checks.

use crate::wire::Stat;
use resmgr_sys::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// The attributes of a file, as its handlers give them.
///
/// "This process's user" is the effective one when a [`Manager`](crate::dispatch::Manager) last attached something
/// or began to serve; a program gives up its rights before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "iofunc_attr_t")]
pub struct Attr {
    /// Number of the file, unique in its resource while the file exists: the framework knows by it which opens
    /// are of one file. 1 for a resource that is one file.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Bytes that it takes; `None`: as many as its size.
    pub space: Option<u64>,
    /// Names that it has.
    pub nlink: u32,
    /// Which device it is, for device files.
    pub rdev: u64,
    /// The best size for reads and writes, in bytes.
    pub blksize: u32,
    /// Last read; `None` leaves the book-keeping to the framework.
    pub accessed: Option<SystemTime>,
    /// Last write; `None` leaves the book-keeping to the framework.
    pub modified: Option<SystemTime>,
    /// Last change of the attributes; `None` leaves the book-keeping to the framework.
    pub changed: Option<SystemTime>,
}

impl Attr {
    /// A character device of this process's user, with these permissions.
    #[doc(alias = "iofunc_attr_init")]
    pub fn device(permissions: u32) -> Self {
        Self::of_type(Stat::CHARACTER, permissions)
    }

    /// An ordinary file of this process's user, with these permissions and `size` bytes.
    pub fn file(permissions: u32, size: u64) -> Self {
        Self {
            size,
            ..Self::of_type(Stat::REGULAR, permissions)
        }
    }

    /// A directory of this process's user, with these permissions.
    pub fn directory(permissions: u32) -> Self {
        Self {
            nlink: 2,
            ..Self::of_type(Stat::DIRECTORY, permissions)
        }
    }

    /// A symbolic link of this process's user, whose text has `len` bytes.
    pub fn link(len: u64) -> Self {
        Self {
            size: len,
            ..Self::of_type(Stat::LINK, 0o777)
        }
    }

    /// A file of the type and with the permissions of `mode`, of this process's user.
    pub fn of_mode(mode: u32) -> Self {
        Self::of_type(mode & Stat::TYPE, mode)
    }

    fn of_type(kind: u32, permissions: u32) -> Self {
        // Made for every open and every stat: the system is not asked each time.
        let (uid, gid) = process::known_ids();
        Self {
            ino: 1,
            space: None,
            mode: kind | (permissions & 0o7777),
            uid,
            gid,
            size: 0,
            nlink: 1,
            rdev: 0,
            blksize: 4096,
            accessed: None,
            modified: None,
            changed: None,
        }
    }

    /// The same with another owner.
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// The same with another size.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// The same with another number.
    pub fn number(mut self, ino: u64) -> Self {
        self.ino = ino;
        self
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & Stat::TYPE == Stat::DIRECTORY
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & Stat::TYPE == Stat::LINK
    }

    /// Whether it is an ordinary file.
    pub fn is_regular(&self) -> bool {
        self.mode & Stat::TYPE == Stat::REGULAR
    }
}

/// A point in time as stat() tells it; what lies outside three centuries around 1970 ends at the border.
pub(crate) fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}
