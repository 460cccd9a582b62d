//! Sends that nobody is blocked in.

use super::connection::Connection;
use super::link::{BegunCall, ClientLink, RequestFields};
use super::{Reply, SendError, SendOptions, timeout};
use resmgr_sys::Errno;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A send that was begun and is under way. The message was copied; the reply is fetched by
/// [`poll`](Self::poll) or [`wait`](Self::wait).
///
/// Dropping it gives the call up: a message that no receiver has is taken back. Otherwise, on an UNBLOCK channel
/// the server is asked to let go and its answer reaches nobody; on others the server's answer is `ESRCH`. The
/// connection has to live as long as the call: when it is detached, the call ends (`EBADF`). Descriptors that come
/// for a call which was given up are closed.
#[derive(Debug)]
#[must_use = "dropping it gives the call up"]
pub struct PendingCall {
    link: Arc<ClientLink>,
    call: Option<BegunCall>,
    room: usize,
}

impl PendingCall {
    /// Looks for the answer; `None`: not yet. As much of it is copied as `reply` has room for.
    ///
    /// # Errors
    /// See [`SendError`]; `EINVAL` after the answer was fetched.
    pub fn poll(&mut self, reply: &mut [u8]) -> Option<Result<Reply, SendError>> {
        if reply.len() >= self.room {
            return self.link.look(&mut self.call, &mut reply[..self.room]);
        }
        let mut whole = vec![0; self.room];
        let done = self.link.look(&mut self.call, &mut whole)?;
        Some(done.map(|got| cut(got, &whole, reply)))
    }

    /// Waits for the answer, as [`Connection::send`] does.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn wait(self, reply: &mut [u8]) -> Result<Reply, SendError> {
        self.wait_with(reply, SendOptions::default())
    }

    /// The same with a deadline, a cancellation, or a way of waiting; the other options count when a call begins.
    pub fn wait_with(self, reply: &mut [u8], options: SendOptions<'_>) -> Result<Reply, SendError> {
        match timeout::take() {
            None => self.wait_now(reply, options),
            Some(set) => set.send(options.deadline, |deadline| {
                self.wait_now(
                    reply,
                    SendOptions {
                        deadline,
                        ..options
                    },
                )
            }),
        }
    }

    fn wait_now(mut self, reply: &mut [u8], options: SendOptions<'_>) -> Result<Reply, SendError> {
        let call = self.call.take().ok_or(SendError::Unsent(Errno::INVAL))?;
        if reply.len() >= self.room {
            return self.link.wait_for(call, &mut reply[..self.room], &options);
        }
        let mut whole = vec![0; self.room];
        let got = self.link.wait_for(call, &mut whole, &options)?;
        Ok(cut(got, &whole, reply))
    }
}

/// A reply in a smaller buffer than was announced.
fn cut(got: Reply, whole: &[u8], reply: &mut [u8]) -> Reply {
    let len = got.len.min(reply.len());
    reply[..len].copy_from_slice(&whole[..len]);
    Reply { len, ..got }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.link.drop_begun(&call);
        }
    }
}

/// An answer with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the server gave as status.
    pub status: i64,
    /// The reply. Bytes that the server left out are 0.
    pub data: Vec<u8>,
}

/// The answer to come, in any executor. Dropping it gives the call up, as with a [`PendingCall`].
#[derive(Debug)]
#[must_use = "the send ends when this is dropped"]
pub struct SendFuture {
    state: Result<PendingCall, SendError>,
}

impl Future for SendFuture {
    type Output = Result<Answer, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pending = match &mut self.state {
            Ok(pending) => pending,
            Err(error) => return Poll::Ready(Err(*error)),
        };
        loop {
            if let Some(done) = pending.answer() {
                return Poll::Ready(done);
            }
            let asleep = match &pending.call {
                Some(call) => pending.link.wake_when_over(call, context.waker()),
                None => Ok(false),
            };
            match asleep {
                Ok(true) => return Poll::Pending,
                Ok(false) => {}
                Err(errno) => return Poll::Ready(Err(SendError::Unsent(errno))),
            }
        }
    }
}

impl PendingCall {
    fn answer(&mut self) -> Option<Result<Answer, SendError>> {
        let over = self
            .call
            .as_ref()
            .is_none_or(|call| self.link.is_over(call));
        if !over {
            return None;
        }
        let mut data = vec![0; self.room];
        let done = self.link.look(&mut self.call, &mut data)?;
        Some(done.map(|reply| {
            data.truncate(reply.len);
            Answer {
                status: reply.status,
                data,
            }
        }))
    }
}

impl Connection {
    /// Sends and does not wait; the reply may have up to `room` bytes. Up to 1024 calls of a process may be under
    /// way on a channel.
    ///
    /// # Errors
    /// As a send that does not come about: see [`SendError::Unsent`] and [`SendError::Gone`].
    pub fn begin(&self, message: &[u8], room: usize) -> Result<PendingCall, SendError> {
        self.begin_with(&[IoSlice::new(message)], room, SendOptions::default())
    }

    /// The same with vectors, and with the options that matter to the server: priority, whom it is for, and
    /// descriptors. Those that come with the reply lie in [`SendOptions::take`] once the answer was fetched; what
    /// comes for a call that was given up is closed. Copies of those that go with it are kept until it is over,
    /// since the server may want the message once more (`ERESTART`); a process that has POSIX record locks on one of
    /// these files loses them when its copy is closed, as with every other one.
    pub fn begin_with(
        &self,
        message: &[IoSlice<'_>],
        room: usize,
        options: SendOptions<'_>,
    ) -> Result<PendingCall, SendError> {
        timeout::clear();
        if self.attachment().is_inherited() {
            let own = Self::by_id(self.id()).map_err(SendError::Gone)?;
            return own.begin_with(message, room, options);
        }
        let fields = RequestFields::of(self.id().raw(), room, &options);
        let link = Arc::clone(self.link());
        let call = Some(link.begin(self.attachment(), message, fields, &options)?);
        Ok(PendingCall { link, call, room })
    }

    /// Sends now, and returns a future of the answer, of up to `room` bytes. Any executor will do: the process's
    /// background thread wakes it.
    ///
    /// ```no_run
    /// # async fn ask(connection: &resmgr::ipc::Connection) -> Result<(), resmgr::ipc::SendError> {
    /// let (one, two) = (connection.send_async(b"one", 64), connection.send_async(b"two", 64));
    /// println!("{:?} {:?}", one.await?, two.await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_async(&self, message: &[u8], room: usize) -> SendFuture {
        self.send_async_with(&[IoSlice::new(message)], room, SendOptions::default())
    }

    /// The same with vectors and options, as [`begin_with`](Self::begin_with) takes them. Descriptors that come
    /// with the reply lie in [`SendOptions::take`] when the future is ready. Deadlines and cancellations are the
    /// executor's: dropping the future gives the call up.
    pub fn send_async_with(
        &self,
        message: &[IoSlice<'_>],
        room: usize,
        options: SendOptions<'_>,
    ) -> SendFuture {
        SendFuture {
            state: self.begin_with(message, room, options),
        }
    }
}
