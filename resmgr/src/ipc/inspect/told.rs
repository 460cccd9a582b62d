//! What was recorded, as records, and back.
//!
//! | record | its words, behind the kind |
//! |---|---|
//! | a path | number and length, 72 of its bytes; a longer one has more such records |
//! | a name | process and length, its bytes |
//! | a message | see [`of_entry`]; a head follows it |
//! | a head | lengths of message and reply, the message's first bytes |
//! | lost | how many, and since when |

use super::ask::number;
use super::wire::{self, Record, WORDS, kind};
use super::{Lost, Recorded, TracedMessage, TracedSend};
use crate::ipc::recorder::{Batch, Entry, HEAD};
use crate::ipc::{ChannelId, Coid, Rcvid, Scoid};
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Words of a record that hold bytes, behind the kind and one more.
const TEXT: usize = (WORDS - 2) * 8;
const _: () = assert!(TEXT == HEAD);
/// Bytes of the longest path, and different ones of a process.
const LONGEST_PATH: usize = 4096;
const MOST_PATHS: usize = 1 << 12;

/// A message's flags.
const DEFERRED: u32 = 1 << 8;

pub(super) fn of_batch(batch: &Batch) -> Vec<Record> {
    let mut records = Vec::with_capacity(2 * batch.entries.len() + batch.paths.len() + 2);
    for (number, path) in &batch.paths {
        let path = path.get(..LONGEST_PATH).unwrap_or(path);
        let len = u32::try_from(path.len()).unwrap_or(0);
        for bytes in path.chunks(TEXT) {
            records.push(text(kind::PATH, join(*number, len), bytes));
        }
    }
    for (pid, name) in &batch.names {
        let name = name.get(..TEXT).unwrap_or(name);
        let len = u32::try_from(name.len()).unwrap_or(0);
        records.push(text(kind::NAME, join(*pid, len), name));
    }
    for entry in &batch.entries {
        records.extend(of_entry(entry));
    }
    if let Some((count, since)) = batch.lost {
        let mut record = [0; WORDS];
        record[..3].copy_from_slice(&[kind::LOST, count, since]);
        records.push(record);
    }
    records
}

fn of_entry(entry: &Entry) -> [Record; 2] {
    let (record, len, reply, head) = match entry {
        Entry::Served(call) => {
            let flags = u32::from(call.priority) | if call.deferred { DEFERRED } else { 0 };
            let record = [
                kind::SERVED,
                join(call.pid, call.tid),
                join(call.chid, call.scoid),
                join(call.coid.cast_unsigned(), flags),
                call.rcvid.cast_unsigned(),
                join(call.thread, call.path),
                call.received,
                call.left,
                call.answered,
                call.status.cast_unsigned(),
                join(call.errno, call.head.len.into()),
            ];
            (record, call.len, call.reply, &call.head)
        }
        Entry::Sent(send) => {
            let record = [
                kind::SENT,
                join(send.server, send.tid),
                join(send.chid, send.scoid),
                join(send.coid.cast_unsigned(), send.priority.into()),
                0,
                0,
                send.begun,
                0,
                send.ended,
                send.status.cast_unsigned(),
                join(send.errno, send.head.len.into()),
            ];
            (record, send.len, 0, &send.head)
        }
    };
    let lengths = join(short(len), short(reply));
    [record, text(kind::HEAD, lengths, &head.bytes)]
}

fn text(kind: u64, word: u64, bytes: &[u8]) -> Record {
    let mut record = [0; WORDS];
    (record[0], record[1]) = (kind, word);
    for (place, bytes) in record[2..].iter_mut().zip(bytes.chunks(8)) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        *place = u64::from_ne_bytes(word);
    }
    record
}

