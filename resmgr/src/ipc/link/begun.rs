//! Calls that no thread waits for: begun, looked at now and then, or waited for in an executor.
//!
//! Who waits for one has left a waker. It sleeps at a socket like a thread that watches signals does, but all
//! such calls of a link share one, at whose other end the background thread listens: it looks which of them
//! have an answer and wakes those.

use super::ClientLink;
use super::arena::Block;
use super::headers::RequestFields;
use super::lanes::{LaneFor, WakePoint};
use super::parcels::Kept;
use super::staging::Staged;
use super::waiting::Wake;
use crate::ipc::attachment::Attachment;
use crate::ipc::protocol::{EntryKind, Sleeper, Withdrawal};
use crate::ipc::{Reply, SendError, SendOptions, process};
use resmgr_sys::signal::Held;
use resmgr_sys::{Errno, Result};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The slot of a call under way.
#[derive(Debug)]
pub(crate) struct Call {
    through: Arc<Attachment>,
    slot: u16,
    number: u32,
    block: Option<Block>,
    /// None: it has no descriptors either way.
    kept: Option<Box<Kept>>,
}

/// The link's calls of this kind.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Where the background thread listens, and what the server knows that by.
    socket: Option<(Arc<WakePoint>, u32)>,
    /// By slot.
    wakers: BTreeMap<u16, Waiting>,
}

/// A call that somebody waits for.
#[derive(Debug)]
struct Waiting {
    number: u32,
    waker: Waker,
    /// The connection, which may be detached meanwhile.
    through: Arc<Attachment>,
}

