//! A client's calls on the server's side, from the receive to the answer.

use super::headers::AnswerFields;
use super::layout;
use super::server::{Breach, ServerLink};
use crate::ipc::protocol::{Sleeper, Taken};
use resmgr_sys::{Errno, futex};

impl ServerLink {
    /// Makes a queued call the receiver's; false when the client has taken it back.
    ///
    /// Between the two steps of it ([`Phase::take`](crate::ipc::protocol::Phase::take)) the call may be answered by
    /// somebody else (the channel goes): whoever claims it does that, and nobody else.
    #[inline]
    pub(crate) fn take(&self, slot: u16, number: u32) -> Result<bool, Breach> {
        let answerer = self.memory.answerer(slot);
        match self.phases.of(slot).take(&answerer, number) {
            Taken::Live => {
                // The client read it last; it comes back while the message is handled.
                self.memory
                    .server
                    .prefetch_for_write(layout::slot_data(slot));
                match answerer.waits_to_be_taken() {
                    Sleeper::None => {}
                    sleeper => self.tell_taken(slot, sleeper),
                }
                Ok(true)
            }
            taken => self.not_taken(slot, number, taken),
        }
    }

    #[cold]
    fn not_taken(&self, slot: u16, number: u32, taken: Taken) -> Result<bool, Breach> {
        if !self.phases.of(slot).claim(number) {
            return Ok(false);
        }
        if taken == Taken::Breach {
            return Err(Breach("a call changed while it was queued"));
        }
        self.refuse_held(slot, number, Errno::INTR);
        Ok(false)
    }

    /// Takes the right to answer; nobody else has it afterwards.
    ///
    /// # Errors
    /// - `ESRCH`: it was answered already, or the client waits no more. The slot is free again then.
    #[inline]
    pub(crate) fn claim_answer(&self, slot: u16, number: u32) -> Result<(), Errno> {
        if !self.phases.of(slot).claim(number) || self.is_gone() {
            return Err(Errno::SRCH);
        }
        if self.memory.answerer(slot).is_abandoned(number) {
            self.refuse_held(slot, number, Errno::INTR);
            return Err(Errno::SRCH);
        }
        Ok(())
    }

    /// Whether the client still waits for this call's answer.
    pub(crate) fn is_waiting(&self, slot: u16, number: u32) -> bool {
        !self.is_gone() && !self.memory.answerer(slot).is_abandoned(number)
    }

    /// Whether no call of the slot is with this server.
    pub(super) fn is_free(&self, slot: u16) -> bool {
        self.phases.of(slot).is_idle()
    }

    pub(crate) fn is_unblocked(&self, slot: u16, number: u32) -> bool {
        self.phases.of(slot).is_unblocked(number)
    }

    /// Publishes an answer whose right was claimed, and wakes the client if it sleeps.
    #[inline]
    pub(crate) fn publish(&self, slot: u16, number: u32, fields: &AnswerFields) {
        self.memory.answer(slot).set(fields.encode());
        self.phases.of(slot).release();
        let answerer = self.memory.answerer(slot);
        match answerer.publish(number) {
            Sleeper::None => {}
            Sleeper::OnWord => drop(futex::wake(answerer.answer, u32::MAX)),
            Sleeper::OnTaken => {
                answerer.note_taken(number);
                futex::wake(answerer.taken, u32::MAX);
            }
            Sleeper::AtSocket(number) => self.wake_at_socket(number),
        }
    }

    /// The client of a call that was just taken wants to know that.
    #[cold]
    fn tell_taken(&self, slot: u16, sleeper: Sleeper) {
        match sleeper {
            Sleeper::AtSocket(number) => self.wake_at_socket(number),
            _ => drop(futex::wake(self.memory.answerer(slot).taken, u32::MAX)),
        }
    }

    /// Answers a call that no receiver has.
    pub(crate) fn refuse_held(&self, slot: u16, number: u32, errno: Errno) {
        self.publish(slot, number, &AnswerFields::refusal(errno));
    }

    /// Answers every call that a receiver has: the channel goes.
    pub(crate) fn dismiss_taken(&self) {
        for (slot, number) in self.phases.taken() {
            if self.phases.of(slot).claim(number) {
                self.dismiss_held(slot, number);
            }
        }
    }

    /// Answers a call that no receiver has: the channel goes.
    pub(crate) fn dismiss_held(&self, slot: u16, number: u32) {
        self.publish(slot, number, &AnswerFields::gone());
    }
}
