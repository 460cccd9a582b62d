//! [`Deferred`]: an answer that comes later.

use super::kinds::{Books, Kind};
use super::{Again, Pending, Watch, send};
use crate::Errno;
use crate::Result;
use crate::ipc::Rcvid;
use crate::resource::At;
use std::sync::Arc;

/// What happens when the client of a deferred call asks to be let go: by a signal, a deadline or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "io_unblock")]
pub enum OnUnblock {
    /// It is let go at once (`EINTR`, or `ETIMEDOUT` after its deadline), and the deferred reply is void.
    LetGo,
    /// [`Resource::unblock`](crate::resource::Resource::unblock) is called, and decides.
    Ask,
    /// It stays until it is answered.
    Keep,
}

/// The owned duty to answer a call. It may be kept, sent to another thread, and answered there.
///
/// Dropping it unanswered answers `EIO`, and is logged with the file and the kind of call. When the client is
/// let go, or dies, it is void: answering it fails with `ESRCH`.
#[must_use = "dropping it answers EIO"]
pub struct Deferred<K: Kind> {
    pub(in crate::resource) pending: Arc<Pending>,
    pub(super) at: At,
    pub(super) kind: K,
    pub(super) input: Vec<u8>,
    pub(super) room: usize,
    pub(in crate::resource) books: Books,
    pub(super) watch: Option<Arc<dyn Watch>>,
    /// The handler is called again: that one has the duty now.
    pub(super) passed_on: bool,
}

impl<K: Kind> std::fmt::Debug for Deferred<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deferred")
            .field("at", &self.at)
            .field("waits", &self.pending.is_waiting())
            .finish_non_exhaustive()
    }
}

impl<K: Kind> Deferred<K> {
    /// Where, and whose.
    pub fn at(&self) -> &At {
        &self.at
    }

    /// The name of the call.
    pub fn rcvid(&self) -> Rcvid {
        self.pending.rcvid()
    }

    /// Whether the client still waits.
    pub fn is_waiting(&self) -> bool {
        self.pending.is_waiting()
    }

    /// Answers with an error.
    ///
    /// # Errors
    /// - `ESRCH`: the client no longer waits.
    #[doc(alias = "MsgError")]
    pub fn error(self, errno: Errno) -> Result<()> {
        let message = self.pending.take()?;
        if let Some(watch) = &self.watch {
            watch.done(Err(errno));
        }
        message.error(errno)
    }

    /// Has the handler called again with the same call, as if it had just come: for a resource in which
    /// something has changed. It happens on a thread of the manager, after the handler that runs there now.
    /// Calls that are asked for again come in that order.
    pub fn again(mut self) {
        self.passed_on = true;
        let input = std::mem::take(&mut self.input);
        self.pending.again(Again {
            pending: Arc::clone(&self.pending),
            operation: self.kind.operation(),
            at: self.at,
            input,
            room: self.room,
            books: self.books,
            watch: self.watch.take(),
        });
    }

    pub(super) fn kind(&self) -> K {
        self.kind
    }

    pub(super) fn input(&self) -> &[u8] {
        &self.input
    }

    /// Bytes that may go back.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Sends a status and bytes, and books `moved` bytes.
    pub(super) fn finish(self, status: i64, moved: u64, parts: &[&[u8]]) -> Result<()> {
        let message = self.pending.take()?;
        let file = self.pending.file().ok_or(Errno::IO)?;
        if let Some(watch) = &self.watch {
            watch.done(Ok(moved));
        }
        send(message, &*file, (self.books, moved), status, parts);
        Ok(())
    }
}

impl<K: Kind> Drop for Deferred<K> {
    fn drop(&mut self) {
        if !self.passed_on {
            self.pending.lost(self.kind.operation().name());
            self.pending.done_with();
        }
    }
}
