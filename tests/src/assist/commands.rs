//! Every command, and what it answers. `NAME` is what an earlier command called a thing (`as=`).
//!
//! | command | answer |
//! |---|---|
//! | `channel NAME flags=N wait= rights= direct= clients= user-clients= calls= bulk=` | `channel CHID` |
//! | `limit CHANNELS CONNECTIONS` | `ok` |
//! | `attach NAME PID CHID fd= nd= flags= identity=` | `connection COID` |
//! | `send NAME DATA room= priority= deadline= wait= cancel= lend= take=` | `answer STATUS LEN BUFFER` |
//! | `send-borrowed NAME DATA room= again= lend= take=` | the same, built in the link's memory |
//! | `pulse NAME CODE VALUE priority= how=` | `ok` |
//! | `receive NAME room= as= deadline=` | `message DATA` or `pulse CODE VALUE` |
//! | `try-receive NAME`, `is-ready NAME deadline=` | the same; whether its poll descriptor is ready |
//! | `begin NAME CONNECTION DATA room= lend= take=`, `poll`, `wait` (`deadline= cancel=`) or `give-up` `NAME` | `ok`; `nothing` or as `send` |
//! | `receive-pulse NAME deadline=` | `pulse CODE VALUE` |
//! | `reply`, `error`, `read`, `write`, `drop` … `NAME` | `ok`, or what was read or written |
//!
//! Connections by number, and in children: see `by_id`. `#COID` stands for a connection where a name does.
//!
//! Late answers are in [`late`](super::late), open files in [`opens`](super::opens) and
//! [`more_opens`](super::more_opens), and a server that is made for tests of them in [`probe`](super::probe); others in
//! [`gadget`](super::gadget), with their device commands in [`devctls`](super::devctls), and the calls of POSIX on ours
//! and the host's files in [`posix`](super::posix).
//! Servers before servers are in [`remote`](super::remote).
//!
//! Paths are registered, served, opened and listed in `paths`. More are in [`events`](super::events) and
//! [`waits`](super::waits). Failures are `error ERRNO`; of a send, the kind of failure comes before the number.

use super::things::Things;
use super::{
    Words, bulk, by_id, by_path, crowd, devctls, endurance, events, gadget, hand, inspect, late,
    load, loops, more_opens, opens, parcels, paths, pending, poll, posix, probe, remote, show,
    waits,
};
use resmgr::ipc::{
    Channel, ChannelFlags, ChannelId, ChannelLimits, ChannelOptions, ClientInfo, ConnectFlags,
    ConnectRights, Connection, Credentials, IdSpace, ProcessLimits, Pulse, PulseFlags, Received,
    Scoid, SendError, SendOptions, Target, Waiting, set_process_limits,
};
use resmgr::name::NameFlags;
use resmgr_sys::{Errno, process, signal};
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::process::CommandExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What a reply buffer holds before anybody writes to it.
const UNTOUCHED: u8 = b'.';
/// How long a forked child lives on, if nobody ends it before.
const ORPHAN: Duration = Duration::from_mins(2);

