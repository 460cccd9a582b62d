use super::{Act, Filter, Proxy};
use crate::client::{File, PollFile, poll};
use crate::ipc::{CancelToken, Credentials};
use crate::parts::testing::{BOTH, LONG, READ, WRITE, serve, until};
use crate::parts::{MemFs, Stream, Text, Tree};
use crate::resource::{AsyncDevice, At, Buffer, Change, Conditions, Filesystem, Opening, Resource};
use crate::testing::{Bench, Contract, check_contract};
use crate::wire::{Dcmd, LockKind, OpenFlags, Seek};
use crate::{Errno, Result};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Nothing is written: everything passes.
struct Clear;
impl Filter for Clear {}

struct Loud;
impl Filter for Loud {
    fn read<'d>(&self, _at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        Ok(data.to_ascii_uppercase().into())
    }
}

struct Mirrored;
impl Filter for Mirrored {
    fn write<'d>(&self, _at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
        Ok(data.iter().rev().copied().collect::<Vec<u8>>().into())
    }
}

struct ReadOnly;
impl Filter for ReadOnly {
    fn before(&self, act: &Act<'_>, _by: &Credentials) -> Result<()> {
        if act.changes() {
            return Err(Errno::ROFS);
        }
        Ok(())
    }
    fn filesystem(&self, known: &mut Filesystem) {
        known.read_only = true;
    }
}

/// What happened, by whom, in words.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Filter for Diary {
    fn after(&self, act: &Act<'_>, by: &Credentials, outcome: Result<u64>) {
        if matches!(act, Act::Attr | Act::Filesystem | Act::Lookup(_)) {
            return;
        }
        let line = format!("{} {act:?}: {outcome:?}", by.uid);
        self.0.lock().unwrap().push(line);
    }
}

impl Diary {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The next entry, which is about to come.
    fn next(&self) -> Vec<String> {
        let deadline = Instant::now() + LONG;
        loop {
            let taken = self.take();
            if !taken.is_empty() || Instant::now() > deadline {
                return taken;
            }
            std::thread::yield_now();
        }
    }
}

fn read(file: &File) -> Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let count = file.read(&mut buffer)?;
    Ok(buffer[..count].to_vec())
}

#[test]
fn a_file_system_behind_a_proxy_keeps_the_same_contract() {
    let plain = check_contract(MemFs::new(), Contract::tree()).unwrap();
    let behind = check_contract(Proxy::new(MemFs::new(), Clear), Contract::tree()).unwrap();
    assert_eq!(plain.to_string(), behind.to_string());
    behind.assert();
}

#[test]
fn a_pipe_behind_a_proxy_keeps_the_same_contract() {
    let plain = check_contract(Stream::pipe(), Contract::device()).unwrap();
    let behind = check_contract(Proxy::new(Stream::pipe(), Clear), Contract::device()).unwrap();
    assert_eq!(plain.to_string(), behind.to_string());
}

#[test]
fn a_filter_changes_what_is_read() {
    let bench = Bench::new(Proxy::new(Text::get(|| "quiet\n"), Loud)).unwrap();
    assert_eq!(
        read(&bench.open(READ).unwrap()).as_deref(),
        Ok(&b"QUIET\n"[..])
    );
}

#[test]
fn a_filter_changes_what_is_written_and_what_waited_is_changed_once() {
    // The pipe has room for one write only: the second waits, and its handler is called again.
    let served = serve(Proxy::new(Stream::pipe().capacity(4), Mirrored));
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    assert_eq!(writer.write(b"abcd"), Ok(4));
    let pending = writer.begin_write(b"1234", None).unwrap();
    assert_eq!(read(&reader).as_deref(), Ok(&b"dcba"[..]));
    assert_eq!(pending.wait(), Ok(4));
    assert_eq!(read(&reader).as_deref(), Ok(&b"4321"[..]));
}

