//! The floor: two processes, shared memory, two words, no protocol, no protection from each other.

use super::carry::{Carry, Copied};
use super::handover::{EMPTY, Handover, PARKED};
use super::payload::{Payload, answer};
use crate::arguments::{Errand, Work};
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, passed, say_ready};
use resmgr_sys::futex;
use resmgr_sys::memory::{Access, Region, memfd};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;

// Each word and the answer have cache lines of their own, and none is fetched with its neighbour.
pub(crate) const REQUEST_WORD: usize = 0;
pub(crate) const REPLY_WORD: usize = 128;
const REPLY_BYTES: usize = 256;
/// The client's and the server's processor, where they tell.
pub(crate) const CPU_WORDS: [usize; 2] = [3072, 3328];
pub(crate) const REQUEST_BYTES: usize = 4096;

/// The client's side. How it waits, and how the bytes get across.
#[derive(Debug)]
pub(crate) struct Shared<H, C = Copied> {
    memory: Memory,
    payload: Payload,
    _server: Server,
    _how: PhantomData<(H, C)>,
}

impl<H: Handover, C: Carry> Shared<H, C> {
    /// Starts a server on `cpu`.
    pub(crate) fn start(cpu: Seat, work: Work) -> Result<Self, Failure> {
        let (memory, fd) = Memory::new(work)?;
        if H::SPINS {
            memory.word(REQUEST_WORD).store(PARKED, Release);
        }
        let errand = Errand {
            work,
            look: H::LOOK,
            ..Errand::new(C::ROLE.unwrap_or(H::ROLE), cpu)
        };
        let mut server = Server::start(&errand, Some(fd))?;
        server.ready()?;
        Ok(Self {
            memory,
            payload: Payload::new(work),
            _server: server,
            _how: PhantomData,
        })
    }
}

impl<H: Handover, C: Carry> Subject for Shared<H, C> {
    fn name(&self) -> &'static str {
        C::NAME.unwrap_or(H::NAME)
    }

    fn resume(&mut self) -> Result<(), Failure> {
        if H::SPINS {
            let word = self.memory.word(REQUEST_WORD);
            word.store(EMPTY, Release);
            futex::wake(word, 1);
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Failure> {
        if H::SPINS {
            self.memory.word(REQUEST_WORD).store(PARKED, Release);
        }
        Ok(())
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        let (memory, payload) = (&self.memory, &mut self.payload);
        payload.stamp();
        C::put(memory, &payload.request)?;
        H::give(memory.word(REQUEST_WORD));
        H::take(memory.word(REPLY_WORD));
        memory.read_reply(&mut payload.reply)?;
        payload.check()
    }
}

/// The server's side: answers until it is killed.
pub(crate) fn serve<H: Handover, C: Carry>(work: Work) -> Result<(), Failure> {
    let memory = Memory::map(passed()?.as_fd(), work)?;
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready("ready")?;
    loop {
        if !H::take(memory.word(REQUEST_WORD)) {
            // Looked at again in any case: between rounds this is where the server sleeps.
            let _woken = futex::wait(memory.word(REQUEST_WORD), PARKED, None);
            continue;
        }
        C::get(&memory, &mut request)?;
        answer(work.service(), &request, &mut reply);
        memory.write_reply(&reply)?;
        H::give(memory.word(REPLY_WORD));
    }
}

/// The memory that both sides map.
#[derive(Debug)]
pub(crate) struct Memory {
    region: Region,
    reply_at: usize,
}

impl Memory {
    /// Memory for this work, and what the other side maps.
    pub(crate) fn new(work: Work) -> Result<(Self, OwnedFd), Failure> {
        let (_, len) = Self::layout(work);
        let fd = memfd(c"resmgr-bench", len).doing("make shared memory")?;
        Ok((Self::map(fd.as_fd(), work)?, fd))
    }

    /// Where the answer lies, and the whole length. A short answer lies beside the words.
    fn layout(work: Work) -> (usize, usize) {
        let behind = REQUEST_BYTES + work.request.next_multiple_of(4096);
        if REPLY_BYTES + work.reply <= CPU_WORDS[0] {
            (REPLY_BYTES, behind)
        } else {
            (behind, behind + work.reply)
        }
    }

    pub(crate) fn map(fd: BorrowedFd<'_>, work: Work) -> Result<Self, Failure> {
        let (reply_at, len) = Self::layout(work);
        let region = Region::map(fd, len, Access::Write).doing("map shared memory")?;
        Ok(Self { region, reply_at })
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU32 {
        self.region.word(at)
    }

    #[inline]
    pub(crate) fn read(&self, at: usize, to: &mut [u8]) -> Result<(), Failure> {
        self.region.read(at, to).doing("read shared memory")
    }

    #[inline]
    pub(crate) fn write(&self, at: usize, from: &[u8]) -> Result<(), Failure> {
        self.region.write(at, from).doing("write shared memory")
    }

    #[inline]
    pub(crate) fn read_reply(&self, to: &mut [u8]) -> Result<(), Failure> {
        self.read(self.reply_at, to)
    }

    #[inline]
    pub(crate) fn write_reply(&self, from: &[u8]) -> Result<(), Failure> {
        self.write(self.reply_at, from)
    }
}
