//! [`Pending`]: a call of the bench that nobody waits in.

use super::Client;
use crate::ipc::{Answer, CancelToken, PendingCall, Reply, SendError, SendOptions};
use crate::{Errno, Result};
use std::sync::mpsc;
use std::thread;

/// A call that was begun. Dropping it gives it up: the resource is asked to let go, and its answer reaches nobody.
#[derive(Debug)]
#[must_use = "dropping it gives the call up"]
pub struct Pending<'a> {
    client: &'a Client,
    call: PendingCall,
    room: usize,
    /// What has come already.
    done: Option<Result<Answer>>,
}

impl<'a> Pending<'a> {
    pub(super) fn new(client: &'a Client, call: PendingCall, room: usize) -> Self {
        Self {
            client,
            call,
            room,
            done: None,
        }
    }

    /// Whether the resource has seen the call and not answered it. Its handler has run by then (or waits itself).
    /// Several threads may still be about to begin it: then the answer is a guess.
    pub fn is_blocked(&mut self) -> bool {
        self.client.settle();
        !self.is_done()
    }

    /// Whether the answer is there. It looks and waits for nothing.
    pub fn is_done(&mut self) -> bool {
        if self.done.is_none() {
            let mut data = vec![0; self.room];
            let done = self.call.poll(&mut data);
            self.done = done.map(|done| answer(done, data));
        }
        self.done.is_some()
    }

    /// Asks the resource to let go, as a signal does, and waits for what it then answers.
    ///
    /// # Errors
    /// - `EINTR`: it has let go. Others: what it answers.
    /// - `ETIMEDOUT`: it has not, in the bench's patience. The call stays with it.
    pub fn unblock(self) -> Result<Answer> {
        let token = CancelToken::new();
        token.cancel();
        self.wait(Some(token))
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// What the resource answers. `ETIMEDOUT`: nothing, in the bench's patience. The call stays with it.
    pub fn finish(self) -> Result<Answer> {
        self.wait(None)
    }

    /// On a thread of its own: a resource that does not let go keeps whoever waits for it.
    fn wait(mut self, cancel: Option<CancelToken>) -> Result<Answer> {
        if self.is_done() {
            return self.done.unwrap_or(Err(Errno::INVAL));
        }
        let (call, mut data) = (self.call, vec![0; self.room]);
        let (sender, receiver) = mpsc::channel();
        let body = move || {
            let options = SendOptions {
                cancel: cancel.as_ref(),
                ..SendOptions::default()
            };
            let done = call.wait_with(&mut data, options);
            // Nobody may be listening any more.
            let _ = sender.send(answer(done, data));
        };
        thread::Builder::new()
            .name("bench-call".into())
            .spawn(body)?;
        let waited = receiver.recv_timeout(self.client.patience());
        waited.unwrap_or(Err(Errno::TIMEDOUT))
    }
}

fn answer(done: Result<Reply, SendError>, mut data: Vec<u8>) -> Result<Answer> {
    let reply = done?;
    data.truncate(reply.len);
    let status = reply.status;
    Ok(Answer { status, data })
}
