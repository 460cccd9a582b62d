//! The floor: two processes, shared memory, two words, no protocol, no protection from each other.

use super::handover::{EMPTY, Handover, PARKED};
use super::payload::{Payload, REPLY, answer};
use crate::arguments::Errand;
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::server::{Server, passed, say_ready};
use resmgr_sys::futex;
use resmgr_sys::memory::{Access, Region, memfd};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;

// Each word and the answer have cache lines of their own, and none is fetched with its neighbour.
const REQUEST_WORD: usize = 0;
const REPLY_WORD: usize = 128;
const REPLY_BYTES: usize = 256;
const REQUEST_BYTES: usize = 4096;

/// The client's side.
#[derive(Debug)]
pub(super) struct Shared<H> {
    memory: Memory,
    payload: Payload,
    _server: Server,
    _waiting: PhantomData<H>,
}

impl<H: Handover> Shared<H> {
    /// Starts a server on `cpu`.
    pub(super) fn start(cpu: usize, size: usize) -> Result<Self, Failure> {
        let fd = memfd(c"resmgr-bench", Memory::len(size)).doing("make shared memory")?;
        let memory = Memory::map(fd.as_fd(), size)?;
        if H::SPINS {
            memory.word(REQUEST_WORD).store(PARKED, Release);
        }
        let errand = Errand {
            size,
            ..Errand::new(H::ROLE, cpu)
        };
        let mut server = Server::start(&errand, Some(fd))?;
        server.ready()?;
        Ok(Self {
            memory,
            payload: Payload::new(size),
            _server: server,
            _waiting: PhantomData,
        })
    }
}

impl<H: Handover> Subject for Shared<H> {
    fn name(&self) -> &'static str {
        H::NAME
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
        memory.write(REQUEST_BYTES, &payload.request)?;
        H::give(memory.word(REQUEST_WORD));
        H::take(memory.word(REPLY_WORD));
        memory.read(REPLY_BYTES, &mut payload.reply)?;
        payload.check()
    }
}

/// The server's side: answers until it is killed.
pub(super) fn serve<H: Handover>(size: usize) -> Result<(), Failure> {
    let memory = Memory::map(passed()?.as_fd(), size)?;
    let mut request = vec![0; size];
    let mut reply = [0; REPLY];
    say_ready("ready")?;
    loop {
        if !H::take(memory.word(REQUEST_WORD)) {
            // Looked at again in any case: between rounds this is where the server sleeps.
            let _woken = futex::wait(memory.word(REQUEST_WORD), PARKED, None);
            continue;
        }
        memory.read(REQUEST_BYTES, &mut request)?;
        answer(&request, &mut reply);
        memory.write(REPLY_BYTES, &reply)?;
        H::give(memory.word(REPLY_WORD));
    }
}

/// The memory that both sides map.
#[derive(Debug)]
struct Memory(Region);

impl Memory {
    fn len(size: usize) -> usize {
        REQUEST_BYTES + size
    }

    fn map(fd: BorrowedFd<'_>, size: usize) -> Result<Self, Failure> {
        let region = Region::map(fd, Self::len(size), Access::Write);
        region.map(Self).doing("map shared memory")
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU32 {
        self.0.word(at)
    }

    #[inline]
    fn read(&self, at: usize, to: &mut [u8]) -> Result<(), Failure> {
        self.0.read(at, to).doing("read shared memory")
    }

    #[inline]
    fn write(&self, at: usize, from: &[u8]) -> Result<(), Failure> {
        self.0.write(at, from).doing("write shared memory")
    }
}
