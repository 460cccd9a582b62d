//! The order of calls that wait.

use super::super::{BOTH, READ, WRITE};
use super::{Door, Watch, Yard, open, serve};
use crate::client::Caller;
use crate::ipc::CancelToken;
use crate::resource::{AsyncResource, At, Attr, Buffer, Ocb, Opening, Order, lock};
use crate::wire::{LockKind, OpenFlags, Seek};
use crate::{Errno, Result};
use std::io::SeekFrom;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn a_lane_goes_on_after_a_panic_and_after_an_unblock() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    file.seek_and_read(std::io::SeekFrom::Start(0), &mut [0; 2])
        .unwrap();
    // Position 2: a panic.
    assert_eq!(file.read(&mut [0; 2]), Err(Errno::IO));
    let moved = file.seek_and_read(std::io::SeekFrom::Start(0), &mut [0; 1]);
    assert_eq!(moved, Ok(1));
    // Position 1: it waits, and so does who comes behind.
    let first = file.begin_read(1, None).unwrap();
    watch.waiting.until(1);
    let second = file.begin_read(16, None).unwrap();
    let third = file.begin_read(16, None).unwrap();
    drop(second);
    drop(first);
    // The third waits at the gate now.
    watch.came.until(2);
    watch.gate.add_permits(1);
    assert_eq!(third.wait(&mut [0; 16]), Ok(7));
    watch.waiting.until(0);
}

#[test]
fn a_waiting_read_of_a_device_keeps_no_write_out() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", BOTH);
    file.read(&mut [0; 1]).unwrap();
    let waits = file.begin_read(16, None).unwrap();
    watch.waiting.until(1);
    assert_eq!(file.write(b"x"), Ok(1));
    let write = file.begin_write(b"wait", None).unwrap();
    watch.waiting.until(2);
    watch.gate.add_permits(2);
    assert_eq!(waits.wait(&mut [0; 16]), Ok(7));
    assert_eq!(write.wait(), Ok(4));
}

#[test]
fn reads_and_writes_of_an_open_of_a_file_are_in_order() {
    let (_running, chid, watch) = serve(Yard);
    let (one, two) = (open(chid, "now", BOTH), open(chid, "now", READ));
    let writes: Vec<_> = ["ab", "cd"]
        .map(|text| one.begin_write(text.as_bytes(), None).unwrap())
        .into();
    let read = one.begin_read(2, None).unwrap();
    watch.waiting.until(1);
    let other = two.begin_read(1, None).unwrap();
    watch.waiting.until(2);
    assert_eq!(watch.noted(), ["write 0", "read 0"]);
    watch.gate.add_permits(100);
    for write in writes {
        assert_eq!(write.wait(), Ok(2));
    }
    assert_eq!(read.wait(&mut [0; 2]), Ok(0));
    assert!(other.wait(&mut [0; 1]).is_ok());
    assert_eq!(watch.noted(), ["write 0", "read 0", "write 2", "read 4"]);
    assert_eq!(one.position(), Ok(4));
    assert_eq!(*lock(&watch.data), b"abcd");
}

#[test]
fn o_append_writes_at_the_end_and_o_sync_is_answered_when_it_is_safe() {
    let (_running, chid, watch) = serve(Yard);
    let flags = WRITE | OpenFlags::APPEND;
    let files = [(); 2].map(|()| open(chid, "now", flags));
    let writes: Vec<_> = (0..6)
        .map(|turn| files[turn % 2].begin_write(b"abc", None).unwrap())
        .collect();
    watch.gate.add_permits(100);
    for write in writes {
        assert_eq!(write.wait(), Ok(3));
    }
    assert_eq!(*lock(&watch.data), b"abc".repeat(6));
    let log = watch.noted();
    assert_eq!(log, [0, 3, 6, 9, 12, 15].map(|at| format!("write {at}")));
    let safe = open(chid, "now", WRITE | OpenFlags::DATA_SYNC);
    assert_eq!(safe.write(b"x"), Ok(1));
    assert_eq!(watch.noted()[6..], ["write 0", "sync true"]);
}

/// A resource whose order is per file.
struct Single(Arc<Watch>);

impl AsyncResource for Single {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    async fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    async fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _ocb: &Ocb, _at: &At, _buffer: &mut Buffer) -> Result<usize> {
        self.0.pass().await;
        Ok(0)
    }

    fn order(&self) -> Order {
        Order::PerFile
    }
}

#[test]
fn calls_of_all_opens_are_in_order_where_the_resource_wants_it() {
    let (_running, chid, watch) = serve(Single);
    let files = [(); 3].map(|()| open(chid, "", READ));
    let begun = files
        .each_ref()
        .map(|file| file.begin_read(1, None).unwrap());
    for one in begun {
        watch.waiting.until(1);
        watch.gate.add_permits(1);
        assert_eq!(one.wait(&mut [0; 1]), Ok(0));
    }
    watch.waiting.until(0);
}

#[test]
fn calls_at_the_end_of_a_file_wait_for_where_that_is() {
    let (_running, chid, watch) = serve(Yard);
    lock(&watch.data).extend(b"abcdef");
    watch.gate.add_permits(100);
    let file = open(chid, "now", BOTH);
    let mut buffer = [0; 4];
    let read = |from, buffer: &mut [u8]| file.seek_and_read(SeekFrom::End(from), buffer);
    assert_eq!(read(-2, &mut buffer), Ok(2));
    assert_eq!((&buffer[..2], file.position()), (&b"ef"[..], Ok(6)));
    assert_eq!(file.seek_and_write(SeekFrom::End(1), b"x"), Ok(1));
    assert_eq!(*lock(&watch.data), b"abcdef\0x");
    assert_eq!(read(-100, &mut buffer), Err(Errno::INVAL));
    assert_eq!(file.position(), Ok(8));
    file.lock(LockKind::Write, Seek::End(-3), 2).unwrap();
    file.unlock(Seek::Start(5), 2).unwrap();
}

#[test]
fn who_waits_for_the_end_keeps_its_place_and_nobody_else_waiting() {
    let (_running, chid, watch) = serve(Yard);
    lock(&watch.data).extend(b"abcdef");
    let (file, other) = (open(chid, "now", READ), open(chid, "now", READ));
    watch.attr_waits.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let cancel = CancelToken::new();
        let end = scope.spawn({
            let (file, cancel) = (&file, cancel.clone());
            move || {
                let caller = Caller {
                    cancel: Some(&cancel),
                    ..Caller::default()
                };
                file.on_behalf(caller)
                    .seek_and_read(SeekFrom::End(-1), &mut [0; 1])
            }
        });
        watch.waiting.until(1);
        // It comes behind on this open, but not on another one.
        let behind = file.begin_read(2, None).unwrap();
        let beside = other.begin_read(2, None).unwrap();
        watch.waiting.until(2);
        assert_eq!(watch.noted(), ["read 0"]);
        cancel.cancel();
        assert_eq!(end.join().unwrap(), Err(Errno::INTR));
        watch.gate.add_permits(2);
        assert_eq!(behind.wait(&mut [0; 2]), Ok(2));
        assert_eq!(beside.wait(&mut [0; 2]), Ok(2));
    });
    watch.waiting.until(0);
}