/// Runs one command.
pub(crate) fn run(things: &Things, words: &Words<'_>) -> String {
    if let Some(said) = by_id::run(things, words) {
        return said;
    }
    let name = words.get(1);
    match words.get(0) {
        "channel" => channel(things, words),
        "attach" => attach(things, words),
        "send" => send(things, words),
        "borrow" => {
            let borrowed = things.connections.get(name).borrow(words.number(2));
            outcome(borrowed.map(|_| "ok".into()))
        }
        "send-borrowed" => bulk::send(things, words),
        "read-shared" | "write-shared" => bulk::look(things, words),
        "pulse" => pulse(things, words),
        "receive" => receive(things, words),
        "receive-pulse" => {
            let pulse = things.channels.get(name).receive_pulse(deadline(words));
            outcome(pulse.map(told))
        }
        "detach" => {
            drop(things.connections.take(name));
            "ok".into()
        }
        "destroy" => {
            things.channels.get(name).destroy();
            "ok".into()
        }
        "detach-client" | "client-info" | "self-pulse" => on_channel(things, words),
        "server-info" => outcome(
            things
                .connection(name)
                .map(|found| by_id::told(found.server_info())),
        ),
        "begin" | "poll" | "wait" | "give-up" | "send-async" | "async-load" | "async-give-up" => {
            pending::run(things, words)
        }
        "try-receive" | "is-ready" | "ready-to-receive" => poll::run(things, words),
        "descriptors" | "reply-lend" => parcels::run(things, words),
        "reply" | "error" | "error-as-asked" | "drop" => answer(things, words),
        "read" | "write" | "info" | "asked" | "waiting" | "rcvid" => look(things, words),
        "cancel" => {
            things.token(name).cancel();
            "ok".into()
        }
        "echo" => load::echo(&things.channels.get(name)),
        "check" => load::check(&things.connections.get(name), || {
            !things.stop.load(Ordering::Relaxed)
        }),
        "check-times" => {
            let mut rounds = 0..words.number::<u64>(2);
            load::check(&things.connections.get(name), || rounds.next().is_some())
        }
        "seek" => load::seek(name, &things.stop),
        "come-and-go" | "kill-clients" | "kill-servers" => repeated(words),
        "reattach" => {
            let chid = ChannelId::from_raw(words.number(2));
            load::reattach(words.number(1), chid, &things.stop)
        }
        "stop" => {
            things.stop.store(true, Ordering::Relaxed);
            "ok".into()
        }
        "receive-in-dying-thread" => {
            std::thread::scope(|scope| scope.spawn(|| receive(things, words)).join().unwrap())
        }
        "fork-send" => fork_send(things, words),
        "name-attach" | "name-attach-on" | "name-detach" | "name-open" => named(things, words),
        "name-wait" => waits::run(words),
        _ => paths::run(things, words)
            .or_else(|| events::run(things, words))
            .or_else(|| late::run(things, words))
            .or_else(|| opens::run(things, words))
            .or_else(|| probe::run(things, words))
            .or_else(|| gadget::run(things, words))
            .or_else(|| devctls::run(things, words))
            .or_else(|| more_opens::run(things, words))
            .or_else(|| posix::run(things, words))
            .or_else(|| by_path::run(things, words))
            .or_else(|| remote::run(things, words))
            .or_else(|| loops::run(things, words))
            .or_else(|| hand::run(things, words))
            .or_else(|| crowd::run(things, words))
            .unwrap_or_else(|| on_process(words)),
    }
}

fn on_process(words: &Words<'_>) -> String {
    match words.get(0) {
        "fork" => born(process::fork_for_test()),
        "clone" => born(process::clone_for_test()),
        "handle" => outcome(
            signal::count_for_test(signal::USR1, words.get(1) == "restart").map(|()| "ok".into()),
        ),
        "handled" => signal::counted().to_string(),
        "limit" => {
            set_process_limits(ProcessLimits {
                channels: words.number(1),
                connections: words.number(2),
            });
            "ok".into()
        }
        "ready" => "ready".into(),
        "inspect" => inspect::run(words),
        "trace" => inspect::trace(words),
        "exec" => {
            let error = std::process::Command::new(words.get(1))
                .arg(words.get(2))
                .exec();
            format!("not executed: {error}")
        }
        other => panic!("{other} is no command"),
    }
}

fn repeated(words: &Words<'_>) -> String {
    let server = || (words.number(1), ChannelId::from_raw(words.number(2)));
    match words.get(0) {
        "come-and-go" => {
            let (pid, chid) = server();
            endurance::come_and_go(pid, chid, words.number(3))
        }
        "kill-clients" => {
            let (pid, chid) = server();
            endurance::kill_clients(pid, chid, words.number(3))
        }
        _ => endurance::kill_servers(words.number(1)),
    }
}

