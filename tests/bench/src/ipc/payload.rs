//! The work that every subject does, and the proof that it was done.
//!
//! A stamp lies at both ends of the request; the answer must bring both back. A subject that copied only
//! a part, or answered an older call, fails the run.

use crate::failure::Failure;

/// The length of an answer.
pub(super) const REPLY: usize = 64;

/// The client's buffers.
#[derive(Debug)]
pub(super) struct Payload {
    stamp: u64,
    /// What to send.
    pub(super) request: Vec<u8>,
    /// Where the answer goes.
    pub(super) reply: [u8; REPLY],
}

impl Payload {
    /// A request of `size` bytes, at least two stamps.
    pub(super) fn new(size: usize) -> Self {
        Self {
            stamp: 0,
            request: vec![3; size],
            reply: [0; REPLY],
        }
    }

    /// Prepares the next request.
    #[inline]
    pub(super) fn stamp(&mut self) {
        self.stamp += 1;
        let (first, last) = (self.stamp.to_ne_bytes(), (!self.stamp).to_ne_bytes());
        self.request[..8].copy_from_slice(&first);
        let end = self.request.len() - 8;
        self.request[end..].copy_from_slice(&last);
    }

    /// Looks at the answer.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Failure> {
        let (first, last) = (self.stamp.to_ne_bytes(), (!self.stamp).to_ne_bytes());
        if self.reply[..8] == first && self.reply[8..16] == last {
            return Ok(());
        }
        Err(Failure::new("an answer does not belong to its request"))
    }
}

/// The server's work: both stamps go back.
#[inline]
pub(super) fn answer(request: &[u8], reply: &mut [u8; REPLY]) {
    reply[..8].copy_from_slice(&request[..8]);
    reply[8..16].copy_from_slice(&request[request.len() - 8..]);
}

#[cfg(test)]
mod tests {
    use super::{Payload, answer};

    #[test]
    fn only_the_current_answer_passes() {
        let mut payload = Payload::new(64);
        payload.stamp();
        answer(&payload.request, &mut payload.reply);
        payload.check().unwrap();
        payload.stamp();
        assert!(payload.check().is_err());
    }
}
