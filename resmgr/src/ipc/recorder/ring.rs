//! [`Ring`]: what has been recorded and not been fetched.

use resmgr_sys::Result;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IoSlice;

/// Messages that wait to be fetched: some 12 MiB.
const MOST: usize = 1 << 16;
/// Messages under way that are followed.
const MOST_UNDER_WAY: usize = 1 << 17;
/// Different paths that are told.
const MOST_PATHS: usize = 1 << 12;
/// Clients whose names are told.
const MOST_CLIENTS: usize = 1 << 12;
/// Bytes from the start of a message that are kept.
pub(in crate::ipc) const HEAD: usize = 72;

/// The first bytes of a message, from which it is shown decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) struct Head {
    pub(in crate::ipc) len: u8,
    pub(in crate::ipc) bytes: [u8; HEAD],
}

impl Default for Head {
    fn default() -> Self {
        Self {
            len: 0,
            bytes: [0; HEAD],
        }
    }
}

impl Head {
    /// Of a message that begins so.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self::of(&[IoSlice::new(bytes)])
    }

    /// Of a message in several parts.
    pub(in crate::ipc) fn of(parts: &[IoSlice<'_>]) -> Self {
        let mut head = Self::default();
        let bytes = parts.iter().flat_map(|part| part.iter());
        for (place, byte) in head.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            head.len += 1;
        }
        head
    }
}

/// A message that this process has served. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ipc) struct Served {
    pub(in crate::ipc) rcvid: i64,
    pub(in crate::ipc) pid: u32,
    pub(in crate::ipc) tid: u32,
    pub(in crate::ipc) chid: u32,
    pub(in crate::ipc) scoid: u32,
    pub(in crate::ipc) coid: i32,
    pub(in crate::ipc) priority: u8,
    pub(in crate::ipc) len: u64,
    /// Bytes of the reply.
    pub(in crate::ipc) reply: u64,
    /// The thread that received it.
    pub(in crate::ipc) thread: u32,
    pub(in crate::ipc) received: u64,
    /// When its handler left it for later; 0: not.
    pub(in crate::ipc) left: u64,
    /// 0: not yet.
    pub(in crate::ipc) answered: u64,
    pub(in crate::ipc) status: i64,
    /// 0: none.
    pub(in crate::ipc) errno: u32,
    /// Number of its path; 0: not known.
    pub(in crate::ipc) path: u32,
    /// Answered by another thread, or after its thread had received something else.
    pub(in crate::ipc) deferred: bool,
    pub(in crate::ipc) head: Head,
}

/// A send of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ipc) struct Sent {
    pub(in crate::ipc) tid: u32,
    pub(in crate::ipc) server: u32,
    pub(in crate::ipc) chid: u32,
    pub(in crate::ipc) scoid: u32,
    pub(in crate::ipc) coid: i32,
    pub(in crate::ipc) priority: u8,
    pub(in crate::ipc) len: u64,
    pub(in crate::ipc) begun: u64,
    pub(in crate::ipc) ended: u64,
    pub(in crate::ipc) status: i64,
    pub(in crate::ipc) errno: u32,
    pub(in crate::ipc) head: Head,
}

/// Something that has been recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) enum Entry {
    Served(Served),
    Sent(Sent),
}

/// A message that is not answered.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Served);

/// A number that has a name: of a path, or of a process.
pub(in crate::ipc) type Named = (u32, Box<[u8]>);

