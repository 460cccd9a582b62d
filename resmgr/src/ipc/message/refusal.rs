//! Answers that are errors.

use super::Message;
use crate::ipc::link::AnswerFields;
use crate::ipc::timeout;
use resmgr_sys::{Errno, Result};

impl Message {
    /// Answers a message that cannot be read.
    pub(in crate::ipc) fn send_back(mut self, errno: Errno) {
        self.answered = true;
        if self.link.claim_answer(self.slot, self.number).is_ok() {
            let fields = match errno {
                Errno::PERM | Errno::NOSYS => AnswerFields::unreadable(),
                errno => AnswerFields::refusal(errno),
            };
            self.link.publish(self.slot, self.number, &fields);
        }
    }

    /// Answers with an error: the client's send fails with it. After `ERESTART` the client sends the same message
    /// again at once, as a new call.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `EINVAL`: `ERESTART` after a part of the reply was written; the client gets `EIO`.
    #[doc(alias = "MsgError")]
    pub fn error(mut self, errno: Errno) -> Result<()> {
        if errno == Errno::RESTART && self.reply.is_some() {
            return Err(Errno::INVAL);
        }
        self.refuse(errno)
    }

    /// Lets a client go that has asked for it: its send fails with that for which it asked (a signal or a
    /// cancellation: [`Interrupted`](crate::ipc::SendError::Interrupted), its deadline:
    /// [`TimedOut`](crate::ipc::SendError::TimedOut)).
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `EINVAL`: it has not asked (see [`unblock_requested`](Self::unblock_requested)); it gets `EIO`.
    #[doc(alias = "MsgError")]
    pub fn error_as_asked(mut self) -> Result<()> {
        timeout::clear();
        if !self.unblock_requested() {
            let gone = !self.is_waiting();
            return Err(if gone { Errno::SRCH } else { Errno::INVAL });
        }
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        self.record(Err(Errno::INTR), 0);
        self.link
            .publish(self.slot, self.number, &AnswerFields::as_asked());
        Ok(())
    }

    pub(super) fn refuse(&mut self, errno: Errno) -> Result<()> {
        timeout::clear();
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        self.record(Err(errno), 0);
        self.link.refuse_held(self.slot, self.number, errno);
        Ok(())
    }
}
