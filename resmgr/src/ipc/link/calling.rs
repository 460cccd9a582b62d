//! Calls of a client: announced, and carried to their answers.

use super::client::{ClientLink, LinkState};
use super::headers::RequestFields;
use super::layout::INLINE;
use super::staging::Staged;
use super::waiting::Wake;
use super::watch::Watch;
use crate::ipc::protocol::EntryKind;
use crate::ipc::wait::Plan;
use crate::ipc::{Reply, SendError, SendOptions, Waiting};
use resmgr_sys::{Errno, Result};
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came of a call that was announced.
pub(super) enum Carried {
    /// The answer is there, and the slot is the caller's. With why the server was asked to let go, if it was.
    Answered(Option<SendError>),
    /// No answer; the slot and its block are not the caller's any more.
    Lost(SendError),
}

impl ClientLink {
    /// Sends and waits for the answer, through a connection that may be `detached` meanwhile; again as often as
    /// the server asks for it.
    #[inline]
    pub(crate) fn call(
        self: &Arc<Self>,
        detached: &AtomicBool,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        loop {
            match self.call_once(detached, message, reply, fields, options) {
                Err(SendError::Refused(Errno::RESTART)) => {}
                done => return done,
            }
        }
    }

    fn call_once(
        self: &Arc<Self>,
        detached: &AtomicBool,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        self.check_open().map_err(SendError::Gone)?;
        let mut staged = self.claim(detached)?;
        if options.has_descriptors() {
            // Ahead of the message: a server may see that before its announcement.
            self.lend_descriptors(&staged, options)?;
        }
        let direct = self.goes_direct(message, options);
        let filled = if direct {
            staged.fill_directly(message, fields)
        } else {
            staged.fill(message, fields)
        };
        if let Err(error) = filled {
            self.end_parcels(staged.slot, staged.number);
            self.give_back(staged.slot, staged.block);
            return Err(error);
        }
        match self.carry(&staged, fields.priority, options) {
            Carried::Answered(_) if direct && staged.is_unreadable() => {
                // No receiver has had the message. From now on this link stages.
                self.direct.store(false, Ordering::Relaxed);
                self.end_parcels(staged.slot, staged.number);
                self.give_back(staged.slot, staged.block);
                self.call(detached, message, reply, fields, options)
            }
            Carried::Answered(asked) => self.collect(&staged, asked, reply, options),
            Carried::Lost(error) => Err(error),
        }
    }

    /// Takes the answer, and gives the slot back.
    fn collect(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        asked: Option<SendError>,
        reply: &mut [IoSliceMut<'_>],
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let mut collected = staged.collect(reply);
        if options.has_descriptors() {
            collected = self.take_descriptors(staged, options.take, collected);
        }
        let collected = collected.map_err(|error| staged.as_asked(error, asked));
        self.give_back(staged.slot, staged.block);
        if let Err(error) = collected {
            self.note_breach(error);
        }
        collected
    }

    /// The ordinary call in one straight line: a message that fits into the slot, from a thread that waits for the
    /// answer and for nothing else. It is [`call`](Self::call) without what that does for all others, and takes a
    /// third of its instructions; whatever turns out otherwise on the way goes on there.
    ///
    /// `None`: it is another call, or there is no slot. Nothing has happened.
    #[inline]
    pub(crate) fn call_ordinary(
        self: &Arc<Self>,
        detached: &AtomicBool,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: &RequestFields,
        waiting: Waiting,
    ) -> Option<Result<Reply, SendError>> {
        let len = message.iter().map(|part| part.len()).sum::<usize>();
        if len > INLINE || self.state() != LinkState::Open {
            return None;
        }
        let mut staged = self.claim(detached).ok()?;
        if staged.fill_slot(message, len, fields).is_err() {
            self.give_back(staged.slot, None);
            return None;
        }
        let options = SendOptions {
            waiting,
            ..SendOptions::default()
        };
        let wake = self.announce_and_wait(&staged, fields.priority, &options);
        if let Wake::Answered(None) = wake
            && let Some(answered) = staged.collect_from_slot(reply)
        {
            self.give_back(staged.slot, None);
            return Some(Ok(answered));
        }
        Some(self.go_on(&staged, wake, (message, reply), fields, &options))
    }

    /// An ordinary call that has become another one.
    #[cold]
    fn go_on(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        wake: Wake,
        (message, reply): (&[IoSlice<'_>], &mut [IoSliceMut<'_>]),
        fields: &RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        let done = match self.carried(staged, wake) {
            Carried::Answered(asked) => self.collect(staged, asked, reply, options),
            Carried::Lost(error) => Err(error),
        };
        match done {
            Err(SendError::Refused(Errno::RESTART)) => {
                self.call(staged.detached, message, reply, *fields, options)
            }
            done => done,
        }
    }

    /// Announces the call in the slot and waits for its answer.
    #[inline]
    pub(super) fn carry(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        priority: u8,
        options: &SendOptions<'_>,
    ) -> Carried {
        let cancel = options.cancel.map(|token| token.enter(self, staged.slot));
        let wake = self.announce_and_wait(staged, priority, options);
        drop(cancel);
        self.carried(staged, wake)
    }

    fn carried(&self, staged: &Staged<'_>, wake: Wake) -> Carried {
        match wake {
            Wake::Answered(asked) => Carried::Answered(asked),
            // Nobody will use the slot again, and nobody may: its memory may still be written.
            Wake::Gone(errno) => {
                self.disown_parcels(staged.slot, staged.number);
                Carried::Lost(SendError::Gone(errno))
            }
            Wake::GiveUp(reason) => {
                self.give_up((staged.slot, staged.number, staged.block));
                Carried::Lost(reason)
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always)] // else it is out of line since the crate has grown: 16 instructions in a hundred
    fn announce_and_wait(
        &self,
        staged: &Staged<'_>,
        priority: u8,
        options: &SendOptions<'_>,
    ) -> Wake {
        let plan = self.spin.plan(options.waiting, staged.bytes);
        // From before the announcement, so that no signal falls between it and the sleep.
        let watch = (self.far.unblock && plan == Plan::Sleep).then(|| Watch::begin(self));
        self.announce(EntryKind::Call, staged.slot);
        self.want_boost(priority);
        if self.memory.gate().is_closed() {
            self.end(LinkState::Dead);
        }
        self.wait(staged, options, plan, watch.flatten())
    }

    /// Ends the link if its server has broken the rules.
    pub(super) fn note_breach(&self, error: SendError) {
        if error == SendError::Protocol {
            tracing::warn!(
                pid = self.far.pid,
                "the server broke the protocol; link closed"
            );
            self.end(LinkState::Dead);
        }
    }
}
