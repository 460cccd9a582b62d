//! What every file does, whatever its bytes mean.

use super::super::Client;
use super::{BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, refused, same, told};
use crate::client::{Conditions, Dcmd, File, OpenFlags, PollFile, poll};
use crate::{Errno, Result};
use std::time::Duration;

/// A command that no device has.
const UNKNOWN: Dcmd = Dcmd::exchange::<u32>(0x7f, 0xfe);
/// Bytes that a read asks for which may find nothing.
pub(super) const SOME: usize = 64;

pub(super) const CHECKS: &[Named] = &[
    (
        "the permission bits say who may open",
        "POSIX open, EACCES; IF-18",
        permissions,
    ),
    (
        "chmod changes the permission bits, and nothing else",
        "POSIX chmod; IF-12",
        chmod,
    ),
    (
        "stat by path and by open agree",
        "POSIX stat, fstat; CB-2",
        stat,
    ),
    (
        "an unknown device command is ENOTTY",
        "POSIX posix_devctl, ENOTTY; DV-2",
        command,
    ),
    (
        "a duplicate outlives its first",
        "POSIX dup, close; DU-1, DU-2",
        duplicate,
    ),
    (
        "poll says what a read finds",
        "POSIX poll, POLLIN: data may be read without blocking; NT-2",
        polled,
    ),
];

/// What is seen only where one thread serves: else a call that runs looks like one that blocks.
pub(super) const BLOCKING: &[Named] = &[
    (
        "O_NONBLOCK does not block",
        "POSIX read, EAGAIN; IF-8",
        nonblock,
    ),
    (
        "a blocked read is let go with EINTR, and goes again",
        "POSIX read, EINTR; HP-7, IF-16",
        unblock,
    ),
    (
        "the death of a blocked client hurts nobody",
        "DU-2: a client that dies is detached, its opens are closed",
        death,
    ),
];

fn permissions(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, OpenFlags::empty())?);
    let stat = ground.bench.stat(&path)?;
    let (uid, gid) = (stat.uid, stat.gid);
    // Root may do everything: others are asked.
    let (other, others) = (uid.wrapping_add(10_001), gid.wrapping_add(10_001));
    let classes = [
        ("the owner", uid, others, 6),
        ("the group", other, gid, 3),
        ("others", other, others, 0),
    ];
    for (who, uid, gid, shift) in classes.into_iter().filter(|one| one.1 != 0) {
        let client = ground.user(uid, gid)?;
        for (what, flags, bit) in [("reads", READ, 4), ("writes", WRITE, 2)] {
            let may = stat.mode >> shift & bit != 0;
            let what = format!("an open for {what} by {who} of {:o}", stat.mode & 0o777);
            match client.open_at(&path, flags).map(drop) {
                Err(Errno::ACCES) => holds(&what, !may, Errno::ACCES, "success")?,
                Ok(()) => holds(&what, may, "success", "EACCES")?,
                Err(Errno::ROFS) if flags == WRITE => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(())
}

fn chmod(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    let file = ground.open(&path, OpenFlags::empty())?;
    let before = file.stat()?;
    for mode in [0o204, 0o640, before.mode & 0o7777] {
        match file.chmod(mode) {
            Err(Errno::PERM | Errno::ROFS | Errno::NOSYS | Errno::NOTSUP) => {
                return Err(Stop::Not("its permissions cannot be changed"));
            }
            changed => changed?,
        }
        let after = ground.bench.stat(&path)?;
        same("the permissions", after.mode & 0o7777, mode)?;
        same("the type", after.mode >> 12, before.mode >> 12)?;
        same(
            "the owner",
            (after.uid, after.gid),
            (before.uid, before.gid),
        )?;
        same("the size", after.size, before.size)?;
    }
    Ok(())
}

fn stat(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    let file = ground.open(&path, OpenFlags::empty())?;
    let (by_open, by_path) = (file.stat()?, ground.bench.stat(&path)?);
    same("the type and permissions", by_path.mode, by_open.mode)?;
    same("the number", by_path.ino, by_open.ino)?;
    same(
        "the owner",
        (by_path.uid, by_path.gid),
        (by_open.uid, by_open.gid),
    )?;
    same("the size", by_path.size, by_open.size)?;
    let kind = by_open.mode >> 12;
    holds("the type", kind != 0, kind, "one of the types of stat")?;
    holds("the count of names", by_open.nlink > 0, 0, "1 or more")
}

fn command(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.path(), OpenFlags::empty())?;
    refused(
        "the command",
        file.devctl(UNKNOWN, &mut [0; 4]),
        &[Errno::NOTTY],
    )
}

fn duplicate(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    let flags = READ | OpenFlags::NONBLOCK;
    drop(ground.open(&path, OpenFlags::empty())?);
    let client = ground.client()?;
    let file = match client.open_at(&path, flags) {
        Err(Errno::ACCES) => client.open_at(&path, OpenFlags::empty())?,
        opened => opened?,
    };
    let (twin, before) = (file.dup()?, file.stat()?);
    file.close()?;
    same("its number", twin.stat()?.ino, before.ino)?;
    let mut pending = client.begin_read(&twin, 1)?;
    if ground.waits(&mut pending) {
        client.die()?;
        return Ok(());
    }
    if let Err(errno @ (Errno::IO | Errno::NXIO | Errno::NODEV)) = pending.finish() {
        return Err(Stop::failed("a read", told(errno), "as before the close"));
    }
    twin.close()?;
    Ok(())
}

/// Whether a file is ready to be read.
pub(super) fn is_ready(file: &File) -> Result<bool> {
    let mut files = [PollFile::new(file, Conditions::INPUT)];
    poll(&mut files, Some(Duration::ZERO)).map(|count| count > 0)
}

fn polled(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, READ)?);
    let file = ground.open(&path, READ | OpenFlags::NONBLOCK)?;
    let client = ground.client()?;
    let reader = client.open_at(&path, READ | OpenFlags::NONBLOCK)?;
    let ready = is_ready(&file)?;
    let mut pending = client.begin_read(&reader, 1)?;
    if ground.waits(&mut pending) {
        client.die()?;
        return Err(Stop::Not("its reads block with O_NONBLOCK"));
    }
    match pending.finish() {
        Err(Errno::NOSYS) => Err(Stop::Not("it is not read")),
        Err(Errno::AGAIN) => holds("poll where a read is EAGAIN", !ready, "POLLIN", "nothing"),
        _ => holds(
            "poll where a read does not wait",
            ready,
            "nothing",
            "POLLIN",
        ),
    }
}

