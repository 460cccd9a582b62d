//! Descriptors that travel with messages and replies.

use super::{SendOptions, janitor};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a send puts the descriptors that come with its reply ([`SendOptions::take`]). Clones are the same place.
#[derive(Clone, Debug)]
pub struct TakenDescriptors {
    most: u8,
    taken: Arc<Mutex<Vec<OwnedFd>>>,
}

impl TakenDescriptors {
    /// The most descriptors that a message or a reply may bring.
    pub const MOST: u8 = super::link::MOST_DESCRIPTORS;

    /// Room for `most` of them, 4 at the most.
    pub fn room_for(most: u8) -> Self {
        Self {
            most: most.min(Self::MOST),
            taken: Arc::default(),
        }
    }

    /// Those that came with the last reply, in the server's order; close-on-exec. They are what the server says
    /// they are, or not: reading one can last for ever, and so can closing it.
    pub fn take(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put(&self, fds: Vec<OwnedFd>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        janitor::close(std::mem::replace(&mut *taken, fds));
    }
}

impl SendOptions<'_> {
    #[inline]
    pub(super) fn has_descriptors(&self) -> bool {
        !self.descriptors.is_empty() || self.take.is_some()
    }

    /// More than there may be are refused before this matters.
    #[inline]
    pub(super) fn lends(&self) -> u8 {
        u8::try_from(self.descriptors.len()).unwrap_or(7).min(7)
    }

    #[inline]
    pub(super) fn takes(&self) -> u8 {
        self.take.map_or(0, |taken| taken.most)
    }
}
