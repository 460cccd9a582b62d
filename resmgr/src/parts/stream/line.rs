//! [`Line`]: the bytes between the ends of a stream, and who is there.

use super::{Joined, STREAM_CAPACITY};
use crate::resource::{Waiters, lock};
use crate::wire::Conditions;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

/// Writes of up to so many bytes are taken whole.
const PIPE_BUF: usize = 4096;

/// Opens that read or write one way.
#[derive(Debug, Default)]
struct Crowd {
    now: usize,
    /// How many have ever come.
    ever: u64,
}

impl Crowd {
    /// One comes.
    fn come(&mut self) {
        self.now += 1;
        self.ever += 1;
    }

    /// How many had come before anybody whom an open would miss.
    fn before(&self) -> u64 {
        self.ever - u64::from(self.now > 0)
    }

    /// Whether there was one since then, and none is left.
    fn has_gone(&self, before: u64) -> bool {
        self.now == 0 && self.ever > before
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    bytes: VecDeque<u8>,
    readers: Crowd,
    writers: Crowd,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    ways: [Way; 2],
    capacity: usize,
    is_lasting: bool,
}

/// What there was to read.
pub(super) enum Taken {
    Bytes(Vec<u8>),
    Nothing,
}

/// Two directions and two ends, or one of each.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) state: Mutex<State>,
    /// Of each end.
    waiters: [Waiters; 2],
    /// The program's own threads that wait.
    pub(super) moved: Condvar,
    is_pipe: bool,
}

impl Line {
    pub(super) fn pipe() -> Self {
        Self::new(true)
    }

    pub(super) fn crosswise() -> Self {
        Self::new(false)
    }

    fn new(is_pipe: bool) -> Self {
        let state = State {
            ways: Default::default(),
            capacity: STREAM_CAPACITY,
            is_lasting: false,
        };
        Self {
            state: Mutex::new(state),
            waiters: Default::default(),
            moved: Condvar::new(),
            is_pipe,
        }
    }

    pub(super) fn set_capacity(&self, bytes: usize) {
        lock(&self.state).capacity = bytes;
    }

    pub(super) fn set_lasting(&self) {
        lock(&self.state).is_lasting = true;
    }

    /// The way that an end reads: it has the end's number.
    pub(super) fn reads(end: usize) -> usize {
        end
    }

    /// The way that an end writes.
    pub(super) fn writes(&self, end: usize) -> usize {
        if self.is_pipe { end } else { 1 - end }
    }

    pub(super) fn waiters(&self, end: usize) -> &Waiters {
        let [first, second] = &self.waiters;
        if end == 0 { first } else { second }
    }

    /// Those at the other end of what `end` reads or writes; a pipe has one end.
    fn tell_others(&self, end: usize, conditions: Conditions) {
        self.waiters(self.writes(end)).wake(conditions);
        self.moved.notify_all();
    }

    /// An open, or the program itself, begins to use an end.
    pub(super) fn join(&self, end: usize, reads: bool, writes: bool) -> Joined {
        let mut state = lock(&self.state);
        let joined = Joined {
            reads,
            writes,
            writers_before: state.way(Self::reads(end)).writers_before(),
            readers_before: state.way(self.writes(end)).readers.before(),
        };
        if reads {
            state.way(Self::reads(end)).readers.come();
        }
        if writes {
            state.way(self.writes(end)).writers.come();
        }
        joined
    }

    /// It ends to use it: whoever waits for it learns that.
    pub(super) fn part(&self, end: usize, joined: &Joined) {
        let mut state = lock(&self.state);
        let mut told = Conditions::empty();
        if joined.reads {
            let readers = &mut state.way(Self::reads(end)).readers;
            readers.now = readers.now.saturating_sub(1);
            if readers.now == 0 {
                told |= Conditions::OUTPUT | Conditions::ERROR;
            }
        }
        if joined.writes {
            let writers = &mut state.way(self.writes(end)).writers;
            writers.now = writers.now.saturating_sub(1);
            if writers.now == 0 {
                told |= Conditions::INPUT | Conditions::HANG_UP;
            }
        }
        if !told.is_empty() && !state.is_lasting {
            self.tell_others(end, told);
        }
    }

    /// Takes up to `room` bytes for a reader at an end, whose writers then have room.
    pub(super) fn take(&self, state: &mut State, end: usize, room: usize) -> Taken {
        let bytes = &mut state.way(Self::reads(end)).bytes;
        let count = bytes.len().min(room);
        if count == 0 {
            return Taken::Nothing;
        }
        let taken = bytes.drain(..count).collect();
        self.tell_others(end, Conditions::OUTPUT);
        Taken::Bytes(taken)
    }

    /// Puts bytes behind what a writer at an end has written; returns how many of them.
    pub(super) fn put(&self, state: &mut State, end: usize, data: &[u8]) -> usize {
        let count = state.fits(self.writes(end), data.len());
        if count > 0 {
            let data = data.get(..count).unwrap_or(data);
            state.way(self.writes(end)).bytes.extend(data);
            self.tell_others(end, Conditions::INPUT);
        }
        count
    }
}

impl Way {
    /// What is left of a writer that has gone says that there was one.
    fn writers_before(&self) -> u64 {
        let is_left = self.writers.now == 0 && !self.bytes.is_empty();
        self.writers.before().saturating_sub(u64::from(is_left))
    }
}

impl State {
    fn way(&mut self, which: usize) -> &mut Way {
        let [first, second] = &mut self.ways;
        if which == 0 { first } else { second }
    }

    fn look(&self, which: usize) -> &Way {
        let [first, second] = &self.ways;
        if which == 0 { first } else { second }
    }

    /// How many of `len` bytes are taken now.
    fn fits(&self, which: usize, len: usize) -> usize {
        let room = self.capacity.saturating_sub(self.look(which).bytes.len());
        let whole = PIPE_BUF.min(self.capacity);
        if len <= whole && len > room {
            return 0;
        }
        len.min(room)
    }

    /// Whether nothing more comes for an open that reads this way.
    pub(super) fn is_ended(&self, which: usize, open: &Joined) -> bool {
        let way = self.look(which);
        way.bytes.is_empty() && !self.is_lasting && way.writers.has_gone(open.writers_before)
    }

    /// Whether nobody will read what an open writes this way.
    pub(super) fn is_broken(&self, which: usize, open: &Joined) -> bool {
        !self.is_lasting && self.look(which).readers.has_gone(open.readers_before)
    }

    /// Which conditions hold for an open. As with pipes, there is room for output when a short write would be
    /// taken whole.
    pub(super) fn ready(&self, (reads, writes): (usize, usize), open: &Joined) -> Conditions {
        let mut ready = Conditions::empty();
        if open.reads {
            let is_ended = self.is_ended(reads, open);
            let has_bytes = !self.look(reads).bytes.is_empty();
            ready.set(Conditions::INPUT, has_bytes || is_ended);
            ready.set(Conditions::HANG_UP, is_ended);
        }
        if open.writes {
            let is_broken = self.is_broken(writes, open);
            let whole = PIPE_BUF.min(self.capacity);
            ready.set(
                Conditions::OUTPUT,
                is_broken || self.fits(writes, whole) > 0,
            );
            ready.set(Conditions::ERROR, is_broken);
        }
        ready
    }
}