impl Begun {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_detached(through: &Attachment) -> bool {
    through.detached().load(Ordering::Acquire)
}

impl ClientLink {
    /// Sends and does not wait.
    pub(crate) fn begin(
        self: &Arc<Self>,
        through: &Arc<Attachment>,
        message: &[IoSlice<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Call, SendError> {
        self.check_open().map_err(SendError::Gone)?;
        let kept = self.keep_descriptors(options).map_err(SendError::Unsent)?;
        let mut staged = self.claim(through.detached())?;
        if kept.is_some() {
            self.lend_descriptors(&staged, options)?;
        }
        if let Err(error) = staged.fill(message, fields) {
            self.end_parcels(staged.slot, staged.number);
            self.give_back(staged.slot, staged.block);
            return Err(error);
        }
        self.announce_begun(staged.slot, staged.number);
        Ok(Call {
            through: Arc::clone(through),
            slot: staged.slot,
            number: staged.number,
            block: staged.block,
            kept,
        })
    }

    fn announce_begun(&self, slot: u16, number: u32) {
        self.say_since_when(slot, number);
        self.announce(EntryKind::Call, slot);
        if self.memory.gate().is_closed() {
            self.end(super::LinkState::Dead);
        }
    }

    fn staged<'a>(&'a self, call: &'a Call) -> Staged<'a> {
        Staged {
            link: self,
            detached: call.through.detached(),
            slot: call.slot,
            number: call.number,
            block: call.block,
            bytes: 0,
        }
    }

    /// What came of the call; `None`: nothing yet, and the call is still there. After anything else it is over.
    pub(crate) fn look(
        self: &Arc<Self>,
        call: &mut Option<Call>,
        reply: &mut [u8],
    ) -> Option<Result<Reply, SendError>> {
        let Some(mut under_way) = call.take() else {
            return Some(Err(SendError::Unsent(Errno::INVAL)));
        };
        if !self.is_ours() {
            return Some(Err(SendError::Gone(Errno::BADF)));
        }
        if self.is_over(&under_way) {
            match self.finish_begun(&mut under_way, None, reply) {
                Err(SendError::Refused(Errno::RESTART)) => {
                    self.announce_begun(under_way.slot, under_way.number);
                }
                done => return Some(done),
            }
        }
        *call = Some(under_way);
        None
    }

    /// In a forked child, which has no part in its parent's calls, they are.
    pub(crate) fn is_over(&self, call: &Call) -> bool {
        !self.is_ours()
            || self.state.load(Ordering::Acquire) != 0
            || self.memory.caller(call.slot).is_answered(call.number)
            || is_detached(&call.through)
    }

    /// Takes the answer, or learns that there is none. When the server wants the message once more, it is ready
    /// to be announced.
    fn finish_begun(
        self: &Arc<Self>,
        call: &mut Call,
        asked: Option<SendError>,
        reply: &mut [u8],
    ) -> Result<Reply, SendError> {
        self.begun.lock().wakers.remove(&call.slot);
        let caller = self.memory.caller(call.slot);
        caller.end_sleep();
        if !caller.is_answered(call.number) {
            if self.check_open().is_ok() && is_detached(&call.through) {
                self.desert(&self.staged(call), false);
                self.give_up((call.slot, call.number, call.block));
                return Err(SendError::Gone(Errno::BADF));
            }
            // The slot stays taken: its memory may still be written.
            self.disown_parcels(call.slot, call.number);
            return self
                .check_open()
                .map_err(SendError::Gone)
                .and(Err(SendError::Gone(Errno::SRCH)));
        }
        let staged = self.staged(call);
        let mut collected = staged.collect(&mut [IoSliceMut::new(reply)]);
        if let Some(kept) = &call.kept {
            collected = self.take_kept(&staged, kept, collected);
        }
        let collected = collected.map_err(|error| staged.as_asked(error, asked));
        match collected {
            Err(SendError::Refused(Errno::RESTART)) => self.renew(call)?,
            Err(error) => {
                self.give_back(call.slot, call.block);
                self.note_breach(error);
            }
            Ok(_) => self.give_back(call.slot, call.block),
        }
        collected
    }

    /// The same message once more, as a call of its own. Its descriptors go ahead of it, again.
    fn renew(self: &Arc<Self>, call: &mut Call) -> Result<(), SendError> {
        let mut staged = self.staged(call);
        staged.renumber();
        if let Some(kept) = &call.kept {
            self.lend_kept(&staged, kept)?;
        }
        staged.submit_again();
        call.number = staged.number;
        Ok(())
    }

    /// Blocks until the call is over.
    pub(crate) fn wait_for(
        self: &Arc<Self>,
        mut call: Call,
        reply: &mut [u8],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        if !self.is_ours() {
            return Err(SendError::Gone(Errno::BADF));
        }
        loop {
            self.begun.lock().wakers.remove(&call.slot);
            let cancel = options.cancel.map(|token| token.enter(self, call.slot));
            let plan = self.spin.plan(options.waiting, 0);
            let wake = self.wait(&self.staged(&call), options, plan, None);
            drop(cancel);
            match wake {
                Wake::Answered(asked) => match self.finish_begun(&mut call, asked, reply) {
                    Err(SendError::Refused(Errno::RESTART)) => {
                        self.announce_begun(call.slot, call.number);
                    }
                    done => return done,
                },
                Wake::Gone(errno) => {
                    self.disown_parcels(call.slot, call.number);
                    return Err(SendError::Gone(errno));
                }
                Wake::GiveUp(reason) => {
                    self.give_up((call.slot, call.number, call.block));
                    return Err(reason);
                }
            }
        }
    }

    /// Has `waker` woken when the call is over. False: it is over already.
    ///
    /// # Errors
    /// - `EMFILE` and the like: nobody could be woken.
    pub(crate) fn wake_when_over(self: &Arc<Self>, call: &Call, waker: &Waker) -> Result<bool> {
        let number = {
            let mut state = self.begun.lock();
            let number = self.socket_of_begun(&mut state)?;
            match state.wakers.get_mut(&call.slot) {
                Some(known) if known.number == call.number => known.waker.clone_from(waker),
                _ => {
                    let entry = Waiting {
                        number: call.number,
                        waker: waker.clone(),
                        through: Arc::clone(&call.through),
                    };
                    state.wakers.insert(call.slot, entry);
                }
            }
            number
        };
        let caller = self.memory.caller(call.slot);
        let place = Sleeper::AtSocket(number);
        // Whoever ends the link stores that first and then looks for sleepers: seen here, or woken.
        Ok(caller.prepare_sleep(call.number, place).is_some() && !self.is_over(call))
    }

    fn socket_of_begun(self: &Arc<Self>, state: &mut State) -> Result<u32> {
        if let Some((_, number)) = &state.socket {
            return Ok(*number);
        }
        let point = WakePoint::new()?;
        let number = {
            let _held = Held::hold();
            self.claim_lane(&point, LaneFor::Begun)?
        };
        if let Err(errno) = process::current().watch_begun(self, Arc::clone(&point)) {
            self.lanes.release(number);
            return Err(errno);
        }
        state.socket = Some((point, number));
        Ok(number)
    }

    /// The background thread was told that something is over: wakes those whom it concerns.
    pub(crate) fn wake_begun(&self) {
        let due: Vec<Waker> = {
            let mut state = self.begun.lock();
            let ended = self.state.load(Ordering::Acquire) != 0;
            let is_over = |slot: &u16, waiting: &Waiting| {
                let answered = self.memory.caller(*slot).is_answered(waiting.number);
                ended || answered || is_detached(&waiting.through)
            };
            let over: Vec<u16> = state
                .wakers
                .iter()
                .filter_map(|(slot, entry)| is_over(slot, entry).then_some(*slot))
                .collect();
            let taken = over.iter().filter_map(|slot| state.wakers.remove(slot));
            taken.map(|waiting| waiting.waker).collect()
        };
        for waker in due {
            // An executor's code: what goes wrong there must not end this thread.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Nobody wants the answer any more. A message that no receiver has is taken back; of others the server is
    /// asked to let go, where it wants to be asked. The slot is free when the server has noticed.
    pub(crate) fn drop_begun(self: &Arc<Self>, call: &Call) {
        if !self.is_ours() {
            return;
        }
        self.begun.lock().wakers.remove(&call.slot);
        let caller = self.memory.caller(call.slot);
        caller.end_sleep();
        if caller.is_answered(call.number) {
            caller.finish(call.number);
            self.end_parcels(call.slot, call.number);
            self.give_back(call.slot, call.block);
            return;
        }
        if !self.far.unblock {
            caller.abandon(call.number);
        } else if caller.withdraw(call.number) == Withdrawal::Taken {
            self.announce(EntryKind::Unblock, call.slot);
        }
        self.give_up((call.slot, call.number, call.block));
    }
}
