//! Shared memory, a futex, and one way to look before sleeping that never changes: what a waiter that learns
//! must not be far behind, in any scenario, although another one is best in each.

use super::handover::{EMPTY, FULL, SLEEPER};
use super::payload::{Payload, answer};
use super::shared::{CPU_WORDS, Memory, REPLY_WORD, REQUEST_BYTES, REQUEST_WORD};
use crate::arguments::{Errand, Role, Work};
use crate::failure::Failure;
use crate::measure::Subject;
use crate::placement::Seat;
use crate::server::{Server, passed, say_ready};
use clap::ValueEnum;
use resmgr_sys::measure::current_cpu;
use resmgr_sys::{futex, sched};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::{Duration, Instant};

/// How a waiter looks before it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Look {
    /// In a tight loop.
    Pause,
    /// Yielding in every turn.
    Yield,
    /// In a tight loop, unless the peer had to be woken.
    Awake,
    /// In a tight loop, unless the peer was last seen on the same processor.
    Elsewhere,
    /// In a tight loop that yields about every microsecond.
    Mixed,
}

/// All that are measured: how, for how many microseconds, and what tables call it.
pub(crate) const POLICIES: [(Look, u64, &str); 13] = [
    (Look::Pause, 0, "sleep"),
    (Look::Pause, 5, "pause-5"),
    (Look::Pause, 20, "pause-20"),
    (Look::Pause, 50, "pause-50"),
    (Look::Yield, 5, "yield-5"),
    (Look::Yield, 20, "yield-20"),
    (Look::Yield, 50, "yield-50"),
    (Look::Awake, 20, "awake-20"),
    (Look::Awake, 50, "awake-50"),
    (Look::Elsewhere, 20, "elsewhere-20"),
    (Look::Elsewhere, 50, "elsewhere-50"),
    (Look::Mixed, 20, "mixed-20"),
    (Look::Mixed, 50, "mixed-50"),
];

/// Looks between two readings of the clock: about half a microsecond.
const LOOKS: u32 = 8;
/// How long the mixed way looks tightly at first, and then between two yields.
const TIGHT: [Duration; 2] = [Duration::from_nanos(500), Duration::from_micros(1)];

/// One side's policy.
#[derive(Debug)]
struct Waiter {
    look: Look,
    budget: Duration,
    /// Where the own and the peer's processor are told.
    cpus: [usize; 2],
    woke: bool,
}

impl Waiter {
    fn new(look: Look, budget: u64, cpus: [usize; 2]) -> Self {
        Self {
            look,
            budget: Duration::from_micros(budget),
            cpus,
            woke: false,
        }
    }

    #[inline]
    fn give(&mut self, memory: &Memory, word: usize) {
        if self.look == Look::Elsewhere {
            memory.word(self.cpus[0]).store(current_cpu(), Relaxed);
        }
        let word = memory.word(word);
        self.woke = word.swap(FULL, AcqRel) == SLEEPER;
        if self.woke {
            futex::wake(word, 1);
        }
    }

    #[inline]
    fn take(&self, memory: &Memory, word: usize) {
        let at = memory.word(word);
        if at.load(Acquire) != FULL && !(self.looks(memory) && self.look(at)) {
            sleep(at);
        }
        // Relaxed: the giver fills it again only after the answer, which is ordered behind this.
        at.store(EMPTY, Relaxed);
    }

    fn looks(&self, memory: &Memory) -> bool {
        let here = match self.look {
            Look::Awake => self.woke,
            Look::Elsewhere => memory.word(self.cpus[1]).load(Relaxed) == current_cpu(),
            Look::Pause | Look::Yield | Look::Mixed => false,
        };
        !self.budget.is_zero() && !here
    }

    /// Looks; whether the word was filled.
    fn look(&self, word: &AtomicU32) -> bool {
        let since = Instant::now();
        let mut tight = TIGHT[0];
        loop {
            if self.look == Look::Yield {
                sched::yield_now();
                if word.load(Acquire) == FULL {
                    return true;
                }
            } else {
                for _ in 0..LOOKS {
                    std::hint::spin_loop();
                    if word.load(Acquire) == FULL {
                        return true;
                    }
                }
            }
            let spent = since.elapsed();
            if spent >= self.budget {
                return false;
            }
            if self.look == Look::Mixed && spent >= tight {
                sched::yield_now();
                tight = since.elapsed() + TIGHT[1];
            }
        }
    }
}

fn sleep(word: &AtomicU32) {
    while word.load(Acquire) != FULL {
        let noted = word.compare_exchange(EMPTY, SLEEPER, AcqRel, Acquire);
        if matches!(noted, Ok(_) | Err(SLEEPER)) {
            // An interrupted sleep says no more than any other end of it.
            let _woken = futex::wait(word, SLEEPER, None);
        }
    }
}

/// The client's side.
#[derive(Debug)]
pub(crate) struct Fixed {
    name: &'static str,
    memory: Memory,
    waiter: Waiter,
    payload: Payload,
    _server: Server,
}

impl Fixed {
    /// Starts a server on `cpu` that waits in the same way.
    pub(crate) fn start(
        (look, budget, name): (Look, u64, &'static str),
        cpu: Seat,
        work: Work,
    ) -> Result<Self, Failure> {
        let (memory, fd) = Memory::new(work)?;
        let errand = Errand {
            work,
            look,
            budget,
            ..Errand::new(Role::Fixed, cpu)
        };
        let mut server = Server::start(&errand, Some(fd))?;
        server.ready()?;
        Ok(Self {
            name,
            memory,
            waiter: Waiter::new(look, budget, CPU_WORDS),
            payload: Payload::new(work),
            _server: server,
        })
    }
}

impl Subject for Fixed {
    fn name(&self) -> &'static str {
        self.name
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        let (memory, payload) = (&self.memory, &mut self.payload);
        payload.stamp();
        memory.write(REQUEST_BYTES, &payload.request)?;
        self.waiter.give(memory, REQUEST_WORD);
        self.waiter.take(memory, REPLY_WORD);
        memory.read_reply(&mut payload.reply)?;
        payload.check()
    }
}

/// The server's side: answers until it is killed.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    let work = errand.work;
    let memory = Memory::map(passed()?.as_fd(), work)?;
    let [client, server] = CPU_WORDS;
    let mut waiter = Waiter::new(errand.look, errand.budget, [server, client]);
    let mut request = vec![0; work.request];
    let mut reply = vec![0; work.reply];
    say_ready("ready")?;
    loop {
        waiter.take(&memory, REQUEST_WORD);
        memory.read(REQUEST_BYTES, &mut request)?;
        answer(work.service(), &request, &mut reply);
        memory.write_reply(&reply)?;
        waiter.give(&memory, REPLY_WORD);
    }
}
