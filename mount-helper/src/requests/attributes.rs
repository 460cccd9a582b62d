//! What a file is, and changes of that: getattr, setattr, access, statfs.

use crate::requests::attr::{TTL, attributes as words, unasked};
use crate::serving::bridge::Desk;
use crate::serving::call::Refuse;
use crate::serving::traffic::Key;
use crate::state::handle::Open;
use crate::state::node::{Kind, ROOT};
use fuser::{ReplyAttr, ReplyEmpty, ReplyStatfs, TimeOrNow};
use resmgr::client::{Access, OpenFlags, Stat, Statvfs, TimeChange};
use resmgr_sys::{Errno, Result};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that a name may have where no server says.
const NAME_MAX: u32 = 255;

/// What a node is, from its server, under that server's bound. A file that has taken the name is not it.
fn stat<R: Refuse>(desk: &mut Desk<'_, R>, number: u64) -> Result<Stat> {
    desk.ask(
        number,
        |caller, path, node| {
            let stat = caller.stat(path)?;
            if node.is(&stat) {
                Ok(stat)
            } else {
                Err(Errno::NOENT)
            }
        },
        |calls| calls.stat(),
    )
}

/// getattr of a node.
pub(crate) fn attributes(desk: &mut Desk<'_, ReplyAttr>, number: u64) -> Result<()> {
    let kind = desk.shared.nodes.get(number)?.kind;
    let attr = match stat(desk, number) {
        Ok(stat) => words(number, kind, &stat),
        // Nobody has registered anything there yet: an empty directory, until somebody does.
        Err(Errno::NOENT) if number == ROOT => unasked(number, Kind::Directory),
        Err(errno) => return Err(errno),
    };
    desk.answer(|reply| reply.attr(&TTL, &attr));
    Ok(())
}

/// getattr of an open file, which may have lost its name.
pub(crate) fn attributes_of_open(
    desk: &mut Desk<'_, ReplyAttr>,
    number: u64,
    open: &Open,
) -> Result<()> {
    let stat = open.file().on_behalf(desk.caller(&open.process)).stat()?;
    let attr = words(number, Kind::File, &stat);
    desk.answer(|reply| reply.attr(&TTL, &attr));
    Ok(())
}

/// What setattr changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) accessed: Option<TimeOrNow>,
    pub(crate) modified: Option<TimeOrNow>,
    /// Through which open, for ftruncate(2).
    pub(crate) open: Option<Arc<Open>>,
}

/// setattr.
pub(crate) fn change(desk: &mut Desk<'_, ReplyAttr>, number: u64, changes: &Changes) -> Result<()> {
    if desk.shared.nodes.get(number)?.server.key == Key::Names {
        // A directory that is there because names lie below it has nobody to change it.
        return Err(Errno::PERM);
    }
    if let Some(size) = changes.size {
        set_size(desk, number, size, changes.open.as_deref())?;
    }
    if changes.uid.or(changes.gid).is_some() {
        let (uid, gid) = (changes.uid, changes.gid);
        desk.ask(
            number,
            |caller, path, _| caller.chown(path, uid, gid),
            |calls| calls.chown(uid, gid),
        )?;
    }
    if let Some(mode) = changes.mode.map(|mode| mode & 0o7777) {
        desk.ask(
            number,
            |caller, path, _| caller.chmod(path, mode),
            |calls| calls.chmod(mode),
        )?;
    }
    if changes.accessed.is_some() || changes.modified.is_some() {
        let (accessed, modified) = (time(changes.accessed), time(changes.modified));
        desk.ask(
            number,
            |caller, path, _| caller.set_times(path, accessed, modified),
            |calls| calls.set_times(accessed, modified),
        )?;
    }
    attributes(desk, number)
}

fn set_size(
    desk: &mut Desk<'_, ReplyAttr>,
    number: u64,
    size: u64,
    open: Option<&Open>,
) -> Result<()> {
    if let Some(open) = open {
        let calls = open.file().on_behalf(desk.caller(&open.process));
        match calls.set_len(size) {
            // A device has no size to be cut to, and is none the worse for it.
            Err(Errno::NOSYS | Errno::INVAL) if size == 0 => {}
            done => return done.map(drop),
        }
    }
    desk.ask_by_path(
        number,
        |caller, path, _| match caller.truncate(path, size) {
            // The same by the message that every server knows.
            Err(Errno::NOSYS | Errno::INVAL) if size == 0 => {
                let flags = OpenFlags::WRITE | OpenFlags::TRUNCATE;
                caller.open(path, flags, 0).map(drop)
            }
            done => done,
        },
        |calls| calls.set_len(size).map(drop),
    )
}

fn time(change: Option<TimeOrNow>) -> TimeChange {
    match change {
        None => TimeChange::Keep,
        Some(TimeOrNow::Now) => TimeChange::Now,
        Some(TimeOrNow::SpecificTime(time)) => TimeChange::At(nanoseconds(time)),
    }
}

/// Since 1970; what lies outside three centuries around it ends at the border.
fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |time| -time),
    }
}

/// Whether nobody has to be asked: that a name is there was found out on the way to it.
pub(crate) fn is_granted(number: u64, mask: u32) -> bool {
    number == ROOT || mask == 0
}

/// access(2): the server says. (4 read, 2 write, 1 execute.)
pub(crate) fn access(desk: &mut Desk<'_, ReplyEmpty>, number: u64, mask: u32) -> Result<()> {
    let access = Access::from_bits_truncate(mask & 7);
    desk.ask_by_path(
        number,
        |caller, path, _| caller.access(path, access),
        |_| Ok(()),
    )?;
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// statfs. Where no server says anything, nothing is stored, used or free.
pub(crate) fn statfs(desk: &mut Desk<'_, ReplyStatfs>, number: u64) -> Result<()> {
    let nothing = Statvfs {
        bsize: 4096,
        frsize: 4096,
        namemax: NAME_MAX,
        ..Statvfs::default()
    };
    let asked = desk.ask(
        number,
        |caller, path, _| caller.statvfs(path),
        |calls| calls.statvfs(),
    );
    let known = match asked {
        Ok(known) => known,
        Err(Errno::NOSYS | Errno::NOENT | Errno::NOTTY) => nothing,
        Err(errno) => return Err(errno),
    };
    desk.answer(|reply| {
        reply.statfs(
            known.blocks,
            known.bfree,
            known.bavail,
            known.files,
            known.ffree,
            known.bsize,
            known.namemax,
            known.frsize,
        );
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{nanoseconds, time};
    use fuser::TimeOrNow;
    use resmgr::client::TimeChange;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_told_in_nanoseconds_also_before_1970() {
        let second = Duration::from_secs(1);
        assert_eq!(nanoseconds(UNIX_EPOCH - second), -1_000_000_000);
        let far = UNIX_EPOCH + second * u32::MAX * 4;
        assert_eq!(nanoseconds(far), i64::MAX);
        assert_eq!(time(None), TimeChange::Keep);
        assert_eq!(time(Some(TimeOrNow::Now)), TimeChange::Now);
    }
}
