//! What a server says of a file, in the kernel's words.
//!
//! Everything is shown as a regular file or a directory: for a device node the kernel would look for a
//! driver of its own and never ask us. Of the mode only the permission bits pass.

use crate::node::Kind;
use fuser::{FileAttr, FileType, INodeNo};
use resmgr::client::Stat;
use std::time::{Duration, SystemTime};

/// How long the kernel may believe an answer about names and attributes: not at all, so that names
/// appear and go at once.
pub(crate) const TTL: Duration = Duration::ZERO;

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File => Self::RegularFile,
        }
    }
}

/// The kind that a stat says.
pub(crate) fn kind_of(stat: &Stat) -> Kind {
    if stat.is_dir() {
        Kind::Directory
    } else {
        Kind::File
    }
}

/// A file's attributes under the number that the kernel knows it by.
pub(crate) fn attributes(number: u64, kind: Kind, stat: &Stat) -> FileAttr {
    FileAttr {
        ino: INodeNo(number),
        size: stat.size,
        blocks: stat.blocks,
        atime: time(stat.atime),
        mtime: time(stat.mtime),
        ctime: time(stat.ctime),
        crtime: SystemTime::UNIX_EPOCH,
        kind: kind.into(),
        perm: u16::try_from(stat.mode & 0o777).unwrap_or(0),
        nlink: stat.nlink.max(1),
        uid: stat.uid,
        gid: stat.gid,
        rdev: 0,
        blksize: match stat.blksize {
            0 => 4096,
            size => size,
        },
        flags: 0,
    }
}

/// What is said of a name at its lookup, before its server was asked. The kernel believes nothing of it
/// but the kind, since [`TTL`] is zero.
pub(crate) fn unasked(number: u64, kind: Kind) -> FileAttr {
    let mode = match kind {
        Kind::Directory => 0o555,
        Kind::File => 0o666,
    };
    let stat = Stat {
        mode,
        ..Stat::default()
    };
    attributes(number, kind, &stat)
}

/// Nanoseconds since 1970.
fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    let time = if nanoseconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether permission bits allow what access(2) asks for (4 read, 2 write, 1 execute), by the one group
/// that the kernel tells us of, as servers check.
pub(crate) fn allows(stat: &Stat, uid: u32, gid: u32, mask: u32) -> bool {
    let shift = match (stat.uid == uid, stat.gid == gid) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    };
    uid == 0 || (stat.mode >> shift) & mask & 7 == mask & 7
}

#[cfg(test)]
mod tests {
    use super::{allows, attributes, time};
    use crate::node::Kind;
    use resmgr::client::Stat;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_character_device_is_shown_as_a_file_without_set_user_id() {
        let stat = Stat {
            mode: Stat::CHARACTER | 0o4640,
            rdev: 7,
            ..Stat::default()
        };
        let attr = attributes(9, Kind::File, &stat);
        assert_eq!(
            (attr.kind, attr.perm, attr.rdev),
            (fuser::FileType::RegularFile, 0o640, 0)
        );
        assert_eq!((attr.nlink, attr.blksize), (1, 4096));
    }

    #[test]
    fn times_before_1970_and_far_away_are_no_trouble() {
        assert_eq!(
            time(-1_000),
            SystemTime::UNIX_EPOCH - Duration::from_micros(1)
        );
        let _ = (time(i64::MIN), time(i64::MAX));
    }

    #[test]
    fn access_goes_by_owner_then_group_then_others() {
        let stat = Stat {
            mode: 0o640,
            uid: 5,
            gid: 6,
            ..Stat::default()
        };
        assert!(allows(&stat, 5, 0, 6) && !allows(&stat, 5, 6, 1));
        assert!(allows(&stat, 7, 6, 4) && !allows(&stat, 7, 6, 2));
        assert!(!allows(&stat, 7, 7, 4) && allows(&stat, 0, 0, 7) && allows(&stat, 7, 7, 0));
    }
}
