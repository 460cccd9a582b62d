//! [`Feeder`]: the end of a stream that is the program's own.

use super::Joined;
use super::line::{Line, Taken};
use crate::resource::lock;
use crate::{Errno, Result};
use std::sync::{Arc, PoisonError};

/// The program's end of a [served](super::Stream::served) stream. While one of its clones lives, the clients' end does
/// not hang up.
#[derive(Clone, Debug)]
pub struct Feeder(Arc<Mine>);

#[derive(Debug)]
struct Mine {
    line: Arc<Line>,
    side: usize,
    joined: Joined,
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.line.part(self.side, &self.joined);
    }
}

impl Feeder {
    pub(super) fn new(line: Arc<Line>, side: usize) -> Self {
        let joined = line.join(side, true, true);
        Self(Arc::new(Mine { line, side, joined }))
    }

    /// Gives bytes to the clients that read, as many as there is room for; returns how many. Up to 4096 bytes are
    /// taken whole or not at all. It never waits.
    pub fn feed(&self, data: &[u8]) -> usize {
        let Mine { line, side, .. } = &*self.0;
        line.put(&mut lock(&line.state), *side, data)
    }

    /// Takes all that clients have written; empty if there is nothing. It never waits.
    pub fn drain(&self) -> Vec<u8> {
        let Mine { line, side, .. } = &*self.0;
        match line.take(&mut lock(&line.state), *side, usize::MAX) {
            Taken::Bytes(bytes) => bytes,
            Taken::Nothing => Vec::new(),
        }
    }

    /// The same, but waits for something. Empty when the last client that could write has gone. Not for handlers: they
    /// run on the manager's threads.
    pub fn wait(&self) -> Vec<u8> {
        let Mine { line, side, joined } = &*self.0;
        let mut state = lock(&line.state);
        loop {
            if let Taken::Bytes(bytes) = line.take(&mut state, *side, usize::MAX) {
                return bytes;
            }
            if state.is_ended(Line::reads(*side), joined) {
                return Vec::new();
            }
            state = line
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives all bytes to the clients that read, and waits for room. Not for handlers.
    ///
    /// # Errors
    /// - `EPIPE`: the last client that could read has gone.
    pub fn feed_all(&self, data: &[u8]) -> Result<()> {
        let Mine { line, side, joined } = &*self.0;
        let mut rest = data;
        let mut state = lock(&line.state);
        while !rest.is_empty() {
            if state.is_broken(line.writes(*side), joined) {
                return Err(Errno::PIPE);
            }
            let count = line.put(&mut state, *side, rest);
            rest = rest.get(count..).unwrap_or_default();
            if count == 0 {
                state = line
                    .moved
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    }
}
