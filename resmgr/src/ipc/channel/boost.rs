//! What receiving does to the receiver's priority, and the boost of receivers that are all busy.
//!
//! # Who boosts
//! A message that is more urgent than the work of every receiver must not wait behind that work at the
//! receivers' lower priority. Only this process can raise its threads, and none of them may be awake, so
//! the client asks: each link has a word of the server's that says from which priority on (`boost_from`). A client that announces something more urgent sends one packet on the link's socket, and
//! the background thread raises the receivers. A client of priority 10 or below never looks at the word.
//!
//! The word is for real-time priorities only, stands on links whose peer may have one itself, and follows the
//! receivers: no thread asks while one of them sleeps, or already runs as high.
//!
//! # Why neither is missed
//! The client publishes its entry, fences, and reads the word. The server, where its receivers begin to
//! run lower, writes the word, fences, and looks at the rings once more. So either the client sees the new
//! word and asks, or the server sees the entry and boosts by itself.
//!
//! # All of them
//! QNX 7 boosts every thread that has received from the channel, QNX 8 one of them. Here it is all: nothing
//! tells which one will come back first, and to raise one that is blocked elsewhere would leave the sender
//! waiting. At the next receive everyone is let down to what is still waiting.
//!
//! The background thread has its own priority (10): where real-time threads use every processor, a
//! boost comes late.

use super::Shared;
use super::state::State;
use crate::ipc::link::ServerLink;
use crate::ipc::priority::receiver::{self, Receiver};
use crate::ipc::priority::{HIGHEST, ORDINARY};
use crate::ipc::queue::{Call, PendingPulse};
use crate::ipc::{ChannelFlags, caller, priority};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Everybody asks whose priority is more than an ordinary one: what fresh links say.
const ALWAYS: u8 = ORDINARY + 1;

/// The threads that receive on a channel, and what their clients know of them. Under the channel's lock.
#[derive(Debug)]
pub(super) struct Crew {
    /// Those that received here last.
    pub(super) receivers: Vec<Arc<Receiver>>,
    /// One of them has had another priority than its own.
    pub(super) floated: bool,
    /// What the watched links' clients were told; 0: never to ask.
    pub(super) boost_from: u8,
    /// What the others' clients are told.
    pub(super) unwatched: u8,
}

impl Crew {
    pub(super) fn new(habits: Habits) -> Self {
        let always = if habits.boosts { ALWAYS } else { 0 };
        Self {
            receivers: Vec::new(),
            floated: false,
            boost_from: always,
            unwatched: always,
        }
    }
}

/// What a channel does about priorities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Receivers take the sender's priority.
    floats: bool,
    /// They take its processors.
    takes_processors: bool,
    /// Their process can raise them above ordinary threads.
    boosts: bool,
}

impl Habits {
    pub(super) fn of(flags: ChannelFlags) -> Self {
        let floats = !flags.contains(ChannelFlags::FIXED_PRIORITY);
        Self {
            floats,
            takes_processors: flags.contains(ChannelFlags::INHERIT_RUNMASK),
            boosts: floats && priority::rights().reach_realtime(),
        }
    }
}

impl Shared {
    /// The calling thread has received this call, and runs for it from now on.
    #[inline]
    pub(super) fn run_for_call(&self, call: &Call) {
        self.run_at(call.run_priority());
        if self.habits.takes_processors {
            self.take_processors(call);
        }
    }

    /// The same for a pulse.
    #[inline]
    pub(super) fn run_for_pulse(&self, pending: &PendingPulse) {
        if let Some(priority) = pending.runs_at {
            self.run_at(priority);
        }
        if self.habits.takes_processors
            && let Some(receiver) = receiver::of_channel(self.chid, self.key)
        {
            receiver.leave_processors();
        }
    }

    /// Nothing is called where the thread has the priority already.
    #[inline]
    pub(in crate::ipc) fn run_at(&self, priority: u8) {
        let thread = caller::thread();
        let wanted = if self.habits.floats {
            priority
        } else {
            thread.own
        };
        if thread.priority != wanted || thread.channel != self.key {
            self.change(wanted);
        }
    }

    #[cold]
    fn change(&self, wanted: u8) {
        let Some(receiver) = receiver::of_channel(self.chid, self.key) else {
            return;
        };
        if !self.habits.takes_processors {
            receiver.leave_processors();
        }
        let thread = caller::thread();
        if thread.priority == wanted {
            return;
        }
        if self.habits.floats {
            receiver.take(wanted);
        } else {
            receiver.return_to_own();
        }
        if self.habits.boosts {
            let mut state = self.lock();
            state.crew.floated = true;
            self.say_who_boosts(&mut state);
        }
    }

    #[cold]
    fn take_processors(&self, call: &Call) {
        if let Some(receiver) = receiver::of_channel(self.chid, self.key) {
            receiver.take_processors(call.link.peer.pid, call.fields.tid);
        }
    }

