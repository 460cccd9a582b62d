//! A channel in somebody else's event loop.
//!
//! [`Channel::poll_fd`] is one more set of the clients' bells and the channel's own, like the one that
//! receivers sleep on. A poller counts as a receiver that sleeps: whoever leaves with an item asks the
//! watched links to ring again, and rings the channel's own bell if something is left. So the set is ready
//! as long as something can be received, and a try consumes what has rung *before* it looks.

use super::{BELL, Channel, OWN_BELL, Received, Shared};
use crate::ipc::queue::Item;
use crate::ipc::timeout;
use resmgr_sys::epoll::Epoll;
use resmgr_sys::{Errno, Result};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// More than all clients' bells need: whoever rings all the time must not keep this thread.
const MOST_ROUNDS: usize = 4096;

impl Shared {
    fn poll_set(&self) -> Result<&Epoll> {
        let mut state = self.lock();
        if self.poll_set.get().is_none() {
            let set = Epoll::new()?;
            set.add(&self.own_bell, OWN_BELL, BELL)?;
            Self::add_bells(&state, &set)?;
            let _ = self.poll_set.set(set);
            // From now on somebody may be waiting who is not in a receive.
            state.polled = true;
            state.want_bells();
            if !state.queue.is_empty() {
                self.own_bell.ring();
            }
        }
        drop(state);
        self.poll_set.get().ok_or(Errno::NOMEM)
    }

    /// What can be received now.
    fn try_receive(&self, parts: &mut [IoSliceMut<'_>]) -> Result<Received> {
        loop {
            self.consume(self.poll_set.get().unwrap_or(&self.bells))?;
            match self.try_next()?.ok_or(Errno::AGAIN)? {
                Item::Pulse(pending) => return Ok(Received::Pulse(self.deliver_pulse(&pending))),
                Item::Call(call) => {
                    if let Some(message) = self.deliver_call(call, parts) {
                        return Ok(Received::Message(message));
                    }
                }
            }
        }
    }

    fn try_next(&self) -> Result<Option<Item>> {
        let mut state = self.lock();
        self.check_alive(&state)?;
        if !state.spinning {
            state.want_bells();
        }
        let mut item = state.next();
        if let Some(item) = &mut item {
            self.leave(&mut state);
            if state.keeps_order {
                item.stand_in_line();
            }
        }
        Ok(item)
    }

    /// Takes note of every bell that has rung.
    fn consume(&self, set: &Epoll) -> Result<()> {
        let mut events = Vec::new();
        for _ in 0..MOST_ROUNDS {
            set.wait(Some(Instant::now()), &mut events)?;
            if events.is_empty() {
                break;
            }
            Self::note(&mut self.lock(), &events);
            if events.len() < Epoll::MOST_EVENTS {
                break;
            }
        }
        Ok(())
    }
}

impl Channel {
    /// A descriptor that is readable when a receive would not block. It goes into anybody's poll or epoll,
    /// by level or by edge; receive with [`try_receive`](Self::try_receive) (by edge: until `EAGAIN`). Other
    /// threads may receive at the same time, so a try may find nothing. It belongs to the channel: do not read
    /// from it, and add nothing to it.
    ///
    /// # Errors
    /// - `EMFILE`, `ENOMEM`: no descriptor, or no memory.
    pub fn poll_fd(&self) -> Result<BorrowedFd<'_>> {
        Ok(self.shared().poll_set()?.as_fd())
    }

    /// Receives what is there.
    ///
    /// # Errors
    /// - `EAGAIN`: nothing is.
    /// - `ESRCH`: the channel was destroyed.
    pub fn try_receive(&self, buffer: &mut [u8]) -> Result<Received> {
        self.try_receive_vectored(&mut [IoSliceMut::new(buffer)])
    }

    /// The same into several parts.
    pub fn try_receive_vectored(&self, parts: &mut [IoSliceMut<'_>]) -> Result<Received> {
        timeout::clear();
        self.shared().try_receive(parts)
    }
}