fn bytes_of(record: &Record) -> [u8; TEXT] {
    let mut bytes = [0; TEXT];
    for (place, word) in bytes.chunks_exact_mut(8).zip(&record[2..]) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[expect(clippy::cast_possible_truncation)] // the halves are what is wanted
fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

fn short(len: u64) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Makes sense of a process's records.
#[derive(Debug, Default)]
pub(super) struct Listener {
    paths: HashMap<u32, Arc<[u8]>>,
    /// A path that is not complete: number, length, bytes so far.
    path: Option<(u32, usize, Vec<u8>)>,
    /// A message whose head is to come.
    message: Option<Record>,
    recorded: Recorded,
}

impl Listener {
    pub(super) fn recorded(&mut self) -> Recorded {
        std::mem::take(&mut self.recorded)
    }

    /// Takes a record in; with the last one of an answer, whether there is more.
    ///
    /// # Errors
    /// - what the process answered;
    /// - `EPROTO`: a record that cannot be.
    pub(super) fn take(&mut self, record: &Record) -> Result<Option<bool>> {
        let [what, one, two, ..] = *record;
        let begun = self.message.is_some() || self.path.is_some();
        match what {
            kind::PATH if self.message.is_none() => self.path(record)?,
            kind::HEAD => self.head(record)?,
            kind::SERVED | kind::SENT if !begun => self.message = Some(*record),
            kind::NAME if !begun => {
                let (pid, len) = split(one);
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let bytes = bytes_of(record);
                let name = bytes.get(..len).ok_or(Errno::PROTO)?;
                self.recorded.names.push((pid, name.to_vec()));
            }
            kind::LOST if !begun => {
                let (count, since) = (one, two);
                self.recorded.lost = Some(Lost { count, since });
            }
            kind::END if !begun => {
                if let Some(errno) = Errno::from_raw(number(one)?) {
                    return Err(errno);
                }
                return Ok(Some(two != 0));
            }
            _ => return Err(Errno::PROTO),
        }
        Ok(None)
    }

    fn path(&mut self, record: &Record) -> Result<()> {
        let (number, len) = split(record[1]);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let begun = self.path.take().unwrap_or((number, len, Vec::new()));
        let (first, whole, mut bytes) = begun;
        if (first, whole) != (number, len) || len > LONGEST_PATH || self.paths.len() >= MOST_PATHS {
            return Err(Errno::PROTO);
        }
        let more = bytes_of(record);
        let count = TEXT.min(len - bytes.len());
        bytes.extend_from_slice(more.get(..count).unwrap_or(&more));
        if bytes.len() < len {
            self.path = Some((number, len, bytes));
        } else {
            self.paths.insert(number, bytes.into());
        }
        Ok(())
    }

    fn head(&mut self, record: &Record) -> Result<()> {
        let message = self.message.take().ok_or(Errno::PROTO)?;
        let (len, reply) = split(record[1]);
        let (errno, kept) = split(message[10]);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let head = bytes_of(record).get(..kept).ok_or(Errno::PROTO)?.to_vec();
        let answer = answer(&message, errno)?;
        let [
            _,
            who,
            place,
            through,
            rcvid,
            thread,
            begun,
            left,
            ended,
            ..,
        ] = message;
        let (pid, tid) = split(who);
        let (chid, scoid) = split(place);
        let (coid, flags) = split(through);
        let (chid, scoid) = (ChannelId(chid), Scoid(scoid));
        let coid = Coid(coid.cast_signed());
        let priority = flags.to_le_bytes()[0];
        if message[0] == kind::SENT {
            self.recorded.sends.push(TracedSend {
                tid,
                server: pid,
                chid,
                scoid,
                coid,
                priority,
                len: len.into(),
                head,
                begun,
                ended,
                outcome: answer.unwrap_or(Err(Errno::PROTO)),
            });
            return Ok(());
        }
        let (thread, path) = split(thread);
        self.recorded.messages.push(TracedMessage {
            rcvid: Rcvid(rcvid.cast_signed()),
            pid,
            tid,
            chid,
            scoid,
            coid,
            priority,
            len: len.into(),
            head,
            thread,
            path: self.paths.get(&path).cloned(),
            received: begun,
            left: (left != 0).then_some(left),
            answered: answer.map(|_| ended),
            outcome: answer,
            reply: reply.into(),
            deferred: flags & DEFERRED != 0,
        });
        Ok(())
    }
}

/// What is made of one packet; how many messages and sends it told of.
pub(in crate::ipc) fn taken(packet: &[u8]) -> Result<usize> {
    let mut listener = Listener::default();
    for record in wire::records(packet)? {
        if listener.take(&record)?.is_some() {
            break;
        }
    }
    let recorded = listener.recorded();
    Ok(recorded.messages.len() + recorded.sends.len())
}

/// What came of a message: `None` while nothing has. Nothing ends before it has begun.
fn answer(message: &Record, errno: u32) -> Result<Option<Result<i64>>> {
    let [.., begun, _, ended, status, _] = *message;
    if ended == 0 {
        return Ok(None);
    }
    if ended < begun {
        return Err(Errno::PROTO);
    }
    let errno = Errno::from_raw(errno.cast_signed());
    Ok(Some(errno.map_or(Ok(status.cast_signed()), Err)))
}

#[cfg(test)]
mod tests {
    use super::{Batch, Entry, Listener, kind, of_batch};
    use crate::ipc::inspect::wire::WORDS;
    use crate::ipc::inspect::{Lost, Recorded};
    use crate::ipc::recorder::{Head, Sent, Served};
    use resmgr_sys::Errno;
    use std::io::IoSlice;

    fn served() -> Served {
        Served {
            rcvid: 5,
            pid: 1,
            tid: 2,
            chid: 3,
            scoid: 4,
            coid: -6,
            priority: 10,
            len: 99,
            reply: 7,
            thread: 8,
            received: 100,
            left: 110,
            answered: 120,
            status: -1,
            errno: 2,
            path: 1,
            deferred: true,
            head: Head::of(&[IoSlice::new(b"\x01\x01abc")]),
        }
    }

    fn listen(batch: &Batch) -> Recorded {
        let mut listener = Listener::default();
        for record in of_batch(batch) {
            assert_eq!(listener.take(&record), Ok(None));
        }
        listener.recorded()
    }

    #[test]
    fn what_was_recorded_survives_the_way() {
        let path = vec![b'p'; 200];
        let sent = Sent {
            tid: 1,
            server: 2,
            begun: 5,
            ended: 6,
            status: 44,
            ..Sent::default()
        };
        let waiting = Served {
            answered: 0,
            path: 0,
            deferred: false,
            ..served()
        };
        let recorded = listen(&Batch {
            paths: vec![(1, path.clone().into())],
            entries: vec![
                Entry::Served(served()),
                Entry::Sent(sent),
                Entry::Served(waiting),
            ],
            names: vec![(1, b"cat".as_slice().into())],
            lost: Some((3, 50)),
            more: false,
        });
        let [first, second] = recorded.messages.as_slice() else {
            panic!("{recorded:?}");
        };
        assert_eq!(first.path.as_deref(), Some(path.as_slice()));
        assert_eq!((first.pid, first.tid, first.thread), (1, 2, 8));
        assert_eq!((first.coid.raw(), first.priority), (-6, 10));
        assert_eq!((first.len, first.reply), (99, 7));
        assert_eq!(first.head, b"\x01\x01abc");
        assert_eq!(first.outcome, Some(Err(Errno::NOENT)));
        assert_eq!((first.left, first.answered), (Some(110), Some(120)));
        assert!(first.deferred && !second.deferred);
        assert_eq!((second.answered, second.outcome), (None, None));
        assert_eq!(second.path, None);
        assert_eq!(recorded.names, [(1, b"cat".to_vec())]);
        assert_eq!(recorded.sends[0].outcome, Ok(44));
        let lost = Lost {
            count: 3,
            since: 50,
        };
        assert_eq!(recorded.lost, Some(lost));
    }

    #[test]
    fn records_that_cannot_be_are_refused() {
        let record = |fields: &[u64]| {
            let mut record = [0; WORDS];
            record[..fields.len()].copy_from_slice(fields);
            record
        };
        let mut late = record(&[kind::SERVED]);
        (late[6], late[8]) = (9, 8);
        let mut long = record(&[kind::SERVED]);
        long[10] = 73 << 32;
        let head = record(&[kind::HEAD]);
        let cases = [
            vec![record(&[0])],
            vec![record(&[kind::CHANNEL])],
            vec![head],
            vec![record(&[kind::SENT]), record(&[kind::END])],
            vec![record(&[kind::SENT]), record(&[kind::PATH])],
            vec![late, head],
            vec![long, head],
            vec![record(&[kind::NAME, 73 << 32])],
            vec![record(&[kind::PATH, 5000 << 32])],
            vec![
                record(&[kind::PATH, 1 | 100 << 32]),
                record(&[kind::PATH, 2 | 100 << 32]),
            ],
            vec![record(&[kind::PATH, 1 | 100 << 32]), record(&[kind::END])],
        ];
        for case in cases {
            let mut listener = Listener::default();
            let all: Vec<_> = case.iter().map(|one| listener.take(one)).collect();
            assert_eq!(all.last(), Some(&Err(Errno::PROTO)), "{case:?}");
        }
        let refused = Listener::default().take(&record(&[kind::END, 16]));
        assert_eq!(refused, Err(Errno::BUSY));
    }
}
