//! What every file does, whatever its bytes mean.

use super::{BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, refused, same};
use crate::Errno;
use crate::client::{Dcmd, OpenFlags};

/// A command that no device has.
const UNKNOWN: Dcmd = Dcmd::exchange::<u32>(0x7f, 0xfe);
/// Bytes that a read asks for which may find nothing.
const SOME: usize = 64;

pub(super) const CHECKS: &[Named] = &[
    ("what an open was not made for is EBADF", modes),
    ("the permission bits say who may open", permissions),
    ("an exclusive open of what is there is EEXIST", exclusive),
    ("stat by path and by open agree", stat),
    ("a file is no directory", directory),
    ("nothing is moved by a transfer of no bytes", nothing),
    ("an unknown device command is ENOTTY", command),
    ("a duplicate outlives its first", duplicate),
];

/// What is seen only where one thread serves: else a call that runs looks like one that blocks.
pub(super) const BLOCKING: &[Named] = &[
    ("O_NONBLOCK does not block", nonblock),
    (
        "a blocked read is let go with EINTR, and goes again",
        unblock,
    ),
    ("the death of a blocked client hurts nobody", death),
];

fn modes(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    let reads = ground.open(&path, READ);
    if let Ok(file) = &reads {
        refused(
            "a write to one for reading",
            file.write(b"x"),
            &[Errno::BADF],
        )?;
    }
    let writes = ground.open(&path, WRITE);
    if let Ok(file) = &writes {
        refused(
            "a read from one for writing",
            file.read(&mut [0; 1]),
            &[Errno::BADF],
        )?;
    }
    reads.or(writes).map(drop)
}

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
            let opened = client.open_at(&path, flags).map(drop);
            match opened {
                Err(Errno::ACCES) => holds(&format!("{who} may not open for {what}"), !may)?,
                Ok(()) => holds(&format!("{who} opens for {what} without right"), may)?,
                Err(Errno::ROFS) if flags == WRITE => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(())
}

fn exclusive(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, OpenFlags::empty())?);
    let flags = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let opened = ground.bench.open_at(&path, flags);
    refused("it", opened, &[Errno::EXIST])
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
    holds("it has no type", by_open.mode >> 12 != 0)?;
    holds("it has no names", by_open.nlink > 0)
}

fn directory(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, OpenFlags::empty())?);
    let opened = ground.bench.open_at(&path, READ | OpenFlags::DIRECTORY);
    refused("to open it as one", opened, &[Errno::NOTDIR, Errno::ACCES])
}

fn nothing(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.path(), WRITE)?;
    let (position, size) = (file.position()?, file.stat()?.size);
    same("a write", file.write(b"")?, 0)?;
    same("the position", file.position()?, position)?;
    same("the size", file.stat()?.size, size)
}

fn command(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.path(), OpenFlags::empty())?;
    refused("it", file.devctl(UNKNOWN, &mut [0; 4]), &[Errno::NOTTY])
}

fn duplicate(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.path(), OpenFlags::empty())?;
    let twin = file.dup()?;
    let before = file.stat()?;
    file.close()?;
    same("its number", twin.stat()?.ino, before.ino)?;
    twin.close()?;
    Ok(())
}

fn nonblock(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    drop(ground.open(&path, READ)?);
    let client = ground.client()?;
    let file = client.open_at(&path, READ | OpenFlags::NONBLOCK)?;
    let mut pending = client.begin_read(&file, SOME)?;
    if pending.is_blocked() {
        client.die()?;
        return Err(Stop::Failed("a read blocks".into()));
    }
    match pending.finish() {
        Err(Errno::NOSYS) => Err(Stop::Not("it is not read")),
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A client with an open that a read blocks on.
fn blocked(ground: &Ground<'_>) -> Result<(super::super::Client, crate::client::File), Stop> {
    let path = ground.path();
    drop(ground.open(&path, READ)?);
    let client = ground.client()?;
    let file = client.open_at(&path, READ)?;
    Ok((client, file))
}

fn unblock(ground: &Ground<'_>) -> Verdict {
    let (client, file) = blocked(ground)?;
    for time in ["the first", "the second"] {
        let mut pending = client.begin_read(&file, SOME)?;
        if !pending.is_blocked() {
            return Err(Stop::Not("its reads do not block"));
        }
        let what = format!("{time} read");
        let ended = pending.unblock();
        if ended == Err(Errno::TIMEDOUT) {
            client.die()?;
            return Err(Stop::Failed(format!("{what} is not let go")));
        }
        refused(&what, ended, &[Errno::INTR])?;
        file.stat()?;
    }
    Ok(())
}

fn death(ground: &Ground<'_>) -> Verdict {
    let (client, file) = blocked(ground)?;
    let mut pending = client.begin_read(&file, SOME)?;
    if !pending.is_blocked() {
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
    if pending.is_blocked() {
        refused("the next read", pending.unblock(), &[Errno::INTR])?;
    }
    Ok(())
}
