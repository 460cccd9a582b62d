//! The asker: what a process says of itself is checked here, and nowhere else.

use super::wire::{self, Place, Record, UNKNOWN, kind};
use super::{BlockedOn, Call, ChannelState, Client, Counters, Process};
use crate::ipc::{ChannelFlags, ChannelId, Rcvid, Scoid, rendezvous};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Records that one process may tell: a hundred times as many as a busy one has.
const MOST_RECORDS: usize = 1 << 20;

/// Asks again from where the last answer ended, until there is no more.
pub(super) fn ask(pid: u32, deadline: Instant) -> Result<Process> {
    let mut reading = Reading::default();
    let mut uid = None;
    loop {
        let patience = deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        let socket = rendezvous::reach(pid, patience)?;
        let peer = socket::peer_credentials(socket.as_fd())?;
        // Whoever listens must be the process that was asked for, each time.
        if peer.pid != pid || uid.is_some_and(|uid| uid != peer.uid) {
            return Err(Errno::SRCH);
        }
        uid = Some(peer.uid);
        let request = wire::request(reading.after);
        socket::send(socket.as_fd(), &request, &[]).map_err(rendezvous::lost)?;
        if !read(&mut reading, &socket, deadline)? {
            let (uid, channels) = (peer.uid, reading.channels);
            return Ok(Process { pid, uid, channels });
        }
    }
}

