//! Commands that go on until they are stopped: a server that echoes, a client that checks, a seeker of names.

use super::fill;
use resmgr::ipc::{Channel, ChannelId, Connection, Message, PulseCode, Received};
use resmgr_sys::Errno;
use std::sync::atomic::{AtomicBool, Ordering};

/// In the slot, just longer than a slot, several pages: each goes another way through a link.
const SIZES: [usize; 4] = [8, 100, 900, 20_000];

/// Answers every message with its own bytes until the channel goes.
pub(crate) fn echo(channel: &Channel) -> String {
    let mut buffer = vec![0; 4096];
    let mut answered = 0u64;
    loop {
        match channel.receive(&mut buffer) {
            Ok(Received::Message(message)) => answered += u64::from(answer(message, &buffer)),
            Ok(Received::Pulse(pulse)) => {
                if let (PulseCode::DISCONNECT, Some(scoid)) = (pulse.code, pulse.scoid) {
                    let _ = channel.detach_client(scoid);
                }
            }
            // After a stop, for example.
            Err(Errno::INTR) => {}
            Err(errno) => return format!("echoed {answered} until {errno:?}"),
        }
    }
}

fn answer(message: Message, head: &[u8]) -> bool {
    let (got, all) = (message.info().len, message.info().source_len);
    if got == all {
        return message.reply(0, &head[..got]).is_ok();
    }
    // A client may ask for anything: what cannot be had is refused.
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(all).is_err() {
        return message.error(Errno::NOMEM).is_ok();
    }
    bytes.resize(all, 0);
    match message.read(&mut bytes, 0) {
        Ok(_) => message.reply(0, &bytes).is_ok(),
        Err(_) => false,
    }
}

/// Sends messages of several lengths and compares the answers, for as long as `go_on` says.
pub(crate) fn check(connection: &Connection, mut go_on: impl FnMut() -> bool) -> String {
    let messages = SIZES.map(fill);
    let mut reply = vec![0; SIZES[3]];
    let mut done = 0u64;
    while go_on() {
        for message in &messages {
            let room = &mut reply[..message.len()];
            room.fill(0);
            match connection.send(message, room) {
                Ok(answer) if answer.len == message.len() && room == message => done += 1,
                Ok(answer) => return format!("wrong after {done}: {answer:?}"),
                Err(error) => return format!("{error:?} after {done}"),
            }
        }
    }
    format!("did {done}")
}

/// Opens a name and closes it again, until it is told to stop. Names may be missing while nobody serves them.
pub(crate) fn seek(name: &str, stop: &AtomicBool) -> String {
    let mut done = 0u64;
    while !stop.load(Ordering::Relaxed) {
        match resmgr::name_open(name) {
            Ok(connection) => resmgr::name_close(connection),
            Err(errno) => return format!("{errno:?} after {done}"),
        }
        done += 1;
    }
    format!("did {done}")
}

/// Attaches and detaches, until it is told to stop.
pub(crate) fn reattach(pid: u32, chid: ChannelId, stop: &AtomicBool) -> String {
    let mut done = 0u64;
    while !stop.load(Ordering::Relaxed) {
        match Connection::attach(pid, chid) {
            Ok(connection) => connection.detach(),
            Err(errno) => return format!("{errno:?} after {done}"),
        }
        done += 1;
    }
    format!("did {done}")
}