/// The child does nothing but live.
fn born(child: resmgr_sys::Result<Option<u32>>) -> String {
    match child {
        Ok(None) => {
            std::thread::sleep(ORPHAN);
            process::exit_now(0)
        }
        other => outcome(other.map(|pid| format!("child {}", pid.unwrap_or(0)))),
    }
}

/// A forked child uses its parent's connection, and then one of its own. What it found is its exit status.
fn fork_send(things: &Things, words: &Words<'_>) -> String {
    let inherited = things.connections.get(words.get(1));
    let (pid, chid) = (words.number(2), ChannelId::from_raw(words.number(3)));
    let Some(child) = process::fork_for_test().unwrap() else {
        let refused = inherited.send(b"parent's", &mut []);
        let sent = Connection::attach(pid, chid).map(|own| own.send(b"child's", &mut [0; 8]));
        let good = refused == Err(SendError::Gone(Errno::BADF)) && matches!(sent, Ok(Ok(_)));
        process::exit_now(i32::from(!good));
    };
    let status = process::wait_for(child).unwrap();
    // Exit codes lie in the second byte of a wait status.
    format!("child ended with {}", status >> 8)
}

pub(crate) fn outcome(result: resmgr_sys::Result<String>) -> String {
    result.unwrap_or_else(|errno| format!("error {errno:?}"))
}

pub(super) fn deadline(words: &Words<'_>) -> Option<Instant> {
    let milliseconds = words.named_number("deadline")?;
    Some(Instant::now() + Duration::from_millis(milliseconds))
}

pub(crate) fn waiting(words: &Words<'_>) -> Waiting {
    match words.named("wait") {
        Some("block") => Waiting::Block,
        Some("spin") => Waiting::Spin,
        _ => Waiting::Adaptive,
    }
}

fn channel(things: &Things, words: &Words<'_>) -> String {
    let flags = words.named_number("flags").unwrap_or(0);
    let made = Channel::with_options(ChannelOptions {
        flags: ChannelFlags::from_bits_retain(flags),
        rights: rights(words),
        waiting: waiting(words),
        direct: words.named("direct").is_some(),
        descriptors: words.named_number("descriptors").unwrap_or(0),
        limits: limits(words),
    });
    outcome(made.map(|channel| {
        let id = channel.id();
        things.channels.put(words.get(1), channel);
        format!("channel {id}")
    }))
}

pub(crate) fn rights(words: &Words<'_>) -> ConnectRights {
    match words.named("rights") {
        Some("anyone") => ConnectRights::Anyone,
        Some(group) => ConnectRights::Group(group.parse().unwrap()),
        None => ConnectRights::Owner,
    }
}

fn limits(words: &Words<'_>) -> ChannelLimits {
    let mut limits = ChannelLimits::default();
    let chosen = (
        words.named_number("clients"),
        words.named_number("user-clients"),
        words.named_number("calls"),
        words.named_number("bulk"),
    );
    limits.clients = chosen.0.unwrap_or(limits.clients);
    limits.clients_per_user = chosen.1.unwrap_or(limits.clients_per_user);
    limits.calls = chosen.2.unwrap_or(limits.calls);
    limits.bulk = chosen.3.unwrap_or(limits.bulk);
    limits
}

fn attach(things: &Things, words: &Words<'_>) -> String {
    let target = Target {
        nd: words.named_number("nd").unwrap_or(0),
        pid: words.number(2),
        chid: ChannelId::from_raw(words.number(3)),
    };
    let lowest = words.named_number("fd");
    let space = lowest.map_or(IdSpace::SideChannel, IdSpace::Descriptor);
    let flags = ConnectFlags::from_bits_retain(words.named_number("flags").unwrap_or(0));
    let made = match words.named_number("identity") {
        Some(identity) => Connection::attach_to(target.pid, identity, target.chid),
        None => Connection::attach_with(target, space, flags),
    };
    outcome(made.map(|connection| keep(things, words.get(1), connection)))
}

