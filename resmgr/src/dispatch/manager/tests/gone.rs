//! What a client leaves behind that has gone, and what resources do that are taken away.

use super::{BOTH, bytes, open, serve};
use crate::dispatch::shared::FORGOTTEN_AT_ONCE;
use crate::dispatch::{AttachFlags, Detach, Handle, LinkId, Manager};
use crate::ipc::{ChannelFlags, ChannelOptions, ConnectFlags, Connection, IdSpace, Target};
use crate::resource::{AsyncDevice, Attr, Call, Done, Ocb, Opening, Resource, Write};
use crate::wire::{self, Connect, Stat};
use crate::{Errno, Result, StartError};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Counts how often an open of it has ended.
#[derive(Default)]
struct Ended(Arc<AtomicUsize>);

impl Resource for Ended {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn close(&self, _ocb: &Ocb) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn d5_a_client_that_goes_with_many_opens_keeps_nobody_waiting_for_all_of_them() {
    const OPENS: usize = 10 * FORGOTTEN_AT_ONCE;
    let ended = Ended::default();
    let closed = Arc::clone(&ended.0);
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    let manager = Manager::with_options(options).unwrap();
    let mut manager = manager.unnamed(ended);
    let chid = manager.channel();
    // Two clients of this process; the first has many opens.
    let target = Target {
        nd: 0,
        pid: 0,
        chid,
    };
    let (space, unshared) = (IdSpace::SideChannel, ConnectFlags::NOSHARE);
    let first = Connection::attach_with(target, space, unshared).unwrap();
    let message = bytes(|out| Connect::default().encode(out).unwrap());
    let mut opens = vec![first];
    while opens.len() < OPENS {
        opens.push(opens[0].again().unwrap());
    }
    let other = Connection::attach(0, chid).unwrap();
    for connection in opens.iter().chain([&other]) {
        let call = connection.begin(&message, 64).unwrap();
        assert_eq!(manager.serve_once(None), Ok(true));
        assert_eq!(call.wait(&mut [0; 64]).map(|reply| reply.status), Ok(0));
    }
    drop(opens);
    // The word that it has gone may come behind a message that is sent now.
    while closed.load(Relaxed) == 0 {
        assert_eq!(manager.serve_once(None), Ok(true));
    }
    let mut call = other.begin(&wire::stat_message(), Stat::SIZE).unwrap();
    let (mut room, mut turns) = ([0; Stat::SIZE], 0);
    let before = loop {
        assert_eq!(manager.serve_once(None), Ok(true));
        turns += 1;
        if let Some(answer) = call.poll(&mut room) {
            answer.unwrap();
            break closed.load(Relaxed);
        }
        assert!(turns < 5, "the other client waits for the end of all opens");
    };
    assert!((1..OPENS).contains(&before), "{before} had ended");
    while closed.load(Relaxed) < OPENS {
        assert_eq!(manager.serve_once(None), Ok(true));
    }
    let past = Some(Instant::now());
    // What was to wake it may come after it has done the work.
    assert!((0..3).any(|_| manager.serve_once(past) == Ok(false)));
}

/// Takes itself away when it is written to.
#[derive(Default)]
struct Last(Arc<OnceLock<Handle>>);

impl Resource for Last {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        if let Some(handle) = self.0.get() {
            handle.detach(LinkId::for_test(0), Detach::All)?;
        }
        call.all()
    }
}

#[test]
fn rm7_a_handler_may_take_its_own_resource_away() {
    let resource = Last::default();
    let handle = Arc::clone(&resource.0);
    let (running, chid) = serve(resource, 1);
    let file = open(chid, BOTH);
    handle.set(running.handle()).unwrap();
    assert_eq!(file.write(b"abc"), Ok(3));
    assert_eq!(file.write(b"abc"), Err(Errno::BADF));
    assert_eq!(running.handle().links(), []);
    let again = running.handle().detach(LinkId::for_test(0), Detach::Name);
    assert_eq!(again, Err(Errno::INVAL));
}

#[test]
fn rm1_what_has_ended_or_has_no_runtime_takes_no_resource() {
    let (running, _) = serve(Last::default(), 1);
    let handle = running.handle();
    let none = AttachFlags::empty();
    let refused = |answer: Result<LinkId, StartError>| answer.unwrap_err().errno();
    let awaited = handle.attach_async("/x", none, Nothing);
    assert_eq!(refused(awaited), Errno::NOTSUP);
    running.stop().unwrap();
    assert_eq!(
        refused(handle.attach("/x", none, Last::default())),
        Errno::SRCH
    );
    let gone = handle.detach(LinkId::for_test(0), Detach::All);
    assert_eq!(gone, Err(Errno::SRCH));
    assert_eq!(handle.links(), []);
}

/// A device without anything.
struct Nothing;

impl AsyncDevice for Nothing {}
