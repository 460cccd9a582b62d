//! What a directory does.

use super::{
    BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, read_all, refused, same, same_bytes,
};
use crate::client::{File, OpenFlags, Seek, Stat};
use crate::wire::dirents;
use crate::{Errno, Result};
use std::collections::BTreeMap;

/// Files in the directory that is read in pieces.
const MANY: usize = 100;
/// The longest name that POSIX's file systems have.
const NAME_MAX: usize = 255;

pub(super) const CHECKS: &[Named] = &[
    (
        "a name that is not there is ENOENT",
        "POSIX open, stat, unlink, rmdir, rename: ENOENT",
        missing,
    ),
    (
        "a directory is not written",
        "POSIX open: EISDIR; IF-4",
        written,
    ),
    (
        "a directory is unlinked by rmdir only",
        "POSIX unlink: EPERM (Linux: EISDIR); HP-11",
        unlinked,
    ),
    (
        "a directory with names in it stays",
        "POSIX rmdir: ENOTEMPTY or EEXIST",
        full,
    ),
    (
        "a directory is read whole, in pieces of any size",
        "POSIX readdir, getdents; HP-12",
        listed,
    ),
    (
        "a directory that changes is read without loss",
        "POSIX readdir: what is neither added nor removed comes once; HP-12",
        streamed,
    ),
    (
        "a file that is unlinked stays while it is open",
        "POSIX unlink: removal is postponed until all references are closed",
        open,
    ),
    (
        "a file that is replaced stays while it is open",
        "POSIX rename: removal is postponed until all references are closed",
        replaced,
    ),
    (
        "rename moves a file and replaces another",
        "POSIX rename; HP-11",
        renamed,
    ),
    (
        "rename refuses what it must",
        "POSIX rename: EINVAL, ENOTEMPTY, EISDIR, ENOTDIR",
        bad_renames,
    ),
    (
        "a second name leads to the same file",
        "POSIX link: st_nlink; HP-11",
        linked,
    ),
    (
        "a symbolic link has its text, and leads there",
        "POSIX symlink, readlink, lstat; HP-11",
        symlinked,
    ),
    (
        "a symbolic link may lead nowhere, or to itself",
        "POSIX symlink: its text need not name a file; open: ENOENT, ELOOP",
        dangling,
    ),
    (
        "names are kept, whatever bytes they have",
        "POSIX 4.16 Pathname Resolution; NAME_MAX; ENAMETOOLONG",
        long_names,
    ),
    (
        "a new file has the permissions and owner that it should",
        "POSIX open, O_CREAT: owner, group and mode of a new file; IF-3",
        made,
    ),
];

/// A new directory.
pub(super) fn dir(ground: &Ground<'_>) -> Result<String, Stop> {
    let name = ground.name_for("directory");
    match ground.bench.create_dir(&name, 0o755) {
        Err(Errno::ROFS | Errno::NOSYS | Errno::PERM | Errno::ACCES) => {
            Err(Stop::Not("it makes no directories"))
        }
        made => made.map(|()| name).map_err(Into::into),
    }
}

/// A new file.
pub(super) fn file(ground: &Ground<'_>, path: &str) -> Result<File, Stop> {
    ground.open(path, BOTH | OpenFlags::EXCLUSIVE)
}