#[test]
fn a_filter_that_changes_a_length_is_an_error() {
    struct Short;
    impl Filter for Short {
        fn read<'d>(&self, _at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
            Ok(data.get(1..).unwrap_or_default().into())
        }
    }
    let bench = Bench::new(Proxy::new(Text::get(|| "quiet\n"), Short)).unwrap();
    assert_eq!(read(&bench.open(READ).unwrap()), Err(Errno::IO));
}

#[test]
fn a_tree_is_made_read_only() {
    let files = MemFs::new();
    let served = Bench::new(Proxy::new(files, ReadOnly)).unwrap();
    let refused = [
        served.create_dir("d", 0o777),
        served.unlink("x"),
        served.open_at("f", BOTH | OpenFlags::CREATE).map(drop),
        served.chmod("", 0o700),
    ];
    let refused = refused.map(Result::unwrap_err);
    assert_eq!(
        refused,
        [Errno::ROFS, Errno::NOENT, Errno::ROFS, Errno::ROFS]
    );
    assert!(served.stat("").unwrap().is_dir());
}

#[test]
fn a_filter_sees_who_does_what_and_what_comes_of_it() {
    let diary = Arc::new(Diary::default());
    let bench = Bench::new(Proxy::new(
        MemFs::new().permissions(0o777),
        Arc::clone(&diary),
    ))
    .unwrap();
    let other = bench.client(4711, 4711).unwrap();
    let file = other.create("f", BOTH | OpenFlags::CREATE, 0o600).unwrap();
    file.write(b"abc").unwrap();
    drop(file);
    other.rename("f", "g").unwrap();
    assert_eq!(other.unlink("f"), Err(Errno::NOENT));
    other.unlink("g").unwrap();
    let lines = diary.take().join("\n");
    for expected in [
        "4711 Create(\"f\", ",
        "4711 Open(",
        "4711 Write { offset: 0, len: 3 }: Ok(3)",
        "4711 Close: Ok(0)",
        "4711 Rename { from: \"f\", to: \"g\",",
        "4711 Unlink(\"g\"): Ok(0)",
    ] {
        assert!(lines.contains(expected), "{expected} in {lines}");
    }
    assert!(!lines.contains("Unlink(\"f\")"), "{lines}");
}

#[test]
fn a_blocked_read_stays_one_and_is_told_of_once() {
    let diary = Arc::new(Diary::default());
    let served = serve(Proxy::new(
        Proxy::new(Stream::pipe(), Loud),
        Arc::clone(&diary),
    ));
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    diary.take();
    let pending = reader.begin_read(64, None).unwrap();
    writer.write(b"abc").unwrap();
    let mut buffer = [0; 64];
    assert_eq!(pending.wait(&mut buffer), Ok(3));
    assert_eq!(&buffer[..3], b"ABC");
    let reads = diary.take();
    let reads: Vec<_> = reads.iter().filter(|line| line.contains("Read")).collect();
    assert_eq!(reads, ["0 Read { offset: 0, len: 64 }: Ok(3)"]);
}

#[test]
fn hp7_a_client_that_is_let_go_behind_a_proxy_is_told_of() {
    let diary = Arc::new(Diary::default());
    let served = serve(Proxy::new(Stream::pipe(), Arc::clone(&diary)));
    let (reader, _writer) = (served.open(READ), served.open(WRITE));
    diary.take();
    let soon = Instant::now() + Duration::from_millis(10);
    let read = reader.on_behalf(until(soon)).read(&mut [0; 8]);
    assert_eq!(read, Err(Errno::TIMEDOUT));
    assert_eq!(diary.next().len(), 1);
    let token = CancelToken::new();
    token.cancel();
    let caller = crate::client::Caller {
        cancel: Some(&token),
        ..Default::default()
    };
    assert_eq!(reader.on_behalf(caller).read(&mut [0; 8]), Err(Errno::INTR));
}

