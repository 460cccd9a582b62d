//! Connections by number, and what children and new programs have of them.
//!
//! | command | answer |
//! |---|---|
//! | `into-id NAME` | `id COID` |
//! | `detach-id`, `info-from`, `live-from COID` | `ok`, or what is there |
//! | `flags NAME MASK BITS` | `flags OLD` |
//! | `close FD`, `dup2 FROM TO` | `ok` |
//! | `from-descriptor NAME FD` | `connection COID` |
//! | `park NAME` | `rcvid N` |
//! | `reply-id RCVID STATUS DATA`, `read-id RCVID OFFSET LEN`, `info-id RCVID` | as without `-id` |
//! | `whose RCVID` | `channel CHID client SCOID` |
//! | `self-info` | as `client-info` |
//! | `new-session` | `ok` |
//! | `attach-many PID CHID fd=` | `attached COUNT ERRNO` |
//! | `fork-use NAME DATA` | `child ended with ERRNO` |
//! | `spawn COMMAND…`, `exec-self` | what it says; nothing |

use super::commands::{self, keep, outcome};
use super::things::Things;
use super::{ONCE, Words, show};
use resmgr::ipc::{
    ChannelId, ClientInfo, Coid, ConnectFlags, Connection, IdSpace, Message, Rcvid, ServerInfo,
    Target,
};
use resmgr_sys::{Errno, process};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Runs one of these commands.
pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let coid = || Coid::from_raw(words.number(1));
    let rcvid = || Rcvid::from_raw(words.number(1));
    let done = match words.get(0) {
        "into-id" => {
            let connection = std::sync::Arc::into_inner(things.connections.take(name)).unwrap();
            Ok(format!("id {}", connection.into_id()))
        }
        "detach-id" => Connection::detach_id(coid()).map(|()| "ok".into()),
        "info-from" => Connection::info_from(coid()).map(told),
        "live-from" => Connection::live_from(coid()).map(|coid| coid.to_string()),
        "flags" => flags(things, words).map(|old| format!("flags {}", old.bits())),
        "close" => process::close_for_test(words.number(1)).map(|()| "ok".into()),
        "dup2" => {
            let done = process::duplicate_for_test(words.number(1), words.number(2));
            done.map(|()| "ok".into())
        }
        "from-descriptor" => {
            from_descriptor(words.number(2)).map(|connection| keep(things, name, connection))
        }
        "park" => Ok(format!("rcvid {}", things.messages.take(name).into_rcvid())),
        "reply-id" => Message::by_rcvid(rcvid())
            .and_then(|message| message.reply(words.number(2), &words.data(3)))
            .map(|()| "ok".into()),
        "read-id" => {
            let mut bytes = vec![0; words.number(3)];
            Message::with_rcvid(rcvid(), |message| message.read(&mut bytes, words.number(2)))
                .map(|len| format!("{len} {}", show(&bytes[..len])))
        }
        "info-id" => Message::with_rcvid(rcvid(), |message| Ok(message.info()))
            .map(|info| format!("scoid={} flags={}", info.scoid, info.flags.bits())),
        "whose" => {
            let (channel, client) = (rcvid().channel(), rcvid().client());
            let client = client.map_or_else(|| "nobody".into(), |client| client.to_string());
            Ok(format!("channel {channel} client {client}"))
        }
        "self-info" => Ok(commands::identity(&ClientInfo::of_self())),
        "new-session" => process::new_session().map(|()| "ok".into()),
        "attach-many" => Ok(attach_many(words)),
        "fork-use" => Ok(fork_use(things, words)),
        "spawn" => Ok(spawn(words)),
        "exec-self" => Err(Command::new(program()).exec().into()),
        _ => return None,
    };
    Some(outcome(done))
}

pub(crate) fn told(info: ServerInfo) -> String {
    format!(
        "coid={} pid={} chid={} scoid={} flags={}",
        info.coid,
        info.pid,
        info.chid,
        info.scoid,
        info.flags.bits()
    )
}

fn flags(things: &Things, words: &Words<'_>) -> resmgr_sys::Result<ConnectFlags> {
    let connection = things.connection(words.get(1))?;
    let flags = |index| ConnectFlags::from_bits_retain(words.number(index));
    connection.set_flags(flags(2), flags(3))
}

/// The value that a program would get from its own table of descriptors: a copy with the wrong number would do
/// as little as the number alone.
fn from_descriptor(number: i32) -> resmgr_sys::Result<Connection> {
    let path = format!("/proc/self/fd/{number}");
    let other = std::fs::File::open(path).map_err(|_| Errno::BADF)?;
    let moved = resmgr_sys::memory::duplicate(other.as_fd(), number + 100, true)?;
    Connection::from_descriptor(moved)
}

/// Attaches until there is no number left, and lets go of them all.
fn attach_many(words: &Words<'_>) -> String {
    let target = Target {
        nd: 0,
        pid: words.number(1),
        chid: ChannelId::from_raw(words.number(2)),
    };
    let lowest = words.named_number("fd");
    let space = lowest.map_or(IdSpace::SideChannel, IdSpace::Descriptor);
    let mut attached = Vec::new();
    loop {
        match Connection::attach_with(target, space, ConnectFlags::empty()) {
            Ok(connection) => attached.push(connection),
            Err(errno) => return format!("attached {} {errno:?}", attached.len()),
        }
    }
}

/// A forked child uses a connection of its parent's; what came of it is its exit status.
fn fork_use(things: &Things, words: &Words<'_>) -> String {
    let name = words.get(1);
    // Not in the child: a lock may be held there.
    let inherited = (!name.starts_with('#')).then(|| things.connections.get(name));
    let Some(child) = process::fork_for_test().unwrap() else {
        let used = match inherited {
            Some(connection) => connection.send(&words.data(2), &mut [0; 8]),
            None => match things.connection(name) {
                Ok(connection) => connection.send(&words.data(2), &mut [0; 8]),
                Err(errno) => process::exit_now(errno.raw()),
            },
        };
        process::exit_now(used.map_or_else(|error| error.errno().raw(), |_| 0));
    };
    let status = process::wait_for(child).unwrap();
    // Exit codes lie in the second byte of a wait status.
    let code = Errno::from_raw(status >> 8);
    code.map_or("child ended well".into(), |errno| {
        format!("child ended with {errno:?}")
    })
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn spawn(words: &Words<'_>) -> String {
    let output = Command::new(program())
        .arg(ONCE)
        .args(words.rest(1))
        .output();
    String::from_utf8(output.unwrap().stdout)
        .unwrap()
        .trim()
        .into()
}