/// What is fetched at a time.
#[derive(Debug, Default)]
pub(in crate::ipc) struct Batch {
    /// Paths that entries name by their numbers, from now on.
    pub(in crate::ipc) paths: Vec<Named>,
    /// What client processes are called.
    pub(in crate::ipc) names: Vec<Named>,
    pub(in crate::ipc) entries: Vec<Entry>,
    /// How many were not recorded since the last time, and since when.
    pub(in crate::ipc) lost: Option<(u64, u64)>,
    pub(in crate::ipc) more: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ring {
    pub(super) session: u64,
    entries: VecDeque<Entry>,
    under_way: HashMap<i64, UnderWay>,
    paths: HashMap<Box<[u8]>, u32>,
    new_paths: VecDeque<Named>,
    clients: HashSet<u32>,
    new_names: VecDeque<Named>,
    lost: u64,
    lost_since: u64,
}

/// A status and an error number, one of which says nothing.
pub(super) fn split(outcome: Result<i64>) -> (i64, u32) {
    match outcome {
        Ok(status) => (status, 0),
        Err(errno) => (-1, errno.raw().cast_unsigned()),
    }
}

impl Ring {
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, call: UnderWay) {
        if self.under_way.len() >= MOST_UNDER_WAY {
            return self.lose(call.0.received);
        }
        self.under_way.insert(call.0.rcvid, call);
    }

    /// Whether this client's name is to be found out: it may have gone when its messages are looked at.
    pub(super) fn is_new(&mut self, pid: u32) -> bool {
        self.clients.len() < MOST_CLIENTS && self.clients.insert(pid)
    }

    pub(super) fn name(&mut self, pid: u32, name: &[u8]) {
        self.new_names.push_back((pid, name.into()));
    }

    /// The time is that of the first that was lost since the last batch.
    fn lose(&mut self, now: u64) {
        if self.lost == 0 {
            self.lost_since = now;
        }
        self.lost += 1;
    }

    pub(super) fn add(&mut self, entry: Entry) {
        if self.entries.len() < MOST {
            return self.entries.push_back(entry);
        }
        self.lose(match entry {
            Entry::Served(call) => call.received,
            Entry::Sent(send) => send.begun,
        });
    }

    pub(super) fn note_path(&mut self, rcvid: i64, path: &[u8]) {
        let Some(UnderWay(call)) = self.under_way.get_mut(&rcvid) else {
            return;
        };
        if let Some(number) = self.paths.get(path) {
            call.path = *number;
        } else if self.paths.len() < MOST_PATHS {
            let number = u32::try_from(self.paths.len() + 1).unwrap_or(0);
            call.path = number;
            self.paths.insert(path.into(), number);
            self.new_paths.push_back((number, path.into()));
        }
    }

    pub(super) fn note_deferred(&mut self, rcvid: i64, now: u64) {
        if let Some(UnderWay(call)) = self.under_way.get_mut(&rcvid) {
            call.left = now;
            call.deferred = true;
        }
    }

    pub(super) fn end(
        &mut self,
        rcvid: i64,
        (now, outcome): (u64, Result<i64>),
        (reply, elsewhere): (u64, bool),
    ) {
        let Some(UnderWay(mut call)) = self.under_way.remove(&rcvid) else {
            return;
        };
        (call.answered, call.reply) = (now, reply);
        (call.status, call.errno) = split(outcome);
        call.deferred |= elsewhere;
        self.add(Entry::Served(call));
    }

    /// Gives up on those that are not answered: they are told as they are.
    pub(super) fn end_all(&mut self) {
        let mut calls: Vec<_> = self
            .under_way
            .drain()
            .map(|(_, UnderWay(call))| call)
            .collect();
        calls.sort_unstable_by_key(|call| call.received);
        for call in calls {
            self.add(Entry::Served(call));
        }
    }

    /// At most so many entries; names come first, and count as their pieces of [`HEAD`] bytes.
    pub(super) fn take(&mut self, most: usize) -> Batch {
        let mut room = most;
        let mut batch = Batch {
            paths: some(&mut self.new_paths, &mut room),
            names: some(&mut self.new_names, &mut room),
            ..Batch::default()
        };
        if self.new_paths.is_empty() && self.new_names.is_empty() {
            let count = self.entries.len().min(room);
            batch.entries = self.entries.drain(..count).collect();
            batch.lost = (self.lost > 0).then_some((self.lost, self.lost_since));
            self.lost = 0;
            batch.more = !self.entries.is_empty();
        } else {
            batch.more = true;
        }
        batch
    }
}

