mod awaited;

use super::Tree;
use crate::client::{Caller, File, PollFile, poll};
use crate::parts::testing::{BOTH, LONG, READ, Served, WRITE, rest, serve, somebody};
use crate::parts::{Stream, Text};
use crate::resource::{Attr, Call, Done, Entries, New, Ocb, Opening, Order, Read, Resource, lock};
use crate::wire::{Conditions, OpenFlags, Stat, dirents};
use crate::{Errno, Result};
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// A resource with several files, all of them empty, that can be made and removed; the root has number 7.
#[derive(Default)]
struct Folder(Mutex<BTreeMap<OsString, u64>>);

impl Resource for Folder {
    type Node = u64;
    type Open = ();
    fn root(&self) -> u64 {
        7
    }
    fn attr(&self, node: &u64) -> Result<Attr> {
        let attr = if *node == 7 {
            Attr::directory(0o755)
        } else {
            Attr::file(0o644, 0)
        };
        Ok(attr.number(*node))
    }
    fn lookup(&self, _dir: &u64, name: &OsStr) -> Result<u64> {
        lock(&self.0).get(name).copied().ok_or(Errno::NOENT)
    }
    fn open(&self, _node: &u64, _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn read_dir(&self, _ocb: &Ocb<u64>, from: u64, entries: &mut Entries) -> Result<()> {
        for (at, (name, number)) in (0..).zip(&*lock(&self.0)) {
            if at >= from && !entries.add(name, *number, at + 1) {
                break;
            }
        }
        Ok(())
    }
    fn create(&self, _dir: &u64, name: &OsStr, _new: &New) -> Result<u64> {
        let mut files = lock(&self.0);
        // 1 is a number that single files have, too.
        let number = u64::try_from(files.len()).unwrap() + 1;
        files.insert(name.to_owned(), number);
        Ok(number)
    }
    fn unlink(&self, _dir: &u64, name: &OsStr) -> Result<()> {
        lock(&self.0).remove(name).map(drop).ok_or(Errno::NOENT)
    }
}

/// Each open counts its own reads.
struct Counting;

impl Resource for Counting {
    type Node = ();
    type Open = AtomicU32;
    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<AtomicU32> {
        Ok(AtomicU32::new(0))
    }
    fn read(&self, ocb: &Ocb<(), AtomicU32>, call: Call<'_, Read>) -> Result<Done> {
        let count = ocb.open.fetch_add(1, Ordering::SeqCst) + 1;
        // The inner open has the position and the flags of the client's.
        call.bytes(format!("{count} at {}", ocb.position()).as_bytes())
    }
    fn order(&self) -> Order {
        Order::PerFile
    }
}

fn list(served: &Served, path: &str) -> Vec<(String, u64)> {
    entries(&served.open_at(path, READ | OpenFlags::DIRECTORY).unwrap())
}

/// The entries from an open's position on, without the first two.
fn entries(dir: &File) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    loop {
        // Room for two or three at a time.
        let mut buffer = [0; 96];
        let count = dir.read(&mut buffer).unwrap();
        if count == 0 {
            return found;
        }
        for entry in dirents(&buffer[..count]).map(Result::unwrap) {
            let name = String::from_utf8(entry.name.to_vec()).unwrap();
            if name != "." && name != ".." {
                found.push((name, entry.ino));
            }
        }
    }
}