#[test]
fn poll_and_locks_and_openfd_pass() {
    let served = serve(Proxy::new(Stream::pipe(), Clear));
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    let ready = |timeout| {
        let mut files = [PollFile::new(&reader, Conditions::INPUT)];
        poll(&mut files, Some(timeout)).unwrap()
    };
    assert_eq!(ready(Duration::ZERO), 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ready(LONG));
        writer.write(b"x").unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    });
    let again = reader.open_again(READ).unwrap();
    assert_eq!(read(&again).as_deref(), Ok(&b"x"[..]));
    let base = Seek::Start(0);
    let files = Bench::new(Proxy::new(MemFs::new(), Clear)).unwrap();
    let file = files.create("f", BOTH | OpenFlags::CREATE, 0o600).unwrap();
    assert_eq!(file.try_lock(LockKind::Write, base, 1), Ok(()));
}

#[test]
fn a_filter_refuses_what_it_likes_with_its_own_error() {
    struct NoCommands;
    impl Filter for NoCommands {
        fn before(&self, act: &Act<'_>, by: &Credentials) -> Result<()> {
            match act {
                Act::Devctl(_) => Err(Errno::ACCES),
                Act::Open(_) if by.uid == 13 => Err(Errno::CONNREFUSED),
                _ => Ok(()),
            }
        }
    }
    let bench = Bench::new(Proxy::new(Text::get(|| "x"), NoCommands)).unwrap();
    let file = bench.open(READ).unwrap();
    assert_eq!(
        file.devctl(Dcmd::from_raw(0x4004_0501), &mut [0; 4]),
        Err(Errno::ACCES)
    );
    let other = bench.client(13, 13).unwrap();
    assert_eq!(other.open(READ).map(drop), Err(Errno::CONNREFUSED));
}

#[test]
fn a_proxy_stands_in_a_tree() {
    let tree = Tree::new()
        .file("a/loud", Proxy::new(Text::get(|| "x"), Loud))
        .file("b", Proxy::new(Stream::pipe(), Loud));
    let bench = Bench::new(tree).unwrap();
    let open = |path, flags| bench.open_at(path, flags).unwrap();
    assert_eq!(read(&open("a/loud", READ)).as_deref(), Ok(&b"X"[..]));
    let reader = open("b", READ);
    let pending = reader.begin_read(8, None).unwrap();
    open("b", WRITE).write(b"y").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(pending.wait(&mut buffer), Ok(1));
    assert_eq!(&buffer[..1], b"Y");
}

#[test]
fn an_asynchronous_resource_has_a_proxy_too() {
    struct Echo;
    impl AsyncDevice for Echo {
        async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
            tokio::task::yield_now().await;
            at.copy(b"echo", buffer)
        }
        async fn write(&self, _at: &At, _data: &[u8]) -> Result<usize> {
            std::future::pending().await
        }
    }
    let diary = Arc::new(Diary::default());
    let proxy = Proxy::new(Proxy::new(Echo, Loud), Arc::clone(&diary));
    let bench = Bench::new_async(proxy).unwrap();
    let file = bench.open(BOTH).unwrap();
    assert_eq!(read(&file).as_deref(), Ok(&b"ECHO"[..]));
    diary.take();
    let soon = Instant::now() + Duration::from_millis(10);
    assert_eq!(
        file.on_behalf(until(soon)).write(b"z"),
        Err(Errno::TIMEDOUT)
    );
    let told = diary.next();
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("Err(EINTR)"), "{told:?}");
}

/// The handlers that no client reaches alone are there, too.
#[test]
fn what_a_filter_says_of_a_file_is_what_it_is() {
    struct Shown;
    impl Filter for Shown {
        fn attr(&self, attr: &mut crate::resource::Attr) {
            attr.mode &= !0o222;
        }
    }
    let proxy = Proxy::new(MemFs::new(), Shown);
    let root = Resource::root(&proxy);
    assert_eq!(Resource::attr(&proxy, &root).unwrap().mode & 0o222, 0);
    let change = Change::default();
    assert_eq!(Resource::change(&proxy, &root, &change), Ok(()));
    let none = Resource::lookup(&proxy, &root, OsStr::new("x")).map(drop);
    assert_eq!(none, Err(Errno::NOENT));
    let _: fn(&Opening) -> OpenFlags = |how| how.flags;
}