fn nonblock(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, READ)?);
    let client = ground.client()?;
    let file = client.open_at(&path, READ | OpenFlags::NONBLOCK)?;
    let mut pending = client.begin_read(&file, SOME)?;
    if ground.waits(&mut pending) {
        client.die()?;
        return Err(Stop::failed("a read", "it waits", "data or EAGAIN"));
    }
    match pending.finish() {
        Err(Errno::NOSYS) => Err(Stop::Not("it is not read")),
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A client with an open that a read blocks on.
pub(super) fn reader(ground: &Ground<'_>) -> Result<(Client, File), Stop> {
    let path = ground.path();
    drop(ground.open(&path, READ)?);
    let client = ground.client()?;
    let file = client.open_at(&path, READ)?;
    Ok((client, file))
}

fn unblock(ground: &Ground<'_>) -> Verdict {
    let (client, file) = reader(ground)?;
    for time in ["the first", "the second"] {
        let mut pending = client.begin_read(&file, SOME)?;
        if !ground.waits(&mut pending) {
            return Err(Stop::Not("its reads do not block"));
        }
        let what = format!("{time} read when it is let go");
        let ended = pending.unblock();
        if ended == Err(Errno::TIMEDOUT) {
            client.die()?;
            return Err(Stop::failed(what, "no answer", "EINTR"));
        }
        refused(&what, ended, &[Errno::INTR])?;
        file.stat()?;
    }
    Ok(())
}

fn death(ground: &Ground<'_>) -> Verdict {
    let (client, file) = reader(ground)?;
    let mut pending = client.begin_read(&file, SOME)?;
    if !ground.waits(&mut pending) {
        return Err(Stop::Not("its reads do not block"));
    }
    client.die()?;
    refused(
        "the dead client's own read",
        pending.finish(),
        &[Errno::BADF, Errno::SRCH],
    )?;
    // Somebody else goes on as ever.
    let path = ground.path();
    let file = ground
        .open(&path, BOTH)
        .or_else(|_| ground.open(&path, READ))?;
    file.stat()?;
    let other = ground.client()?;
    let file = other.open_at(&path, READ)?;
    let mut pending = other.begin_read(&file, SOME)?;
    if ground.waits(&mut pending) {
        refused("the next read", pending.unblock(), &[Errno::INTR])?;
    }
    Ok(())
}
