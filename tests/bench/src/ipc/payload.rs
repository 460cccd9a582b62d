//! The work that every subject does, and the proof that it was done.
//!
//! A stamp lies at both ends of the request; the answer must bring both back, at its own two ends. A subject
//! that copied only a part, or answered an older call, fails the run.

use crate::arguments::Work;
use crate::failure::Failure;
use std::time::{Duration, Instant};

/// The client's buffers.
#[derive(Debug)]
pub(crate) struct Payload {
    stamp: u64,
    /// What to send.
    pub(crate) request: Vec<u8>,
    /// Where the answer goes.
    pub(crate) reply: Vec<u8>,
}

impl Payload {
    /// Buffers for a request and an answer of at least two stamps each.
    pub(crate) fn new(work: Work) -> Self {
        Self {
            stamp: 0,
            request: vec![3; work.request],
            reply: vec![0; work.reply],
        }
    }

    /// Prepares the next request.
    #[inline]
    pub(crate) fn stamp(&mut self) {
        self.stamp += 1;
        put(&mut self.request, self.stamp, !self.stamp);
    }

    /// Looks at the answer.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check_in(&self.reply)
    }

    /// Looks at an answer that lies elsewhere.
    #[inline]
    pub(crate) fn check_in(&self, reply: &[u8]) -> Result<(), Failure> {
        let (first, last) = (self.stamp.to_ne_bytes(), (!self.stamp).to_ne_bytes());
        if reply.starts_with(&first) && reply.ends_with(&last) {
            return Ok(());
        }
        Err(Failure::new("an answer does not belong to its request"))
    }
}

#[inline]
fn put(bytes: &mut [u8], first: u64, last: u64) {
    bytes[..8].copy_from_slice(&first.to_ne_bytes());
    let end = bytes.len() - 8;
    bytes[end..].copy_from_slice(&last.to_ne_bytes());
}

/// The server's work: it is busy for a time, and both stamps go back.
#[inline]
pub(crate) fn answer(service: Duration, request: &[u8], reply: &mut [u8]) {
    if !service.is_zero() {
        busy(service);
    }
    reply[..8].copy_from_slice(&request[..8]);
    let end = reply.len() - 8;
    reply[end..].copy_from_slice(&request[request.len() - 8..]);
}

fn busy(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, answer};
    use crate::arguments::Work;
    use std::time::Duration;

    #[test]
    fn only_the_current_answer_passes() {
        for work in [Work::request(64), Work::reply(4096)] {
            let mut payload = Payload::new(work);
            payload.stamp();
            answer(Duration::ZERO, &payload.request, &mut payload.reply);
            payload.check().unwrap();
            payload.stamp();
            assert!(payload.check().is_err());
        }
    }
}