pub(crate) fn keep(things: &Things, name: &str, connection: Connection) -> String {
    let id = connection.id();
    things.connections.put(name, Arc::new(connection));
    format!("connection {id}")
}

/// Buffers of these lengths, divided by `|`.
fn rooms(lens: &str, filled_with: u8) -> Vec<Vec<u8>> {
    let lens = lens.split('|').map(|len| len.parse().unwrap());
    lens.map(|len| vec![filled_with; len]).collect()
}

fn parts_of(buffers: &mut [Vec<u8>]) -> Vec<IoSliceMut<'_>> {
    let parts = buffers.iter_mut();
    parts.map(|part| IoSliceMut::new(part)).collect()
}

fn send(things: &Things, words: &Words<'_>) -> String {
    let connection = match things.connection(words.get(1)) {
        Ok(connection) => connection,
        Err(errno) => return format!("error {errno:?}"),
    };
    let message = words.parts(2);
    let message: Vec<_> = message.iter().map(|part| IoSlice::new(part)).collect();
    let mut buffers = rooms(words.named("room").unwrap_or("0"), UNTOUCHED);
    let mut reply = parts_of(&mut buffers);
    let token = words.named("cancel").map(|name| things.token(name));
    let parcel = parcels::Parcel::of(words);
    let lent = parcel.lent.borrowed();
    let options = SendOptions {
        priority: words.named_number("priority"),
        deadline: deadline(words),
        on_behalf: words.named_number("behalf").map(|id| Credentials {
            pid: id,
            uid: id,
            gid: id,
        }),
        waiting: waiting(words),
        direct: words.named("direct").is_some(),
        cancel: token.as_ref(),
        ..parcel.options(&lent)
    };
    match connection.send_with(&message, &mut reply, options) {
        Ok(answer) => {
            let buffers = buffers.concat();
            let fds = parcels::taken(parcel.take.as_ref());
            format!(
                "answer {} {} {}{fds}",
                answer.status,
                answer.len,
                show(&buffers)
            )
        }
        Err(error) => told_of(error),
    }
}

pub(super) fn told_of(error: SendError) -> String {
    match error {
        SendError::Refused(errno) => format!("refused {errno:?}"),
        SendError::Gone(errno) => format!("gone {errno:?}"),
        SendError::Unsent(errno) => format!("unsent {errno:?}"),
        SendError::Interrupted => "interrupted".into(),
        SendError::TimedOut => "timed out".into(),
        SendError::Protocol => "protocol".into(),
    }
}

fn pulse(things: &Things, words: &Words<'_>) -> String {
    let priority = words.named_number("priority");
    let (code, value) = (words.number(2), words.number(3));
    let connection = things.connection(words.get(1));
    let sent =
        connection.and_then(|found| found.send_pulse_with(priority, code, value, how(words)));
    outcome(sent.map(|()| "ok".into()))
}

fn how(words: &Words<'_>) -> PulseFlags {
    match words.named("how") {
        Some("unique") => PulseFlags::IF_UNIQUE,
        Some("replace") => PulseFlags::REPLACE,
        _ => PulseFlags::empty(),
    }
}

pub(super) fn receive(things: &Things, words: &Words<'_>) -> String {
    let channel = things.channels.get(words.get(1));
    let mut buffers = rooms(words.named("room").unwrap_or("64"), 0);
    let mut parts = parts_of(&mut buffers);
    let received = if words.get(0) == "try-receive" {
        channel.try_receive_vectored(&mut parts)
    } else {
        channel.receive_vectored(&mut parts, deadline(words))
    };
    outcome(received.map(|received| match received {
        Received::Pulse(pulse) => told(pulse),
        Received::Message(message) => {
            let mut bytes = buffers.concat();
            bytes.truncate(message.info().len);
            things
                .messages
                .put(words.named("as").unwrap_or("m"), message);
            format!("message {}", show(&bytes))
        }
    }))
}

