//! A process that is asked: on its background thread, which never waits for the asker.

use super::wire::{self, Place, Record, UNKNOWN, WORDS, kind};
use crate::ipc::channel::{ChannelSeen, ClientSeen};
use crate::ipc::link::Seen;
use crate::ipc::{ConnectRights, Credentials, Rcvid, janitor, process};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;

/// Clients that are looked at together, and calls of each that are told.
const MOST_CLIENTS: usize = 16;
const MOST_CALLS: usize = 64;
/// Receivers of a channel that are told.
const MOST_RECEIVERS: usize = 256;
/// Records of an answer, after which nothing new is begun: with those of the last look, some 100 KiB, which is half
/// of what a socket holds.
const ENOUGH: usize = 256;

/// Whether a stranger's first packet is an inspector's; and what it asks for.
pub(in crate::ipc) fn asks(packet: &[u8]) -> Option<Result<Asked>> {
    wire::decode_request(packet).map(|asked| asked.map(Asked))
}

/// What an inspector asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::ipc) struct Asked(Place);

/// Answers an inspector, as far as its queue has room: what it does not read is its own loss.
pub(in crate::ipc) fn answer(socket: PrivateFd, asked: Result<Asked>) -> Result<()> {
    let answered = asked.and_then(|asked| permitted(&socket).map(|()| asked));
    let records = match answered {
        Ok(Asked(after)) => look(after),
        Err(errno) => vec![end(Some(errno), None)],
    };
    let sent = send(&socket, &records);
    janitor::close_socket(socket);
    sent
}

pub(super) fn send(socket: &PrivateFd, records: &[Record]) -> Result<()> {
    wire::packets(records).try_for_each(|packet| socket::send(socket.as_fd(), &packet, &[]))
}

/// A process's state is its own user's matter, and root's.
pub(super) fn permitted(socket: &PrivateFd) -> Result<()> {
    let kernel = socket::peer_credentials(socket.as_fd())?;
    let peer = Credentials {
        pid: kernel.pid,
        uid: kernel.uid,
        gid: kernel.gid,
    };
    if ConnectRights::Owner.permit(&peer, Vec::new) {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

/// All that is behind `after`, or as much as fits into one answer.
fn look(after: Place) -> Vec<Record> {
    let mut records = Vec::new();
    for channel in process::current().channels() {
        if channel.chid < after.channel() {
            continue;
        }
        let mut last = (channel.chid == after.channel())
            .then(|| after.client())
            .flatten();
        loop {
            if records.len() >= ENOUGH {
                let (chid, scoid) = (channel.chid.0, last.map_or(0, |scoid| scoid.0));
                records.push(end(None, Some(Place { chid, scoid })));
                return records;
            }
            let (seen, complete) = channel.look_at_clients(last, MOST_CLIENTS, MOST_CALLS);
            add(&mut records, &seen);
            last = seen.clients.last().map(|client| client.scoid).or(last);
            if complete {
                break;
            }
        }
    }
    records.push(end(None, None));
    records
}

fn add(records: &mut Vec<Record>, seen: &ChannelSeen) {
    records.push(record([
        kind::CHANNEL,
        seen.chid.0.into(),
        seen.flags.bits().into(),
        seen.waiting as u64,
        seen.busy as u64,
        seen.messages,
        seen.pulses,
        seen.pulses_queued as u64,
        seen.measured.count,
        seen.measured.sum,
        seen.measured.longest,
    ]));
    let receivers = &seen.receivers[..seen.receivers.len().min(MOST_RECEIVERS)];
    for some in receivers.chunks(WORDS - 1) {
        let mut told = record([kind::RECEIVERS]);
        for (place, tid) in told[1..].iter_mut().zip(some) {
            *place = (*tid).into();
        }
        records.push(told);
    }
    for client in &seen.clients {
        records.push(client_record(client));
        for (name, taken, call) in &client.calls {
            records.push(call_record(*name, *taken, call));
        }
    }
}

fn client_record(client: &ClientSeen) -> Record {
    record([
        kind::CLIENT,
        client.scoid.0.into(),
        client.peer.pid.into(),
        client.peer.uid.into(),
        client.opens.map_or(UNKNOWN, |opens| opens as u64),
        client.left_out as u64,
    ])
}

fn call_record(name: Rcvid, taken: bool, call: &Seen) -> Record {
    let since = call.since.map(|since| u64::try_from(since.as_nanos()));
    record([
        kind::CALL,
        name.raw().cast_unsigned(),
        call.fields.tid.into(),
        taken.into(),
        since.map_or(UNKNOWN, |since| since.unwrap_or(UNKNOWN - 1)),
        call.kind.map_or(UNKNOWN, u64::from),
        call.fields.len,
    ])
}

pub(super) fn end(errno: Option<Errno>, more: Option<Place>) -> Record {
    let errno = errno.map_or(0, |errno| errno.raw().cast_unsigned());
    let place = more.unwrap_or_default();
    record([
        kind::END,
        errno.into(),
        more.is_some().into(),
        place.chid.into(),
        place.scoid.into(),
    ])
}

pub(super) fn record<const FIELDS: usize>(fields: [u64; FIELDS]) -> Record {
    const { assert!(FIELDS <= WORDS) };
    let mut record = [0; WORDS];
    record[..FIELDS].copy_from_slice(&fields);
    record
}
