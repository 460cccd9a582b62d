//! The link protocol under a model checker: every order of every step that two sides can take.
//!
//! [`resmgr::ipc::protocol`] is generic over its words. Here they are loom's, and the kernel's part
//! (sleeping on a word, a doorbell) is modelled by a lock and a condition. The types that run are those that
//! ship.
// A poisoned lock of the model is a failed test already.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use resmgr::ipc::protocol::{Answerer, Caller, Gate, Phase, Ring, Sleeper, Taken, Threshold, Word};

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
    watched: Cell,
    closed: Cell,
    boost_from: Cell,
    /// Server's, private: how far the call is.
    phase: Cell,
    /// Who sleeps on `answer`.
    pub sleepers: Sleepers,
    /// Who sleeps on `taken`.
    pub until_taken: Sleepers,
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
            watched: Cell::new(0),
            closed: Cell::new(0),
            // Never: so far no receiver runs lower than anybody.
            boost_from: Cell::new(u32::MAX),
            phase: Cell::new(0),
            sleepers: Sleepers::default(),
            until_taken: Sleepers::default(),
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
            watched: &self.watched,
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
            Sleeper::OnTaken => {
                self.answerer().note_taken(number);
                self.until_taken.wake();
            }
            Sleeper::AtSocket(_) => self.socket.ring(),
        }
    }

    /// Server: takes a call, and wakes the client if it waits for that.
    pub fn take(&self, number: u32) -> Taken {
        let taken = self.answerer().take(number);
        match self.answerer().waits_to_be_taken() {
            Sleeper::AtSocket(_) => self.socket.ring(),
            Sleeper::OnTaken => drop(self.until_taken.wake()),
            _ => {}
        }
        taken
    }

    /// Client: sleeps until the call is taken or answered, or `ended` says why not.
    pub fn wait_until_taken(&self, number: u32, place: Sleeper, ended: impl Fn() -> bool) {
        let caller = self.caller();
        while !caller.is_taken(number) && !caller.is_answered(number) && !ended() {
            let Some(value) = caller.prepare_sleep_until_taken(number, place) else {
                break;
            };
            match place {
                _ if ended() => {}
                Sleeper::AtSocket(_) => self.socket.wait(),
                _ => self.until_taken.wait(&self.taken, value),
            }
            caller.end_sleep();
        }
    }

    /// Client: the same as [`wait`](Self::wait) at a socket, whose byte stays until it is taken.
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
            Sleeper::OnTaken => self.until_taken.wake(),
            _ => self.sleepers.wake(),
        };
        self.caller().kick(wake, loom::thread::yield_now);
    }
}
