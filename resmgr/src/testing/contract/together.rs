//! What several clients do at once, while two threads serve.

use super::tree::dir;
use super::{
    BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, read_all, same, same_bytes, write_all,
};
use crate::client::{File, OpenFlags};
use crate::{Errno, Result};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How often something is done at once.
const ROUNDS: usize = 50;
/// How much each appends.
const LINE: usize = 10;
/// How much each writes at a place, so that nothing else looks like it.
pub(in crate::testing) const PIECE: usize = 11;
/// What reads of one open ask for.
pub(in crate::testing) const PART: usize = 5;

pub(super) const CHECKS: &[Named] = &[
    (
        "two who append lose nothing of each other",
        "POSIX write, O_APPEND: no intervening modification",
        appended,
    ),
    (
        "two who write to different places both do",
        "POSIX 2.9.7: writes are atomic with respect to each other",
        apart,
    ),
    (
        "reads of one open come in order",
        "POSIX 2.9.7: each read moves the offset of the next",
        in_order,
    ),
];

pub(super) const OF_NAMES: &[Named] = &[
    (
        "rename replaces without a time between",
        "POSIX rename: a link named new remains visible throughout",
        renamed,
    ),
    (
        "of two who make a name one does",
        "POSIX open, O_EXCL: the check and the creation are atomic; mkdir; link",
        made,
    ),
    (
        "nothing is made in a directory that goes",
        "POSIX rmdir: only if it is an empty directory",
        removed,
    ),
];

/// Does two things at the same time.
fn both<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    two: impl FnOnce() -> B + Send,
) -> Result<(A, B), Stop> {
    let start = Barrier::new(2);
    let done = thread::scope(|scope| {
        let other = scope.spawn(|| {
            start.wait();
            two()
        });
        start.wait();
        let one = one();
        other.join().map(|two| (one, two))
    });
    done.map_err(|_| Stop::failed("a client's thread", "a panic", "none"))
}

fn appended(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let appends = WRITE | OpenFlags::APPEND;
    let (one, two) = (ground.client()?, ground.client()?);
    let (one, two) = (one.open_at(&path, appends)?, two.open_at(&path, appends)?);
    let many = |file: &File, byte: u8| (0..ROUNDS).try_for_each(|_| write_all(file, &[byte; LINE]));
    let (first, second) = both(|| many(&one, b'1'), || many(&two, b'2'))?;
    first.and(second)?;
    let content = read_all(&ground.open(&path, READ)?, 4096)?;
    for byte in [b'1', b'2'] {
        let mut came = content.clone();
        came.retain(|one| *one == byte);
        same("bytes of one of them", came.len(), ROUNDS * LINE)?;
    }
    Ok(())
}

fn apart(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let (one, two) = (ground.client()?, ground.client()?);
    let (one, two) = (one.open_at(&path, BOTH)?, two.open_at(&path, BOTH)?);
    write_all(&one, b"x")?;
    for round in 0..ROUNDS {
        let at = |place| (2 * round as u64 + place) * PIECE as u64;
        let (first, second) = both(
            || one.write_at(&[b'1'; PIECE], at(0)),
            || two.write_at(&[b'2'; PIECE], at(1)),
        )?;
        same("what one write takes", first?, PIECE)?;
        same("what the other one takes", second?, PIECE)?;
        let (mut seen, whole) = ([0; 2 * PIECE], [[b'1'; PIECE], [b'2'; PIECE]].concat());
        let count = one.read_at(&mut seen, at(0))?;
        same_bytes("both pieces", seen.get(..count).unwrap_or_default(), &whole)?;
    }
    Ok(())
}

fn in_order(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"first-next-")?;
    let client = ground.client()?;
    let file = client.open_at(&path, READ)?;
    let one = client.begin_read(&file, PART)?;
    let two = client.begin_read(&file, PART)?;
    let (one, two) = (one.finish()?, two.finish()?);
    same_bytes("what the first one got", &one.data, b"first")?;
    same_bytes("what the second one got", &two.data, b"-next")
}

fn renamed(ground: &Ground<'_>) -> Verdict {
    let target = ground.name_for("rename");
    ground.fill(&target, b"old")?;
    let watcher = ground.client()?;
    let ended = AtomicBool::new(false);
    let replace = || {
        let replaced = (0..ROUNDS).try_for_each(|_| {
            let name = ground.filled(b"new")?;
            super::tree::rename(ground, &name, &target)
        });
        ended.store(true, Ordering::Release);
        replaced
    };
    let look = || {
        let mut missed = 0;
        while !ended.load(Ordering::Acquire) {
            missed += usize::from(watcher.stat(&target) == Err(Errno::NOENT));
        }
        missed
    };
    let (replaced, missed) = both(replace, look)?;
    replaced?;
    same("times that the name was missing", missed, 0)
}

fn made(ground: &Ground<'_>) -> Verdict {
    let (one, two) = (ground.client()?, ground.client()?);
    let dir = dir(ground)?;
    for round in 0..ROUNDS {
        let name = format!("{dir}/{round}-create");
        let exclusive = WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let open = |client: &super::super::Client| client.open_at(&name, exclusive).map(drop);
        let (first, second) = if round % 2 == 0 {
            both(|| open(&one), || open(&two))?
        } else {
            both(|| open(&one), || two.create_dir(&name, 0o755))?
        };
        match (first, second) {
            (Ok(()), Err(Errno::EXIST)) | (Err(Errno::EXIST), Ok(())) => {}
            seen => {
                let expected = "one success and one EEXIST";
                return holds("what both got", false, seen, expected);
            }
        }
    }
    Ok(())
}

fn removed(ground: &Ground<'_>) -> Verdict {
    let (one, two) = (ground.client()?, ground.client()?);
    drop(dir(ground)?);
    for _ in 0..ROUNDS {
        let dir = ground.name_for("goes");
        ground.bench.create_dir(&dir, 0o755)?;
        let inside = format!("{dir}/inside-rmdir");
        let new = WRITE | OpenFlags::CREATE;
        let (made, gone) = both(
            || one.open_at(&inside, new).map(drop),
            || two.remove_dir(&dir),
        )?;
        match (made, gone) {
            (Ok(()), Err(Errno::NOTEMPTY | Errno::EXIST)) | (Err(Errno::NOENT), Ok(())) => {}
            seen => {
                let expected = "a file and ENOTEMPTY, or ENOENT and no directory";
                return holds("what open and rmdir got", false, seen, expected);
            }
        }
    }
    Ok(())
}
