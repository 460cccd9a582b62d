//! What opens of one file keep each other from, and what they share.

use super::{BOTH, READ, Ram, WRITE, bytes, open, refused, serve};
use crate::ipc::{ChannelId, Connection, SendError};
use crate::resource::{Attr, Call, Done, Ocb, Opening, Resource, Write, lock};
use crate::wire::{Connect, OpenFlags, Share};
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};

#[test]
fn d10_a_programs_own_loop_serves_one_message_at_a_time_and_ends_at_its_deadline() {
    use std::time::Instant;
    let options = crate::ipc::ChannelOptions {
        flags: crate::ipc::ChannelFlags::PRIVATE,
        ..Default::default()
    };
    let manager = crate::dispatch::Manager::with_options(options).unwrap();
    let mut manager = manager.unnamed(Ram::default());
    let past = Some(Instant::now());
    assert_eq!(manager.serve_once(past), Ok(false));
    let chid = manager.channel();
    std::thread::scope(|scope| {
        let client = scope.spawn(move || open(chid, BOTH).write(b"abc"));
        // The open, the write, the close.
        for _ in 0..3 {
            assert_eq!(manager.serve_once(None), Ok(true));
        }
        assert_eq!(client.join().unwrap(), Ok(3));
    });
    manager.handle().stop();
    while manager.serve_once(past) == Ok(true) {}
    assert_eq!(manager.serve_once(None), Ok(false));
}

/// An open with a share mode, held by the connection.
fn shared(chid: ChannelId, flags: OpenFlags, share: Share) -> Result<Connection> {
    let connection = Connection::attach(0, chid)?;
    let connect = Connect {
        flags,
        share: share.raw(),
        ..Connect::default()
    };
    let message = bytes(|out| connect.encode(out).unwrap());
    match connection.send(&message, &mut [0; 64]) {
        Ok(_) => Ok(connection),
        Err(SendError::Refused(errno)) => Err(errno),
        other => panic!("{other:?}"),
    }
}

#[test]
fn if6_an_open_keeps_others_out_as_its_share_mode_says() {
    let (_running, chid) = serve(Ram::default(), 1);
    let plain = |flags| shared(chid, flags, Share::Unstated).map(drop);
    let alone = shared(chid, BOTH, Share::DenyWrite).unwrap();
    assert_eq!(plain(READ), Ok(()));
    assert_eq!(plain(WRITE), Err(Errno::BUSY));
    assert_eq!(
        shared(chid, READ, Share::DenyWrite).map(drop),
        Err(Errno::BUSY)
    );
    let mut close = Vec::new();
    crate::wire::encode_close(&mut close);
    alone.send(&close, &mut []).unwrap();
    assert_eq!(plain(WRITE), Ok(()));
}

#[test]
fn if17_openfd_makes_an_open_of_its_own() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    file.write(b"abc").unwrap();
    let again = file.open_again(READ).unwrap();
    assert_eq!((again.position(), file.position()), (Ok(0), Ok(3)));
    assert_eq!(again.write(b"x"), Err(Errno::BADF));
    let create = file.open_again(READ | OpenFlags::CREATE);
    assert_eq!(create.map(drop), Err(Errno::INVAL));
}

#[test]
fn a_share_mode_that_does_not_exist_is_refused() {
    let (_running, chid) = serve(Ram::default(), 1);
    let connection = Connection::attach(0, chid).unwrap();
    let connect = Connect {
        share: 0x70,
        ..Connect::default()
    };
    let message = bytes(|out| connect.encode(out).unwrap());
    assert_eq!(refused(&connection, &message), Errno::INVAL);
}

/// Notes how it is made safe.
#[derive(Default)]
struct Safe(Arc<Mutex<Vec<bool>>>);

impl Resource for Safe {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::file(0o666, 0))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        call.all()
    }
    fn sync(&self, _ocb: &Ocb, data_only: bool) -> Result<()> {
        lock(&self.0).push(data_only);
        Ok(())
    }
}

#[test]
fn if8_writes_are_made_safe_as_the_open_asks() {
    let resource = Safe::default();
    let noted = Arc::clone(&resource.0);
    let (_running, chid) = serve(resource, 1);
    for (flags, expected) in [
        (OpenFlags::empty(), &[][..]),
        (OpenFlags::DATA_SYNC, &[true]),
        (OpenFlags::SYNC, &[false]),
    ] {
        assert_eq!(open(chid, WRITE | flags).write(b"x"), Ok(1));
        assert_eq!(std::mem::take(&mut *lock(&noted)), expected, "{flags:?}");
    }
    let file = open(chid, WRITE);
    file.set_flags(OpenFlags::SYNC).unwrap();
    assert_eq!(file.write(b"x"), Ok(1));
    assert_eq!(*lock(&noted), [false]);
}
