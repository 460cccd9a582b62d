//! Opens, directories and combines that wait.

use super::super::{BOTH, READ, bytes, refused, root};
use super::{Yard, open, open_with, serve};
use crate::Errno;
use crate::client::Caller;
use crate::ipc::{CancelToken, Connection};
use crate::wire::{self, Connect, ConnectKind, OpenFlags, Stat};

#[test]
fn an_open_may_wait_and_is_dropped_when_its_client_is_let_go() {
    let (_running, chid, watch) = serve(Yard);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..root()
        };
        let waits = scope.spawn(move || open_with(&caller, (chid, 0), "late", READ).map(drop));
        watch.waiting.until(1);
        // Nobody else waits.
        drop(open(chid, "now", READ));
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    watch.waiting.until(0);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| open_with(&root(), (chid, 0), "late", READ));
        watch.waiting.until(1);
        watch.gate.add_permits(1);
        assert!(waits.join().unwrap().is_ok());
    });
    watch.opens.until(0);
}

#[test]
fn a_directory_is_read_and_a_combine_is_answered_late() {
    let (_running, chid, watch) = serve(Yard);
    let dir = open(chid, "", READ);
    watch.gate.add_permits(10);
    let mut buffer = [0; 1024];
    let len = dir.read(&mut buffer).unwrap();
    let entries = wire::dirents(&buffer[..len]);
    let names: Vec<_> = entries.map(|entry| entry.unwrap().name.to_vec()).collect();
    assert_eq!(names, [&b"."[..], b"..", b"now", b"late"]);
    assert_eq!(dir.read(&mut buffer), Ok(0));
    let connection = Connection::attach(0, chid).unwrap();
    let connect = Connect {
        kind: ConnectKind::COMBINE_CLOSE,
        path: b"late",
        ..Connect::default()
    };
    let mut message = bytes(|out| connect.encode(out).unwrap());
    wire::encode_stat(&mut message);
    let mut room = [0; Stat::SIZE];
    connection.send(&message, &mut room).unwrap();
    assert_eq!(Stat::decode(&room).unwrap().ino, 3);
    assert_eq!(refused(&connection, &bytes(wire::encode_stat)), Errno::BADF);
    watch.opens.until(1);
    drop(dir);
    watch.opens.until(0);
}

#[test]
fn if17_openfd_makes_an_open_of_its_own() {
    let (_running, chid, watch) = serve(Yard);
    watch.gate.add_permits(2);
    let file = open(chid, "late", BOTH);
    file.write(b"abc").unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| file.open_again(READ).unwrap());
        watch.waiting.until(1);
        // Nobody else waits.
        assert_eq!(file.stat().map(|stat| stat.size), Ok(3));
        watch.gate.add_permits(1);
        let again = waits.join().unwrap();
        assert_eq!((again.position(), file.position()), (Ok(0), Ok(3)));
        assert_eq!(again.write(b"x"), Err(Errno::BADF));
        watch.opens.until(2);
    });
    watch.opens.until(1);
    let create = file.open_again(READ | OpenFlags::CREATE);
    assert_eq!(create.map(drop), Err(Errno::INVAL));
    watch.opens.until(1);
}

#[test]
fn an_openfd_that_nobody_waits_for_opens_nothing() {
    let (_running, chid, watch) = serve(Yard);
    watch.gate.add_permits(1);
    let file = open(chid, "late", READ);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..Caller::default()
        };
        let file = &file;
        let waits = scope.spawn(move || file.on_behalf(caller).open_again(READ).map(drop));
        watch.waiting.until(1);
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    watch.waiting.until(0);
    watch.opens.until(1);
}
