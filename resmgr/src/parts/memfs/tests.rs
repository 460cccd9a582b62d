use super::{Inode, MemFs, names};
use crate::Errno;
use crate::ipc::Credentials;
use crate::resource::{Change, New, NewKind, RenameFlags, Resource};
use crate::wire::Stat;
use std::ffi::OsStr;
use std::sync::Arc;

const NONE: RenameFlags = RenameFlags::empty();

fn new(what: NewKind) -> New {
    let kind = match what {
        NewKind::File => Stat::REGULAR,
        NewKind::Directory => Stat::DIRECTORY,
        NewKind::Link(_) => Stat::LINK,
        NewKind::Special(_) => Stat::PIPE,
    };
    let client = Credentials {
        pid: 1,
        uid: 0,
        gid: 0,
    };
    New {
        what,
        mode: kind | 0o755,
        uid: 0,
        gid: 0,
        client,
    }
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn dir(fs: &MemFs, above: &Arc<Inode>, text: &str) -> Arc<Inode> {
    fs.create(above, name(text), &new(NewKind::Directory))
        .unwrap()
}

fn file(fs: &MemFs, above: &Arc<Inode>, text: &str) -> Arc<Inode> {
    fs.create(above, name(text), &new(NewKind::File)).unwrap()
}

#[test]
fn a_rename_keeps_the_rules_of_posix() {
    let fs = MemFs::new();
    let root = fs.root();
    let (a, b) = (dir(&fs, &root, "a"), dir(&fs, &root, "b"));
    let deep = dir(&fs, &a, "deep");
    file(&fs, &a, "file");
    let moved = |from: (&Arc<Inode>, &str), to: (&Arc<Inode>, &str), flags| {
        fs.rename((from.0, name(from.1)), (to.0, name(to.1)), flags)
    };
    assert_eq!(moved((&root, "a"), (&deep, "x"), NONE), Err(Errno::INVAL));
    assert_eq!(moved((&root, "a"), (&a, "x"), NONE), Err(Errno::INVAL));
    assert_eq!(
        moved((&a, "deep"), (&root, "a"), NONE),
        Err(Errno::NOTEMPTY)
    );
    assert_eq!(moved((&a, "file"), (&root, "b"), NONE), Err(Errno::ISDIR));
    assert_eq!(moved((&root, "b"), (&a, "file"), NONE), Err(Errno::NOTDIR));
    let exists = moved((&a, "file"), (&root, "b"), RenameFlags::NO_REPLACE);
    assert_eq!(exists, Err(Errno::EXIST));
    let swap = RenameFlags::EXCHANGE;
    assert_eq!(moved((&a, "file"), (&root, "no"), swap), Err(Errno::NOENT));
    assert_eq!(moved((&a, "deep"), (&root, "a"), swap), Err(Errno::INVAL));
    assert_eq!(moved((&a, "file"), (&root, "b"), swap), Ok(()));
    assert_eq!((root.nlink(), a.nlink()), (3, 4));
    assert_eq!(moved((&a, "file"), (&a, "deep"), NONE), Ok(()));
    assert_eq!((deep.nlink(), a.nlink()), (0, 3));
    let into_gone = fs.create(&deep, name("x"), &new(NewKind::File));
    assert_eq!(into_gone.err(), Some(Errno::NOENT));
    assert_eq!(moved((&root, "b"), (&deep, "x"), NONE), Err(Errno::NOENT));
    assert_eq!(b.nlink(), 2);
}

#[test]
fn room_for_names_comes_back_with_the_last_open() {
    let fs = MemFs::new().names(3);
    let root = fs.root();
    let one = file(&fs, &root, "one");
    fs.link(&one, &root, name("two")).unwrap();
    let full = fs.create(&root, name("three"), &new(NewKind::File));
    assert_eq!(full.err(), Some(Errno::NOSPC));
    fs.unlink(&root, name("one")).unwrap();
    assert_eq!(fs.statvfs(&root).unwrap().free_files, 1);
    fs.unlink(&root, name("two")).unwrap();
    assert_eq!(fs.statvfs(&root).unwrap().free_files, 1);
    assert_eq!(fs.link(&one, &root, name("back")), Err(Errno::NOENT));
    drop(one);
    assert_eq!(fs.statvfs(&root).unwrap().free_files, 2);
}

#[test]
fn extended_attributes_have_a_bound_and_count() {
    let fs = MemFs::new().bytes(4096 * 17);
    let one = file(&fs, &fs.root(), "one");
    let set = |text: &str, len: usize, exists| {
        fs.set_xattr(&one, name(text), Some(&vec![1; len]), exists)
    };
    assert_eq!(set("user.a", 60 << 10, None), Ok(()));
    assert_eq!(set("user.b", 8 << 10, None), Err(Errno::NOSPC));
    assert_eq!(set("user.a", 1, Some(false)), Err(Errno::EXIST));
    assert_eq!(set("user.b", 1, Some(true)), Err(Errno::NODATA));
    assert_eq!(set("a", 1, None), Err(Errno::NOTSUP));
    assert_eq!(fs.statvfs(&one).unwrap().free, 1);
    assert_eq!(fs.set_xattr(&one, name("user.a"), None, Some(true)), Ok(()));
    assert_eq!(fs.statvfs(&one).unwrap().free, 17);
    assert_eq!(fs.xattr(&one, name("user.a")), Err(Errno::NODATA));
}

#[test]
fn a_tree_deeper_than_the_stack_goes() {
    let fs = MemFs::new().names(1 << 20);
    let mut here = fs.root();
    for _ in 0..100_000 {
        here = dir(&fs, &here, "d");
    }
    drop(here);
    drop(fs);
}

#[test]
fn the_size_of_a_directory_cannot_be_changed() {
    let fs = MemFs::new();
    assert_eq!(
        fs.change(&fs.root(), &Change::to_size(0)),
        Err(Errno::ISDIR)
    );
}

/// Renames in all directions, removals and lists, on several threads: each comes to its end.
#[test]
fn moves_in_all_directions_do_not_wait_for_each_other() {
    let fs = MemFs::new();
    let root = fs.root();
    let tops = ["a", "b", "c"].map(|text| dir(&fs, &root, text));
    std::thread::scope(|scope| {
        for number in 0..4_u32 {
            let (fs, tops, root) = (&fs, &tops, &root);
            scope.spawn(move || {
                let mut random = number + 1;
                let mut next = |below: u32| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 16) % below
                };
                let names = ["x", "y", "z"];
                for _ in 0..20_000 {
                    let mut place = || {
                        let mut here = Arc::clone(&tops[next(3) as usize]);
                        while next(3) > 0 {
                            let below = name(names[next(3) as usize]);
                            match fs.lookup(&here, below) {
                                Ok(found) if found.is_dir() => here = found,
                                _ => break,
                            }
                        }
                        (here, name(names[next(3) as usize]))
                    };
                    let (from, to) = (place(), place());
                    let _ = match next(6) {
                        0 => fs
                            .create(&from.0, from.1, &new(NewKind::Directory))
                            .map(drop),
                        1 => fs.remove_dir(&from.0, from.1),
                        2 => fs.create(&from.0, from.1, &new(NewKind::File)).map(drop),
                        3 => fs.unlink(&from.0, from.1),
                        4 => names::rename(&fs.moves, (&from.0, from.1), (&to.0, to.1), NONE),
                        _ => {
                            let swap = RenameFlags::EXCHANGE;
                            names::rename(&fs.moves, (&from.0, from.1), (&to.0, to.1), swap)
                        }
                    };
                    assert!(root.attr().size >= 40);
                }
            });
        }
    });
    for top in &tops {
        counted(top);
    }
}

/// Every directory has as many links as it should.
fn counted(dir: &Arc<Inode>) {
    let below = dir.directory().unwrap().files();
    let dirs = below.iter().filter(|file| file.is_dir()).count();
    assert_eq!(dir.nlink() as usize, dirs + 2);
    below.iter().filter(|file| file.is_dir()).for_each(counted);
}