/// One answer; whether there is more.
fn read(reading: &mut Reading, socket: &PrivateFd, deadline: Instant) -> Result<bool> {
    let mut bytes = [0; wire::PACKET];
    loop {
        let got = socket::receive_until(socket.as_fd(), &mut bytes, Some(deadline));
        let packet = got.map_err(rendezvous::lost)?;
        if packet.truncated || !packet.fds.is_empty() {
            return Err(Errno::PROTO);
        }
        for record in wire::records(&bytes[..packet.len])? {
            if let Some(more) = reading.take(&record)? {
                return Ok(more);
            }
        }
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    after: Place,
    channels: Vec<ChannelState>,
    records: usize,
}

impl Reading {
    /// Takes a record in; with the last one of an answer, whether there is more.
    ///
    /// # Errors
    /// - what the process answered;
    /// - `EPROTO`: a record that cannot be, or too many.
    pub(super) fn take(&mut self, record: &Record) -> Result<Option<bool>> {
        self.records += 1;
        if self.records > MOST_RECORDS {
            return Err(Errno::PROTO);
        }
        let [what, ..] = *record;
        match what {
            kind::CHANNEL => self.channel(record)?,
            kind::RECEIVERS => self.receivers(record)?,
            kind::CLIENT => self.client(record)?,
            kind::CALL => self.call(record)?,
            kind::END => return self.end(record).map(Some),
            _ => return Err(Errno::PROTO),
        }
        Ok(None)
    }

    /// Channels come in the order of their numbers; one that has many clients comes again, with the next ones.
    fn channel(&mut self, record: &Record) -> Result<()> {
        let [
            _,
            chid,
            flags,
            waiting,
            busy,
            messages,
            pulses,
            queued,
            timed,
            sum,
            longest,
        ] = *record;
        let chid = ChannelId(number(chid)?);
        let state = ChannelState {
            chid,
            flags: ChannelFlags::from_bits_truncate(number(flags)?),
            waiting: number(waiting)?,
            busy: number(busy)?,
            receivers: Vec::new(),
            pulses_queued: number(queued)?,
            counters: Counters {
                messages,
                pulses,
                timed,
                service: Duration::from_nanos(sum),
                longest: Duration::from_nanos(longest),
            },
            clients: Vec::new(),
        };
        match self.channels.last_mut() {
            Some(last) if last.chid == chid => {
                let clients = std::mem::take(&mut last.clients);
                *last = ChannelState { clients, ..state };
            }
            Some(last) if last.chid > chid => return Err(Errno::PROTO),
            _ if chid.0 == 0 => return Err(Errno::PROTO),
            _ => self.channels.push(state),
        }
        Ok(())
    }

    fn receivers(&mut self, record: &Record) -> Result<()> {
        let channel = self.channels.last_mut().ok_or(Errno::PROTO)?;
        for tid in record[1..].iter().filter(|tid| **tid != 0) {
            channel.receivers.push(number(*tid)?);
        }
        Ok(())
    }

    fn client(&mut self, record: &Record) -> Result<()> {
        let [_, scoid, pid, uid, opens, left_out, ..] = *record;
        let channel = self.channels.last_mut().ok_or(Errno::PROTO)?;
        let scoid = Scoid(number(scoid)?);
        if channel
            .clients
            .last()
            .is_some_and(|last| last.scoid >= scoid)
        {
            return Err(Errno::PROTO);
        }
        channel.clients.push(Client {
            scoid,
            pid: number(pid)?,
            uid: number(uid)?,
            opens: known(opens).map(number).transpose()?,
            calls: Vec::new(),
            left_out: number(left_out)?,
        });
        Ok(())
    }

    fn call(&mut self, record: &Record) -> Result<()> {
        let [_, name, tid, taken, since, first, len, ..] = *record;
        let channel = self.channels.last_mut().ok_or(Errno::PROTO)?;
        let client = channel.clients.last_mut().ok_or(Errno::PROTO)?;
        client.calls.push(Call {
            rcvid: Rcvid(name.cast_signed()),
            tid: number(tid)?,
            state: match taken {
                0 => BlockedOn::Send,
                1 => BlockedOn::Reply,
                _ => return Err(Errno::PROTO),
            },
            since: known(since).map(Duration::from_nanos),
            message_type: known(first).map(number).transpose()?,
            len,
        });
        Ok(())
    }

    /// A place that does not lie behind the last one would have this process ask for ever.
    fn end(&mut self, record: &Record) -> Result<bool> {
        let [_, errno, more, chid, scoid, ..] = *record;
        if let Some(errno) = Errno::from_raw(number(errno)?) {
            return Err(errno);
        }
        let place = Place {
            chid: number(chid)?,
            scoid: number(scoid)?,
        };
        match more {
            0 => Ok(false),
            1 if place > self.after => {
                self.after = place;
                Ok(true)
            }
            _ => Err(Errno::PROTO),
        }
    }
}

/// What is made of one packet; how many records were taken.
pub(in crate::ipc) fn taken(packet: &[u8]) -> Result<usize> {
    let mut reading = Reading::default();
    for record in wire::records(packet)? {
        if reading.take(&record)?.is_some() {
            break;
        }
    }
    Ok(reading.records)
}

pub(super) fn known(field: u64) -> Option<u64> {
    (field != UNKNOWN).then_some(field)
}

pub(super) fn number<T: TryFrom<u64>>(field: u64) -> Result<T> {
    T::try_from(field).map_err(|_| Errno::PROTO)
}

#[cfg(test)]
mod tests {
    use super::{Reading, Record, kind};
    use resmgr_sys::Errno;

    fn record(fields: &[u64]) -> Record {
        let mut record = Record::default();
        record[..fields.len()].copy_from_slice(fields);
        record
    }

    const CHANNEL: &[u64] = &[kind::CHANNEL, 1];
    const CLIENT: &[u64] = &[kind::CLIENT, 65_537, 4711, 0];

    #[test]
    fn records_that_cannot_be_are_refused() {
        let refused = Err(Errno::PROTO);
        let cases: &[&[&[u64]]] = &[
            &[&[9]],
            &[&[0]],
            &[&[kind::CHANNEL, 0]],
            &[&[kind::CHANNEL, 1 << 32]],
            &[&[kind::CHANNEL, 2], CHANNEL],
            &[CLIENT],
            &[CHANNEL, CLIENT, CLIENT],
            &[CHANNEL, &[kind::CLIENT, 65_537, u64::MAX]],
            &[CHANNEL, &[kind::CALL]],
            &[CHANNEL, CLIENT, &[kind::CALL, 1, 1, 2]],
            &[CHANNEL, CLIENT, &[kind::CALL, 1, 1, 1, 0, 1 << 16]],
            &[&[kind::END, u64::MAX]],
            &[&[kind::END, 0, 1, 0, 0]],
            &[&[kind::END, 0, 2, 1, 0]],
        ];
        for case in cases {
            let mut reading = Reading::default();
            let all: Vec<_> = case.iter().map(|one| reading.take(&record(one))).collect();
            assert_eq!(all.last(), Some(&refused), "{case:?}");
            assert!(all.iter().rev().skip(1).all(Result::is_ok), "{case:?}");
        }
        assert_eq!(
            Reading::default().take(&record(&[kind::END, 1])),
            Err(Errno::PERM)
        );
    }

    #[test]
    fn a_channel_with_many_clients_comes_again() {
        let mut reading = Reading::default();
        let other: &[u64] = &[kind::CLIENT, 65_538, 4712, 0];
        let more: &[u64] = &[kind::END, 0, 1, 1, 65_537];
        for (fields, outcome) in [
            (CHANNEL, None),
            (CLIENT, None),
            (more, Some(true)),
            (CHANNEL, None),
            (other, None),
            (&[kind::END], Some(false)),
        ] {
            assert_eq!(reading.take(&record(fields)), Ok(outcome));
        }
        assert_eq!(reading.channels.len(), 1);
        assert_eq!(reading.channels[0].clients.len(), 2);
        // The same place again would have no end.
        assert_eq!(reading.take(&record(more)), Err(Errno::PROTO));
    }
}
