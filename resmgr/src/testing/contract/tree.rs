//! What a directory does.

use super::{BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, read_all, refused, same};
use crate::client::{File, OpenFlags, Seek, Stat};
use crate::wire::dirents;
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Files in the directory that is read in pieces.
const MANY: usize = 100;
/// Renames while somebody looks.
const RENAMES: usize = 200;

pub(super) const CHECKS: &[Named] = &[
    ("a name that is not there is ENOENT", missing),
    ("a name below a file is ENOTDIR", below),
    ("a name that is there is EEXIST", taken),
    ("a directory is not written", written),
    ("a directory is unlinked by rmdir only", unlinked),
    ("a directory with names in it stays", full),
    ("a directory is read whole, in pieces of any size", listed),
    ("a file that is unlinked stays while it is open", open),
    ("rename moves a file and replaces another", renamed),
    ("rename replaces without a time between", atomic),
    ("rename refuses what it must", bad_renames),
    ("a second name leads to the same file", linked),
    ("a symbolic link has its text, and leads there", symlinked),
    (
        "a new file has the permissions and owner that it should",
        made,
    ),
];

/// A new directory.
fn dir(ground: &Ground<'_>) -> Result<String, Stop> {
    let name = ground.name();
    match ground.bench.create_dir(&name, 0o755) {
        Err(Errno::ROFS | Errno::NOSYS | Errno::PERM | Errno::ACCES) => {
            Err(Stop::Not("it makes no directories"))
        }
        made => made.map(|()| name).map_err(Into::into),
    }
}

/// A new file.
fn file(ground: &Ground<'_>, path: &str) -> Result<File, Stop> {
    ground.open(path, BOTH | OpenFlags::EXCLUSIVE)
}

fn missing(ground: &Ground<'_>) -> Verdict {
    let (bench, name, to) = (ground.bench, ground.name(), ground.name());
    let expected = &[Errno::NOENT];
    refused("open", bench.open_at(&name, READ), expected)?;
    refused("stat", bench.stat(&name), expected)?;
    let below = format!("{name}/below");
    refused("stat below it", bench.stat(&below), expected)?;
    let inside = bench.open_at(&below, WRITE | OpenFlags::CREATE);
    refused("a new file below it", inside, expected)?;
    let gone = &[Errno::NOENT, Errno::ROFS];
    refused("unlink", bench.unlink(&name), gone)?;
    refused("rmdir", bench.remove_dir(&name), gone)?;
    refused("rename", bench.rename(&name, &to), gone)
}

fn below(ground: &Ground<'_>) -> Verdict {
    let name = ground.name();
    drop(file(ground, &name)?);
    let below = format!("{name}/below");
    let (bench, expected) = (ground.bench, &[Errno::NOTDIR]);
    refused("stat", bench.stat(&below), expected)?;
    refused("open", bench.open_at(&below, READ), expected)?;
    refused("mkdir", bench.create_dir(&below, 0o755), expected)?;
    refused("rmdir of the file", bench.remove_dir(&name), expected)
}

fn taken(ground: &Ground<'_>) -> Verdict {
    let (name, dir) = (ground.name(), dir(ground)?);
    drop(file(ground, &name)?);
    let (bench, expected) = (ground.bench, &[Errno::EXIST]);
    let exclusive = WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    for (what, name) in [("a file", &name), ("a directory", &dir)] {
        let said = |call: &str| format!("{call} where {what} is");
        refused(&said("mkdir"), bench.create_dir(name, 0o755), expected)?;
        refused(&said("O_EXCL"), bench.open_at(name, exclusive), expected)?;
        let node = bench.make_node(name, Stat::REGULAR | 0o600, 0);
        refused(&said("mknod"), node, expected)?;
    }
    Ok(())
}

fn written(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    holds("it is no directory", ground.bench.stat(&dir)?.is_dir())?;
    let opened = ground.bench.open_at(&dir, WRITE);
    refused("an open for writing", opened, &[Errno::ISDIR])
}

fn unlinked(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    let expected = &[Errno::ISDIR, Errno::PERM];
    refused("unlink", ground.bench.unlink(&dir), expected)?;
    ground.bench.remove_dir(&dir)?;
    refused("then stat", ground.bench.stat(&dir), &[Errno::NOENT])
}

fn full(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    let inside = format!("{dir}/inside");
    drop(file(ground, &inside)?);
    let expected = &[Errno::NOTEMPTY, Errno::EXIST];
    refused("rmdir", ground.bench.remove_dir(&dir), expected)?;
    ground.bench.stat(&inside)?;
    ground.bench.unlink(&inside)?;
    ground.bench.remove_dir(&dir)?;
    Ok(())
}

fn listed(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    for number in 0..MANY {
        drop(file(ground, &format!("{dir}/file-{number:03}"))?);
    }
    let open = ground.bench.open_at(&dir, READ | OpenFlags::DIRECTORY)?;
    for room in [48, 100, 1000, 65_536] {
        open.seek(Seek::Start(0))?;
        let mut names = BTreeMap::new();
        let mut buffer = vec![0; room];
        loop {
            let count = open.read(&mut buffer)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            for entry in dirents(bytes) {
                *names.entry(entry?.name.to_vec()).or_insert(0) += 1;
            }
            holds("reading comes to no end", names.len() <= MANY + 2)?;
            let twice = names.values().any(|times| *times > 1);
            holds(&format!("a name comes twice with {room} bytes"), !twice)?;
            if count == 0 {
                break;
            }
        }
        same(&format!("names with {room} bytes"), names.len(), MANY + 2)?;
    }
    Ok(())
}