fn some(names: &mut VecDeque<Named>, room: &mut usize) -> Vec<Named> {
    let mut taken = Vec::new();
    while *room > 0
        && let Some(next) = names.pop_front()
    {
        *room = room.saturating_sub(next.1.len().div_ceil(HEAD).max(1));
        taken.push(next);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::{Entry, MOST, Ring, Served, UnderWay};
    use resmgr_sys::Errno;

    fn call(rcvid: i64) -> UnderWay {
        UnderWay(Served {
            rcvid,
            received: rcvid.cast_unsigned(),
            ..Served::default()
        })
    }

    fn served(entry: &Entry) -> &Served {
        match entry {
            Entry::Served(call) => call,
            Entry::Sent(_) => panic!("a send"),
        }
    }

    #[test]
    fn what_has_no_room_is_counted_with_the_time_of_the_first() {
        let mut ring = Ring::new(1);
        let more = i64::try_from(MOST).unwrap() + 3;
        for number in 1..=more {
            ring.begin(call(number));
            ring.end(number, (9, Ok(0)), (0, false));
        }
        let batch = ring.take(MOST + 10);
        assert_eq!(batch.entries.len(), MOST);
        assert_eq!(batch.lost, Some((3, MOST as u64 + 1)));
        assert!(!batch.more);
        assert_eq!(ring.take(1).lost, None);
    }

    #[test]
    fn a_path_is_told_once_and_named_by_its_number() {
        let mut ring = Ring::new(1);
        for number in 1..=2 {
            ring.begin(call(number));
            ring.note_path(number, b"/dev/x");
            ring.end(number, (9, Err(Errno::NOENT)), (0, number == 2));
        }
        let batch = ring.take(1);
        assert_eq!(batch.paths, [(1, b"/dev/x".as_slice().into())]);
        assert!(batch.more && batch.entries.is_empty());
        let batch = ring.take(1);
        assert!(batch.more);
        let first = served(&batch.entries[0]);
        assert_eq!((first.path, first.errno, first.deferred), (1, 2, false));
        let batch = ring.take(9);
        assert!(batch.paths.is_empty() && !batch.more);
        assert!(served(&batch.entries[0]).deferred);
    }

    #[test]
    fn names_are_told_before_those_who_bear_them() {
        let mut ring = Ring::new(1);
        for number in 1..=10_u8 {
            ring.begin(call(number.into()));
            assert!(ring.is_new(number.into()));
            ring.name(number.into(), &[number]);
            ring.note_path(number.into(), &[number; 2 * super::HEAD]);
            ring.end(number.into(), (9, Ok(0)), (0, false));
        }
        let mut told = (0, 0, 0);
        for _ in 0..100 {
            let batch = ring.take(4);
            told.0 += batch.paths.len();
            told.1 += batch.names.len();
            told.2 += batch.entries.len();
            assert!(batch.entries.is_empty() || (told.0, told.1) == (10, 10));
            assert!(batch.paths.len() <= 2);
            if !batch.more {
                break;
            }
        }
        assert_eq!(told, (10, 10, 10));
    }

    #[test]
    fn what_is_under_way_at_the_end_is_told_as_it_is() {
        let mut ring = Ring::new(1);
        ring.begin(call(2));
        ring.begin(call(1));
        ring.note_deferred(2, 7);
        assert!(ring.take(9).entries.is_empty());
        ring.end_all();
        let batch = ring.take(9);
        let told: Vec<_> = batch.entries.iter().map(served).collect();
        assert_eq!((told[0].rcvid, told[0].answered, told[0].left), (1, 0, 0));
        assert_eq!(
            (told[1].rcvid, told[1].deferred, told[1].left),
            (2, true, 7)
        );
    }
}
