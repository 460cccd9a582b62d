//! A client's calls on the server's side, from the receive to the answer.

use super::headers::AnswerFields;
use super::layout;
use super::server::{Breach, ServerLink};
use crate::ipc::protocol::{Sleeper, Taken};
use resmgr_sys::{Errno, futex};

impl ServerLink {
    /// Makes a queued call the receiver's; false when the client has taken it back.
    #[inline]
    pub(crate) fn take(&self, slot: u16, number: u32) -> Result<bool, Breach> {
        let phase = self.phases.of(slot);
        match phase.take(&self.memory.answerer(slot), number) {
            Taken::Live => {
                // The client read it last; it comes back while the message is handled.
                self.memory
                    .server
                    .prefetch_for_write(layout::slot_data(slot));
                Ok(true)
            }
            // The channel goes, and has answered it meanwhile.
            _ if !phase.claim(number) => Ok(false),
            Taken::Withdrawn => {
                self.refuse_held(slot, number, Errno::INTR);
                Ok(false)
            }
            Taken::Breach => Err(Breach("a call changed while it was queued")),
        }
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
            Sleeper::AtSocket(number) => self.wake_at_socket(number),
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