fn missing(ground: &Ground<'_>) -> Verdict {
    let (bench, name, to) = (ground.bench, ground.name_for("missing"), ground.name());
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

fn written(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    let kind = ground.bench.stat(&dir)?.mode & Stat::TYPE;
    same("the type", kind, Stat::DIRECTORY)?;
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

/// A directory with many files.
fn many(ground: &Ground<'_>) -> Result<String, Stop> {
    let dir = dir(ground)?;
    for number in 0..MANY {
        drop(file(ground, &format!("{dir}/file-{number:03}"))?);
    }
    Ok(dir)
}

/// How often each name came.
type Names = BTreeMap<Vec<u8>, usize>;

/// Reads the next piece; false at the end.
fn take(open: &File, room: usize, names: &mut Names) -> Result<bool, Stop> {
    let mut buffer = vec![0; room];
    let count = open.read(&mut buffer)?;
    for entry in dirents(buffer.get(..count).unwrap_or_default()) {
        *names.entry(entry?.name.to_vec()).or_insert(0) += 1;
    }
    let most = names.values().max().copied().unwrap_or_default();
    let what = format!("times that a name comes in pieces of {room} bytes");
    holds(&what, most <= 1, most, "1")?;
    Ok(count > 0)
}

fn listed(ground: &Ground<'_>) -> Verdict {
    let dir = many(ground)?;
    let open = ground.bench.open_at(&dir, READ | OpenFlags::DIRECTORY)?;
    for room in [48, 100, 1000, 65_536] {
        open.seek(Seek::Start(0))?;
        let mut names = Names::new();
        while take(&open, room, &mut names)? {}
        let what = format!("names in pieces of {room} bytes, with . and ..");
        same(&what, names.len(), MANY + 2)?;
    }
    Ok(())
}

fn streamed(ground: &Ground<'_>) -> Verdict {
    let dir = many(ground)?;
    let open = ground.bench.open_at(&dir, READ | OpenFlags::DIRECTORY)?;
    let mut names = Names::new();
    take(&open, 1000, &mut names)?;
    // What has come goes, and so does some of what has not; others come.
    let path = |number: usize| format!("{dir}/file-{number:03}");
    let came = |number: &usize| names.contains_key(format!("file-{number:03}").as_bytes());
    let (came, to_come): (Vec<_>, Vec<_>) = (0..MANY).partition(came);
    let (go, stay) = to_come.split_at(to_come.len() / 2);
    for number in came.iter().chain(go) {
        ground.bench.unlink(&path(*number))?;
    }
    for number in 0..MANY {
        drop(file(ground, &format!("{dir}/also-{number:03}"))?);
    }
    while take(&open, 200, &mut names)? {}
    let lost = |number: &&usize| !names.contains_key(format!("file-{number:03}").as_bytes());
    let lost = stay.iter().filter(lost).count();
    same(
        "names that were there all the time and did not come",
        lost,
        0,
    )
}

fn open(ground: &Ground<'_>) -> Verdict {
    let name = ground.name();
    let open = file(ground, &name)?;
    open.write(b"still")?;
    ground.bench.unlink(&name)?;
    refused("stat", ground.bench.stat(&name), &[Errno::NOENT])?;
    open.seek(Seek::Start(0))?;
    same_bytes("the content", &read_all(&open, 16)?, b"still")?;
    open.write(b"!")?;
    // Another one of that name is another file.
    let other = file(ground, &name)?;
    same("the new file's size", other.stat()?.size, 0)?;
    same("the old file's size", open.stat()?.size, 6)
}

fn replaced(ground: &Ground<'_>) -> Verdict {
    let (old, new) = (ground.filled(b"old")?, ground.filled(b"new")?);
    let open = ground.bench.open_at(&new, READ)?;
    rename(ground, &old, &new)?;
    same_bytes("the content of the open", &read_all(&open, 16)?, b"new")?;
    same("its names", open.stat()?.nlink, 0)
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
    same_bytes("its content", &content, b"old")?;
    let dir = dir(ground)?;
    let inside = format!("{dir}/inside");
    rename(ground, &new, &inside)?;
    same(
        "in another directory",
        ground.bench.stat(&inside)?.ino,
        number,
    )
}

pub(super) fn rename(ground: &Ground<'_>, old: &str, new: &str) -> Verdict {
    match ground.bench.rename(old, new) {
        Err(Errno::ROFS | Errno::NOSYS) => Err(Stop::Not("it does not rename")),
        done => Ok(done?),
    }
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
    same_bytes("its content", &content, b"same")
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

fn dangling(ground: &Ground<'_>) -> Verdict {
    let (nowhere, itself, missing) = (ground.name(), ground.name(), ground.name());
    let bench = ground.bench;
    for (target, name, expected) in [
        (&missing, &nowhere, Errno::NOENT),
        (&itself, &itself, Errno::LOOP),
    ] {
        match bench.make_symlink(target, name) {
            Err(Errno::PERM | Errno::NOSYS | Errno::ROFS) => {
                return Err(Stop::Not("it makes no symbolic links"));
            }
            made => made?,
        }
        refused(
            "an open of where it leads",
            bench.open_at(name, READ),
            &[expected],
        )?;
        let kind = bench.symlink_stat(name)?.mode & Stat::TYPE;
        same("its own type", kind, Stat::LINK)?;
        bench.unlink(name)?;
    }
    Ok(())
}

fn long_names(ground: &Ground<'_>) -> Verdict {
    let dir = dir(ground)?;
    let longest = "n".repeat(NAME_MAX);
    let names = [
        longest.as_str(),
        " ",
        "-x",
        "\\n*?[",
        "\u{fc}\u{4e2d}",
        "a\nb\t\u{1}",
    ];
    for name in names {
        drop(file(ground, &format!("{dir}/{name}"))?);
    }
    let mut expected: Vec<_> = names.iter().map(std::ffi::OsString::from).collect();
    expected.sort();
    same("the names", ground.bench.list(&dir)?, expected)?;
    for name in names {
        ground.bench.unlink(&format!("{dir}/{name}"))?;
    }
    let too_long = ground
        .bench
        .open_at(&format!("{dir}/{longest}n"), BOTH | OpenFlags::CREATE);
    refused("a name of 256 bytes", too_long, &[Errno::NAMETOOLONG])
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
