//! What a server says of a file, in the kernel's words.
//!
//! Devices are shown as regular files: for a device node the kernel would look for a driver of its own and never ask
//! us. Of the mode only the permission bits pass, with those of set-user-ID, set-group-ID and the sticky one.

use crate::state::node::Kind;
use fuser::{FileAttr, INodeNo};
use resmgr::client::Stat;
use std::time::{Duration, SystemTime};

/// How long the kernel may believe an answer about names and attributes: not at all, so that names
/// appear and go at once.
pub(crate) const TTL: Duration = Duration::ZERO;

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
        perm: u16::try_from(stat.mode & 0o7777).unwrap_or(0),
        // A server that numbers no files counts no names either; an open file may have lost its last one.
        nlink: if stat.ino == 0 {
            stat.nlink.max(1)
        } else {
            stat.nlink
        },
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
        _ => 0o666,
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

#[cfg(test)]
mod tests {
    use super::{attributes, time};
    use crate::state::node::Kind;
    use resmgr::client::Stat;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_character_device_is_shown_as_a_file() {
        let stat = Stat {
            mode: Stat::CHARACTER | 0o4640,
            rdev: 7,
            ..Stat::default()
        };
        let attr = attributes(9, Kind::File, &stat);
        assert_eq!(
            (attr.kind, attr.perm, attr.rdev),
            (fuser::FileType::RegularFile, 0o4640, 0)
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
}