fn open(ground: &Ground<'_>) -> Verdict {
    let name = ground.name();
    let open = file(ground, &name)?;
    open.write(b"still")?;
    ground.bench.unlink(&name)?;
    refused("stat", ground.bench.stat(&name), &[Errno::NOENT])?;
    open.seek(Seek::Start(0))?;
    same("the content", read_all(&open, 16)?, b"still".to_vec())?;
    open.write(b"!")?;
    // Another one of that name is another file.
    let other = file(ground, &name)?;
    same("the new file's size", other.stat()?.size, 0)?;
    same("the old file's size", open.stat()?.size, 6)
}

fn renamed(ground: &Ground<'_>) -> Verdict {
    let (old, new) = (ground.filled(b"old")?, ground.filled(b"new")?);
    let number = ground.bench.stat(&old)?.ino;
    rename(ground, &old, &new)?;
    refused("the old name", ground.bench.stat(&old), &[Errno::NOENT])?;
    same(
        "the file of the new name",
        ground.bench.stat(&new)?.ino,
        number,
    )?;
    let content = read_all(&ground.bench.open_at(&new, READ)?, 16)?;
    same("its content", content, b"old".to_vec())?;
    let dir = dir(ground)?;
    let inside = format!("{dir}/inside");
    rename(ground, &new, &inside)?;
    same(
        "in another directory",
        ground.bench.stat(&inside)?.ino,
        number,
    )
}

fn rename(ground: &Ground<'_>, old: &str, new: &str) -> Verdict {
    match ground.bench.rename(old, new) {
        Err(Errno::ROFS | Errno::NOSYS) => Err(Stop::Not("it does not rename")),
        done => Ok(done?),
    }
}

/// One thread serves the bench, so only a handler that waits for something in between can be seen at it: an
/// asynchronous one.
fn atomic(ground: &Ground<'_>) -> Verdict {
    if !ground.bench.interleaves() {
        return Err(Stop::Not("one thread serves: nobody can look in between"));
    }
    let names = [ground.filled(b"a")?, ground.filled(b"b")?];
    let target = ground.filled(b"c")?;
    let watcher = ground.client()?;
    let ended = AtomicBool::new(false);
    let missed = thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut missed = 0;
            while !ended.load(Ordering::Acquire) {
                missed += usize::from(watcher.stat(&target) == Err(Errno::NOENT));
            }
            missed
        });
        let replaced = (0..RENAMES).try_for_each(|_| {
            for name in &names {
                drop(ground.open(name, WRITE)?);
                rename(ground, name, &target)?;
            }
            Ok::<_, Stop>(())
        });
        ended.store(true, Ordering::Release);
        let missed = looks.join().unwrap_or(usize::MAX);
        replaced.map(|()| missed)
    })?;
    same("times that the name was missing", missed, 0)
}

fn bad_renames(ground: &Ground<'_>) -> Verdict {
    let (one, two, name) = (dir(ground)?, dir(ground)?, ground.name());
    drop(file(ground, &name)?);
    drop(file(ground, &format!("{two}/inside"))?);
    let bench = ground.bench;
    let into = bench.rename(&one, &format!("{one}/below"));
    refused("a directory into itself", into, &[Errno::INVAL])?;
    let over = &[Errno::NOTEMPTY, Errno::EXIST];
    refused("over a full directory", bench.rename(&one, &two), over)?;
    refused(
        "a file over a directory",
        bench.rename(&name, &one),
        &[Errno::ISDIR],
    )?;
    refused(
        "a directory over a file",
        bench.rename(&one, &name),
        &[Errno::NOTDIR],
    )?;
    bench.stat(&format!("{two}/inside"))?;
    Ok(())
}

fn linked(ground: &Ground<'_>) -> Verdict {
    let (one, two) = (ground.filled(b"same")?, ground.name());
    match ground.bench.link(&one, &two) {
        Err(Errno::PERM | Errno::NOSYS | Errno::ROFS) => {
            return Err(Stop::Not("it gives no second names"));
        }
        made => made?,
    }
    let (first, second) = (ground.bench.stat(&one)?, ground.bench.stat(&two)?);
    same("the number", second.ino, first.ino)?;
    same("the names of it", second.nlink, 2)?;
    ground.bench.unlink(&one)?;
    same("when one is gone", ground.bench.stat(&two)?.nlink, 1)?;
    let content = read_all(&ground.bench.open_at(&two, READ)?, 16)?;
    same("its content", content, b"same".to_vec())
}

fn symlinked(ground: &Ground<'_>) -> Verdict {
    let (target, name) = (ground.filled(b"there")?, ground.name());
    match ground.bench.make_symlink(&target, &name) {
        Err(Errno::PERM | Errno::NOSYS | Errno::ROFS) => {
            return Err(Stop::Not("it makes no symbolic links"));
        }
        made => made?,
    }
    let text = ground.bench.read_link(&name)?;
    same("its text", text.to_str(), Some(target.as_str()))?;
    let number = ground.bench.stat(&target)?.ino;
    same("where it leads", ground.bench.stat(&name)?.ino, number)?;
    let itself = ground.bench.symlink_stat(&name)?;
    same("its type", itself.mode & Stat::TYPE, Stat::LINK)?;
    ground.bench.unlink(&name)?;
    ground.bench.stat(&target)?;
    Ok(())
}

fn made(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    ground.bench.chmod(&dir, 0o777)?;
    let (client, path) = (ground.user(10_002, 10_003)?, format!("{dir}/new"));
    let new = client.create(&path, WRITE | OpenFlags::CREATE, 0o640)?;
    let stat = new.stat()?;
    same("the permissions", stat.mode & 0o7777, 0o640)?;
    same("the type", stat.mode & Stat::TYPE, Stat::REGULAR)?;
    same("the owner", (stat.uid, stat.gid), (10_002, 10_003))
}
