//! What ends a handler where it waits: an unblock, its connection, a panic.

use super::super::READ;
use super::{Door, PANIC, WAIT, open, read, serve};
use crate::Errno;
use crate::client::Caller;
use crate::ipc::CancelToken;
use std::time::{Duration, Instant};

#[test]
fn an_unblock_drops_the_future_where_it_waits() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let soon = Caller {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..Caller::default()
    };
    let late = file.on_behalf(soon).read_at(&mut [0; 16], WAIT);
    assert_eq!(late, Err(Errno::TIMEDOUT));
    watch.waiting.until(0);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..Caller::default()
        };
        let file = &file;
        let waits = scope.spawn(move || file.on_behalf(caller).read_at(&mut [0; 16], WAIT));
        watch.waiting.until(1);
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    watch.waiting.until(0);
    let given_up = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    drop(given_up);
    watch.waiting.until(0);
    assert_eq!(read(&file, 0), Ok(7));
}

#[test]
fn a_connection_that_goes_ends_its_calls() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let waits = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    file.forget();
    assert_eq!(waits.wait(&mut [0; 16]), Err(Errno::BADF));
    watch.waiting.until(0);
}

#[test]
fn a_panic_in_a_future_is_eio_for_its_caller_and_nobody_else() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let waits = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    assert_eq!(read(&file, PANIC), Err(Errno::IO));
    assert_eq!(read(&file, 0), Ok(7));
    watch.gate.add_permits(1);
    assert_eq!(waits.wait(&mut [0; 16]), Ok(7));
}