fn told(pulse: Pulse) -> String {
    let from = pulse
        .scoid
        .map_or_else(|| "self".into(), |scoid| scoid.to_string());
    format!(
        "pulse {} {} from={from} priority={}",
        pulse.code, pulse.value, pulse.priority
    )
}

fn on_channel(things: &Things, words: &Words<'_>) -> String {
    let channel = things.channels.get(words.get(1));
    let scoid = || Scoid::from_raw(words.number(2));
    let done = match words.get(0) {
        "detach-client" => channel.detach_client(scoid()).map(|()| "ok".into()),
        "client-info" => channel.client_info(scoid()).map(|info| identity(&info)),
        _ => {
            let priority = words.named_number("priority").unwrap_or(10);
            let (code, value) = (words.number(2), words.number(3));
            let sent = channel.pulse_with(priority, code, value, how(words));
            sent.map(|()| "ok".into())
        }
    };
    outcome(done)
}

pub(crate) fn identity(info: &ClientInfo) -> String {
    let Credentials { pid, uid, gid } = info.credentials;
    let groups: Vec<String> = info.groups.iter().map(u32::to_string).collect();
    format!(
        "pid={pid} uid={uid} gid={gid} sid={} ruid={} rgid={} groups={} flags={}",
        info.sid,
        info.user_ids.real,
        info.group_ids.real,
        groups.join(","),
        info.flags.bits()
    )
}

fn answer(things: &Things, words: &Words<'_>) -> String {
    let message = things.messages.take(words.get(1));
    let done = match words.get(0) {
        "reply" => message.reply(words.number(2), &words.data(3)),
        "error-as-asked" => message.error_as_asked(),
        "error" => {
            let number = words.number(2);
            message.error(Errno::from_raw(number).unwrap())
        }
        _ => {
            drop(message);
            Ok(())
        }
    };
    outcome(done.map(|()| "ok".into()))
}

fn look(things: &Things, words: &Words<'_>) -> String {
    let mut messages = things.messages.lock();
    let message = messages.get_mut(words.get(1)).unwrap();
    let done = match words.get(0) {
        "read" => {
            let mut buffers = rooms(words.get(3), 0);
            let read = message.read_vectored(&mut parts_of(&mut buffers), words.number(2));
            read.map(|len| format!("{len} {}", show(&buffers.concat()[..len])))
        }
        "write" => {
            let parts = words.parts(3);
            let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let written = message.write_vectored(&parts, words.number(2));
            written.map(|len| len.to_string())
        }
        "info" => {
            let info = message.info();
            Ok(format!(
                "pid={} tid={} chid={} scoid={} coid={} priority={} len={} source={} room={} uid={} flags={}",
                info.pid,
                info.tid,
                info.chid,
                info.scoid,
                info.coid,
                info.priority,
                info.len,
                info.source_len,
                info.reply_len,
                info.credentials.uid,
                info.flags.bits()
            ))
        }
        "asked" => Ok(message.unblock_requested().to_string()),
        "waiting" => Ok(message.is_waiting().to_string()),
        _ => Ok(message.rcvid().to_string()),
    };
    outcome(done)
}

fn named(things: &Things, words: &Words<'_>) -> String {
    let (name, thing) = (words.get(1), words.named("as").unwrap_or("n"));
    let flags = NameFlags::from_bits_retain(words.named_number("flags").unwrap_or(0));
    let attached = match words.get(0) {
        "name-detach" => {
            resmgr::name_detach(things.names.take(name));
            return "ok".into();
        }
        "name-open" => {
            let opened = resmgr::name_open(name);
            return outcome(opened.map(|connection| keep(things, thing, connection)));
        }
        "name-attach-on" => {
            resmgr::name::name_attach_on(&things.channels.get(words.get(2)), name, flags)
        }
        _ => resmgr::name_attach(name, flags),
    };
    outcome(attached.map_err(|error| error.errno()).map(|attach| {
        let channel = attach.channel().clone();
        let id = channel.id();
        things.channels.put(thing, channel);
        things.names.put(thing, attach);
        format!("channel {id}")
    }))
}