    /// A receiver is about to sleep: with its own priority, or it would come late to whoever wakes it.
    #[inline]
    pub(super) fn before_sleep(&self) {
        if self.boosted.load(Ordering::Relaxed) {
            self.end_boost(&mut self.lock());
        }
        let thread = caller::thread();
        let elsewhere = thread.channel != 0 && thread.channel != self.key;
        if elsewhere || thread.priority != thread.own {
            self.change(thread.own);
        }
    }

    /// Whether the calling thread is among those that received here last.
    pub(super) fn is_in_crew(&self) -> bool {
        caller::thread().channel == self.key
    }

    /// Under the lock, right before the sleep. A channel that has only ever seen ordinary priorities has
    /// nothing to say.
    pub(super) fn fall_asleep(&self, state: &mut State) {
        if state.crew.floated
            && let Some(receiver) = receiver::this_thread()
        {
            receiver.set_asleep(true);
            self.say_who_boosts(state);
        }
    }

    /// Under the lock: the calling thread leaves with something, and may be asked for again.
    #[cold]
    pub(super) fn taken(&self, state: &mut State) {
        if self.boosted.load(Ordering::Relaxed) {
            self.end_boost(state);
        }
        // Only then is it known to sleep.
        if state.crew.boost_from == 0 {
            if let Some(receiver) = receiver::this_thread() {
                receiver.set_asleep(false);
            }
            self.say_who_boosts(state);
        }
    }

    /// Tells the links that are looked at from which priority on their clients have to ask. The others
    /// always ask.
    fn say_who_boosts(&self, state: &mut State) {
        let busy = state.crew.receivers.iter().map(|thread| thread.busy_at());
        let from = match busy.min_by_key(|at| at.unwrap_or(0)) {
            None => ALWAYS,
            Some(None) => 0,
            Some(Some(lowest)) if lowest >= HIGHEST => 0,
            Some(Some(lowest)) => lowest.max(ORDINARY) + 1,
        };
        if from == state.crew.boost_from {
            return;
        }
        state.crew.boost_from = from;
        for link in state.watched() {
            link.boost_from(from);
        }
        if from != 0 {
            // See the head of this file: what was announced under the old word.
            state.drain_watched();
            self.boost(state);
        }
    }

    /// A client says that it has announced something urgent.
    pub(in crate::ipc) fn asked_to_boost(&self, link: Option<&Arc<ServerLink>>) {
        let mut state = self.lock();
        match link {
            // From now on it is told not to ask.
            Some(link) if !self.habits.boosts || !link.may_ask_for_boost() => {
                return link.boost_from(state.crew.boost_from);
            }
            _ if !self.habits.boosts => return,
            _ => {}
        }
        if state.destroyed || state.sleepers > 0 || state.spinning {
            return;
        }
        match link {
            Some(link) => state.drain(link),
            None => state.drain_watched(),
        }
        self.boost(&mut state);
    }

    /// Raises every receiver to what waits in the queue, if all are busy.
    pub(super) fn boost(&self, state: &mut State) {
        if !self.habits.boosts || state.sleepers > 0 || state.spinning {
            return;
        }
        let urgent = state.queue.most_urgent();
        if urgent > ORDINARY {
            state.crew.floated = true;
            self.raise(state, urgent);
        }
    }

    fn raise(&self, state: &State, priority: u8) {
        let mut any = false;
        for thread in &state.crew.receivers {
            any |= thread.boost(priority);
        }
        self.boosted.store(any, Ordering::Relaxed);
    }

    /// The calling thread has come back to receive: its boost is over, and the others are let down to what
    /// is still waiting (PR-3).
    #[cold]
    fn end_boost(&self, state: &mut State) {
        let me = caller::thread_id();
        let urgent = state.queue.most_urgent();
        let mut any = false;
        for thread in &state.crew.receivers {
            if thread.tid == me {
                thread.end_boost();
            } else {
                any |= thread.boost(urgent);
            }
        }
        self.boosted.store(any, Ordering::Relaxed);
    }

    /// A thread is a receiver of this channel from now on.
    pub(in crate::ipc) fn associate(&self, key: u64, thread: &Arc<Receiver>) -> bool {
        let mut state = self.lock();
        if key != self.key || state.destroyed {
            return false;
        }
        state.crew.receivers.push(Arc::clone(thread));
        if self.habits.boosts {
            self.say_who_boosts(&mut state);
        }
        true
    }

    /// It is none any more.
    pub(in crate::ipc) fn dissociate(&self, key: u64, thread: &Arc<Receiver>) {
        if key != self.key {
            return;
        }
        let mut state = self.lock();
        state
            .crew
            .receivers
            .retain(|other| !Arc::ptr_eq(other, thread));
        if self.habits.boosts {
            self.say_who_boosts(&mut state);
        }
    }
}
