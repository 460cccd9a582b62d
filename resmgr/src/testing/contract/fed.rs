//! What a device does whose data come by and by.

use super::device::{SOME, is_ready, reader};
use super::{Ground, Named, READ, Stop, Verdict, holds};
use crate::Errno;
use crate::client::{Conditions, Poller};
use std::time::Instant;

pub(super) const CHECKS: &[Named] = &[
    (
        "a blocked read ends when data come",
        "POSIX read: it blocks until some data become available; HP-4",
        woken,
    ),
    (
        "who polls is told when data come",
        "POSIX poll; NT-2, NT-5",
        told,
    ),
    (
        "a read that nobody waits for any more takes nothing",
        "POSIX read, EINTR: no data have been read; DU-2",
        abandoned,
    ),
];

/// Data come, and a blocked read gets them.
fn woken(ground: &Ground<'_>) -> Verdict {
    let (client, file) = reader(ground)?;
    let mut pending = client.begin_read(&file, SOME)?;
    if !ground.waits(&mut pending) {
        return Err(Stop::Not("its reads do not block"));
    }
    ground.feed()?;
    match pending.finish() {
        Err(Errno::TIMEDOUT) => {
            client.die()?;
            Err(Stop::failed("the read", "no answer", "the data"))
        }
        Ok(answer) => holds("its bytes", answer.status > 0, answer.status, "1 or more"),
        Err(errno) => Err(errno.into()),
    }
}

fn told(ground: &Ground<'_>) -> Verdict {
    let path = ground.path();
    let file = ground.open(&path, READ)?;
    if is_ready(&file)? {
        return Err(Stop::Not("there are always data"));
    }
    let poller = Poller::new()?;
    poller.add(1, &file, Conditions::INPUT)?;
    holds(
        "poll before",
        poller.ready()?.is_empty(),
        "POLLIN",
        "nothing",
    )?;
    ground.feed()?;
    let ready = poller.wait(Some(Instant::now() + ground.patience))?;
    holds(
        "poll when data have come",
        !ready.is_empty(),
        "nothing",
        "POLLIN",
    )?;
    let (client, mine) = reader(ground)?;
    let mut pending = client.begin_read(&mine, SOME)?;
    if ground.waits(&mut pending) {
        client.die()?;
        return Err(Stop::failed("a read then", "it waits", "the data"));
    }
    pending.finish()?;
    holds("poll behind it", !is_ready(&file)?, "POLLIN", "nothing")
}

fn abandoned(ground: &Ground<'_>) -> Verdict {
    for end in ["a signal", "its client's death"] {
        let (client, file) = reader(ground)?;
        let mut pending = client.begin_read(&file, SOME)?;
        if !ground.waits(&mut pending) {
            return Err(Stop::Not("its reads do not block"));
        }
        if end == "a signal" {
            let _ = pending.unblock();
        } else {
            client.die()?;
            let _ = pending.finish();
        }
        ground.feed()?;
        let (next, file) = reader(ground)?;
        let mut pending = next.begin_read(&file, SOME)?;
        if ground.waits(&mut pending) {
            next.die()?;
            let what = format!("a read after {end} had ended another");
            return Err(Stop::failed(what, "it waits", "the data"));
        }
        pending.finish()?;
    }
    Ok(())
}