fn names(served: &Served, path: &str) -> Vec<String> {
    list(served, path)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn text(served: &Served, path: &str) -> Result<String> {
    served.open_at(path, READ).map(|file| rest(&file))
}

#[test]
fn paths_lead_to_their_resources() {
    let tree = Tree::new()
        .file("a/b/temperature", Text::get(|| "21.5"))
        .file("a/humidity", Text::get(|| "40"))
        .dir("x")
        .link("cur", "a/b");
    let served = serve(tree.check().unwrap());
    assert_eq!(text(&served, "a/b/temperature").unwrap(), "21.5");
    assert_eq!(text(&served, "a/humidity").unwrap(), "40");
    assert_eq!(names(&served, ""), ["a", "x", "cur"]);
    assert_eq!(names(&served, "a"), ["b", "humidity"]);
    assert_eq!(names(&served, "x"), [""; 0]);
    for (path, expected) in [
        ("a/none", Errno::NOENT),
        ("none/b", Errno::NOENT),
        ("a/humidity/below", Errno::NOTDIR),
        // The client is sent on.
        ("cur/temperature", Errno::LOOP),
    ] {
        assert_eq!(text(&served, path), Err(expected), "{path}");
    }
    assert_eq!(served.open_at("a", WRITE).map(drop), Err(Errno::ISDIR));
}

#[test]
fn pn9_a_link_sends_the_client_to_where_its_text_leads() {
    use crate::client::walk::Said;
    let served = serve(
        Tree::new()
            .file("a/b/t", Text::get(|| "x"))
            .link("d/cur", "../a/b"),
    );
    match served.say(&somebody(0), "d/cur/t", READ).unwrap() {
        Said::GoOn(link) => assert!(format!("{link:?}").contains("\"/x/a/b/t\""), "{link:?}"),
        _ => panic!("it is no link"),
    }
}

#[test]
fn every_file_has_a_number_of_its_own_and_listings_tell_it() {
    let folder = Folder::default();
    lock(&folder.0).extend([
        ("one".into(), 1),
        ("two".into(), 2),
        ("big".into(), u64::MAX),
    ]);
    let inner = Tree::new().file("text", Text::get(|| "x")).dir("dir");
    let tree = Tree::new()
        .file("text", Text::get(|| "x"))
        .file("stream", Stream::pipe())
        .file("folder", folder)
        .file("tree", inner);
    let served = serve(tree);
    let mut numbers = HashSet::from([served.open(READ).stat().unwrap().ino]);
    let mut count = 1;
    for dir in ["", "folder", "tree"] {
        for (name, number) in list(&served, dir) {
            let path = format!("{dir}/{name}");
            let stat = served
                .open_at(path.trim_start_matches('/'), READ)
                .unwrap()
                .stat()
                .unwrap();
            assert_eq!(stat.ino, number, "{path}");
            numbers.insert(number);
            count += 1;
        }
    }
    assert_eq!((numbers.len(), count), (10, 10));
}

#[test]
fn each_open_has_the_state_that_its_resource_made() {
    let served = serve(Tree::new().file("one", Counting).file("two", Counting));
    let (one, other) = (
        served.open_at("one", READ).unwrap(),
        served.open_at("one", READ).unwrap(),
    );
    let read = |file: &File| {
        let mut buffer = [0; 32];
        let count = file.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    assert_eq!(read(&one), "1 at 0");
    assert_eq!(read(&one), "2 at 6");
    assert_eq!(read(&other), "1 at 0");
    assert_eq!(read(&served.open_at("two", READ).unwrap()), "1 at 0");
}

#[test]
fn calls_wait_and_wake_in_a_tree_as_by_themselves() {
    let served = serve(Tree::new().file("chat/line", Stream::pipe()));
    let (reader, writer) = (
        served.open_at("chat/line", READ).unwrap(),
        served.open_at("chat/line", WRITE).unwrap(),
    );
    let nonblock = served.open_at("chat/line", READ | OpenFlags::NONBLOCK);
    assert_eq!(nonblock.unwrap().read(&mut [0; 8]), Err(Errno::AGAIN));
    std::thread::scope(|scope| {
        let polled = scope.spawn(|| {
            let mut files = [PollFile::new(&reader, Conditions::INPUT)];
            poll(&mut files, Some(LONG)).unwrap()
        });
        writer.write(b"hello").unwrap();
        assert_eq!(polled.join().unwrap(), 1);
    });
    assert_eq!(reader.read(&mut [0; 8]), Ok(5));
    writer.close().unwrap();
    assert_eq!(reader.read(&mut [0; 8]), Ok(0));
}

#[test]
fn the_tree_changes_while_it_is_served() {
    let tree = Tree::new().file("a/old", Text::get(|| "old"));
    let handle = tree.handle();
    let served = serve(tree);
    let open = served.open_at("a/old", READ).unwrap();
    assert_eq!(open.stat().unwrap().nlink, 1);
    handle.add("a/new", Text::get(|| "new")).unwrap();
    assert_eq!(text(&served, "a/new").unwrap(), "new");
    handle.remove("a").unwrap();
    assert_eq!(text(&served, "a/new"), Err(Errno::NOENT));
    // Who has it open goes on.
    assert_eq!(rest(&open), "old");
    assert_eq!(open.stat().unwrap().nlink, 0);
    handle.add("a/old", Text::get(|| "another")).unwrap();
    assert_eq!(text(&served, "a/old").unwrap(), "another");
    assert_ne!(
        served.open_at("a/old", READ).unwrap().stat().unwrap().ino,
        open.stat().unwrap().ino
    );
    assert_eq!(handle.0.changes.lock().unwrap().entries, 2);
}

#[test]
fn a_listing_misses_and_repeats_nothing_that_stays() {
    let mut tree = Tree::new();
    for number in 0..20 {
        tree = tree.file(format!("f{number:02}"), Text::get(|| ""));
    }
    let handle = tree.handle();
    let served = serve(tree);
    let dir = served.open_at("", READ | OpenFlags::DIRECTORY).unwrap();
    let mut buffer = [0; 200];
    let count = dir.read(&mut buffer).unwrap();
    let mut seen: Vec<_> = dirents(&buffer[..count])
        .map(Result::unwrap)
        .map(|entry| String::from_utf8(entry.name.to_vec()).unwrap())
        .skip(2)
        .collect();
    assert!(!seen.is_empty() && seen.len() < 10);
    for gone in ["f00", "f01", "f15"] {
        handle.remove(gone).unwrap();
    }
    handle.add("later", Text::get(|| "")).unwrap();
    seen.extend(entries(&dir).into_iter().map(|(name, _)| name));
    let mut expected: Vec<_> = (0..20).map(|number| format!("f{number:02}")).collect();
    expected.retain(|name| name != "f15");
    expected.push("later".into());
    assert_eq!(seen, expected);
}

#[test]
fn if4_directories_and_files_have_permissions_and_clients_may_change_them() {
    let tree = Tree::new()
        .file("own/text", Text::get(|| "x"))
        .mode("own", 0o700)
        .owner("own", 500, 500)
        .file("shared", Text::get(|| "x"))
        .owner("shared", 500, 500);
    let served = serve(tree.check().unwrap());
    let open = |id, path| served.open_as(&somebody(id), path, READ);
    assert_eq!(open(501, "own/text").map(drop), Err(Errno::ACCES));
    assert!(open(500, "own/text").is_ok());
    // A resource's own attributes are kept here when it does not keep them.
    let shared = open(500, "shared").unwrap();
    shared.on_behalf(somebody(500)).chmod(0o600).unwrap();
    assert_eq!(open(501, "shared").map(drop), Err(Errno::ACCES));
    let stat = served.open_at("shared", READ).unwrap().stat().unwrap();
    assert_eq!((stat.mode & 0o7777, stat.uid), (0o600, 500));
    let own = served.open_at("own", READ).unwrap();
    own.on_behalf(somebody(500)).chmod(0o755).unwrap();
    assert!(open(501, "own/text").is_ok());
    let refused = own.on_behalf(somebody(501)).chmod(0o777);
    assert_eq!(refused, Err(Errno::PERM));
}

#[test]
fn names_are_the_programs_but_those_of_a_resource_are_its_own() {
    let served = serve(Tree::new().file("folder", Folder::default()).dir("x"));
    let flags = WRITE | OpenFlags::CREATE;
    assert_eq!(served.open_at("x/new", flags).map(drop), Err(Errno::PERM));
    served.open_at("folder/new", flags).unwrap();
    assert_eq!(names(&served, "folder"), ["new"]);
    let stat = served.open_at("folder/new", READ).unwrap().stat().unwrap();
    assert_eq!(stat.mode & Stat::TYPE, Stat::REGULAR);
}

#[test]
fn a_mistake_is_told_and_such_a_tree_is_not_served() {
    let text = || Text::get(|| "x");
    for (tree, expected) in [
        (
            Tree::new().file("a", text()).file("a", text()),
            Errno::EXIST,
        ),
        (
            Tree::new().file("a", text()).file("a/b", text()),
            Errno::NOTDIR,
        ),
        (Tree::new().file("a", text()).dir("a"), Errno::NOTDIR),
        (Tree::new().file("", text()), Errno::INVAL),
        (Tree::new().file("a/../b", text()), Errno::INVAL),
        (
            Tree::new().file("x".repeat(256), text()),
            Errno::NAMETOOLONG,
        ),
        (Tree::new().link("a", ""), Errno::NOENT),
        (Tree::new().mode("a", 0o700), Errno::NOENT),
    ] {
        assert_eq!(tree.mistake, Some(expected));
        let served = serve(tree);
        assert_eq!(served.open_at("", READ).map(drop), Err(expected));
    }
    let again = Tree::new().dir("a/b").dir("a").dir("a/b");
    assert_eq!(again.check().map(drop), Ok(()));
}

#[test]
fn du2_an_open_in_a_tree_is_closed_with_its_client() {
    let served = serve(Tree::new().file("line", Stream::pipe()));
    let reader = served.open_at("line", READ).unwrap();
    let writer = served.open_at("line", BOTH).unwrap();
    writer.write(b"x").unwrap();
    reader.close().unwrap();
    writer.close().unwrap();
    let late = served.open_at("line", READ).unwrap();
    let caller = Caller::default();
    assert_eq!(late.on_behalf(caller).read(&mut [0; 4]), Ok(1));
    assert_eq!(late.on_behalf(caller).read(&mut [0; 4]), Ok(0));
}
