//! The link protocol under a model checker: every order of every step that two sides can take.
//!
//! [`resmgr::ipc::protocol`] is generic over its words. Here they are loom's, and the kernel's part
//! (sleeping on a word, a doorbell) is modelled by a lock and a condition. The types that run are those that
//! ship.
// A poisoned lock of the model is a failed test already.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use resmgr::ipc::protocol::{Answerer, Caller, Gate, Phase, Ring, Sleeper, Threshold, Word};

/// A word that two sides share.
#[derive(Debug)]
pub struct Cell(AtomicU32);

impl Cell {
    /// A word that holds `value`.
    pub fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }
}

impl Word for Cell {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    fn replace(&self, current: u32, new: u32) -> bool {
        self.0
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn fence() {
        fence(Ordering::SeqCst);
    }

    /// The stricter of the two machines: one where a replace is no fence.
    fn fence_after_replace() {
        fence(Ordering::SeqCst);
    }
}

/// The kernel's sleepers on one word: looking and falling asleep are one step, as in a futex.
#[derive(Debug, Default)]
pub struct Sleepers {
    asleep: Mutex<usize>,
    woken: Condvar,
}

impl Sleepers {
    /// Sleeps while `word` holds `expected`.
    pub fn wait(&self, word: &Cell, expected: u32) {
        let mut asleep = self.asleep.lock().unwrap();
        if word.load(Ordering::Relaxed) == expected {
            *asleep += 1;
            drop(self.woken.wait(asleep).unwrap());
        }
    }

    /// Wakes all; returns how many there were.
    pub fn wake(&self) -> usize {
        let mut asleep = self.asleep.lock().unwrap();
        self.woken.notify_all();
        std::mem::take(&mut *asleep)
    }
}

/// A doorbell: a ring is kept until somebody hears it.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }

    /// Sleeps until it rings.
    pub fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// The words of a link with one slot and a ring of one or more entries.
#[derive(Debug)]
pub struct Link {
    ring: Vec<Cell>,
    /// Client's, private: where its threads have come to in the ring.
    pub tail: Cell,
    request: Cell,
    waiting: Cell,
    taken: Cell,
    /// Server's: what the client sleeps on.
    pub answer: Cell,
    ring_me: Cell,
    closed: Cell,
    boost_from: Cell,
    /// Server's, private: how far the call is.
    phase: Cell,
    /// Who sleeps on `answer`.
    pub sleepers: Sleepers,
    /// The server's bell.
    pub bell: Bell,
    /// Where a caller sleeps that waits for more than the answer.
    pub socket: Bell,
}

impl Link {
    /// A fresh link; the server wants to be rung.
    pub fn new(entries: usize) -> Self {
        Self {
            ring: (0..entries).map(|_| Cell::new(0)).collect(),
            tail: Cell::new(0),
            request: Cell::new(0),
            waiting: Cell::new(0),
            taken: Cell::new(0),
            answer: Cell::new(0),
            ring_me: Cell::new(1),
            closed: Cell::new(0),
            boost_from: Cell::new(0),
            phase: Cell::new(0),
            sleepers: Sleepers::default(),
            bell: Bell::default(),
            socket: Bell::default(),
        }
    }

    /// The ring, seen from either side.
    pub fn ring<'a>(&'a self) -> Ring<impl Fn(u32) -> &'a Cell> {
        let len = u32::try_from(self.ring.len()).unwrap();
        Ring::new(len, |at| &self.ring[at as usize])
    }

    /// The client's end of the slot.
    pub fn caller(&self) -> Caller<'_, Cell> {
        let Self {
            request,
            waiting,
            taken,
            answer,
            ..
        } = self;
        Caller {
            request,
            waiting,
            taken,
            answer,
        }
    }

    /// The server's end of the slot.
    pub fn answerer(&self) -> Answerer<'_, Cell> {
        let Self {
            request,
            waiting,
            taken,
            answer,
            ..
        } = self;
        Answerer {
            request,
            waiting,
            taken,
            answer,
        }
    }

    /// What the server knows itself of the call.
    pub fn phase(&self) -> Phase<'_, Cell> {
        Phase { word: &self.phase }
    }

    /// The server's word about boosts.
    pub fn threshold(&self) -> Threshold<'_, Cell> {
        Threshold {
            from: &self.boost_from,
        }
    }

    /// The server's words about itself.
    pub fn gate(&self) -> Gate<'_, Cell> {
        Gate {
            ring_me: &self.ring_me,
            closed: &self.closed,
        }
    }

    /// Client: sleeps until the call is answered or `ended` says why not.
    pub fn wait(&self, number: u32, ended: impl Fn() -> bool) {
        let caller = self.caller();
        while !caller.is_answered(number) && !ended() {
            let Some(value) = caller.prepare_sleep(number, Sleeper::OnWord) else {
                break;
            };
            if !ended() {
                self.sleepers.wait(&self.answer, value);
            }
            caller.end_sleep();
        }
    }

    /// Server: answers, and wakes the client if it sleeps.
    pub fn answer(&self, number: u32) {
        match self.answerer().publish(number) {
            Sleeper::None => {}
            Sleeper::OnWord => drop(self.sleepers.wake()),
            Sleeper::AtSocket(_) => self.socket.ring(),
        }
    }

    /// Client: the same at a socket, whose byte stays until it is taken.
    pub fn wait_at_socket(&self, number: u32, ended: impl Fn() -> bool) {
        let caller = self.caller();
        let place = Sleeper::AtSocket(Sleeper::FIRST_SOCKET);
        while !caller.is_answered(number) && !ended() {
            if caller.prepare_sleep(number, place).is_none() {
                break;
            }
            if !ended() {
                self.socket.wait();
            }
            caller.end_sleep();
        }
    }

    /// Client, another thread: wakes whoever waits in the slot.
    pub fn kick(&self) {
        let wake = |sleeper| match sleeper {
            Sleeper::AtSocket(_) => {
                self.socket.ring();
                1
            }
            _ => self.sleepers.wake(),
        };
        self.caller().kick(wake, loom::thread::yield_now);
    }
}
