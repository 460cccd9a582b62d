//! Messages that a client builds, and replies that it reads, in the link's memory: no copy on its side.

use super::attachment::Attachment;
use super::link::{Lent, RequestFields};
use super::shared::{SharedBytes, SharedBytesMut};
use super::{SendError, SendOptions, timeout};
use std::sync::Arc;

/// Room for a message in the memory that the server reads.
///
/// It comes from [`Connection::borrow`](super::Connection::borrow), is filled, and sent. The reply stays in the
/// server's part of the memory until it is dropped or turned back into room for the next message.
///
/// ```
/// use resmgr::ipc::{Channel, ChannelFlags, Connection, Received, SendOptions};
///
/// let channel = Channel::create(ChannelFlags::PRIVATE)?;
/// let server = std::thread::spawn({
///     let channel = channel.clone();
///     move || -> resmgr::Result<u64> {
///         let Received::Message(message) = channel.receive(&mut [])? else {
///             return Ok(0);
///         };
///         let sum = message.shared()?.words().sum();
///         message.reply(0, &[])?;
///         Ok(sum)
///     }
/// });
/// let connection = Connection::attach(0, channel.id())?;
/// let mut request = connection.borrow(8 * 1000)?;
/// request.bytes().set_words(0..1000);
/// let reply = request.send(0, SendOptions::default())?;
/// assert_eq!(reply.status(), 0);
/// assert_eq!(server.join().unwrap()?, 999 * 1000 / 2);
/// # Ok::<(), resmgr::Errno>(())
/// ```
#[derive(Debug)]
pub struct BorrowedRequest {
    through: Arc<Attachment>,
    lent: Lent,
}

impl BorrowedRequest {
    pub(super) fn new(through: &Arc<Attachment>, len: usize) -> resmgr_sys::Result<Self> {
        let lent = through.link.lend(len)?;
        Ok(Self {
            through: Arc::clone(through),
            lent,
        })
    }

    /// The message's bytes. They hold whatever was there before.
    pub fn bytes(&mut self) -> SharedBytesMut<'_> {
        self.through.link.lent_bytes(&self.lent)
    }

    /// Sends it and waits for the answer, which may have up to `reply_room` bytes.
    ///
    /// # Errors
    /// See [`SendError`]. The room is given back then, as soon as the server is through with it.
    pub fn send(
        self,
        reply_room: usize,
        options: SendOptions<'_>,
    ) -> Result<BorrowedReply, SendError> {
        match timeout::take() {
            None => self.send_now(reply_room, options),
            Some(set) => set.send(options.deadline, |deadline| {
                self.send_now(
                    reply_room,
                    SendOptions {
                        deadline,
                        ..options
                    },
                )
            }),
        }
    }

    #[inline]
    fn send_now(
        mut self,
        reply_room: usize,
        options: SendOptions<'_>,
    ) -> Result<BorrowedReply, SendError> {
        let through = Arc::clone(&self.through);
        let fields = RequestFields::of(through.coid.raw(), reply_room, &options);
        let called = through
            .link
            .call_lent(through.detached(), &mut self.lent, fields, &options);
        let (status, place, len) = called?;
        Ok(BorrowedReply {
            request: self,
            status,
            place,
            len,
        })
    }
}

impl Drop for BorrowedRequest {
    fn drop(&mut self) {
        self.through.link.take_back(&mut self.lent);
    }
}

/// An answer, where the server has put it.
#[derive(Debug)]
pub struct BorrowedReply {
    request: BorrowedRequest,
    status: i64,
    place: usize,
    len: usize,
}

impl BorrowedReply {
    /// What the server gave as status.
    pub fn status(&self) -> i64 {
        self.status
    }

    /// The reply's bytes. Those between pieces that the server wrote apart hold anything.
    pub fn bytes(&self) -> SharedBytes<'_> {
        self.request.through.link.reply_bytes(self.place, self.len)
    }

    /// Gives the reply's memory back to the server, and the message's room to the caller for the next one.
    pub fn into_request(mut self) -> BorrowedRequest {
        self.request
            .through
            .link
            .finish_lent(&mut self.request.lent);
        self.request
    }
}
