//! Ending a blocked send from another thread.

/// Asks a send to end, as a signal would: while no receiver has taken the message, or when the channel
/// has no UNBLOCK flag, the send ends with [`Interrupted`](super::SendError::Interrupted); otherwise the server
/// gets an unblock pulse and the send goes on until the answer.
#[derive(Clone, Debug, Default)]
pub struct CancelToken;

impl CancelToken {
    /// A token for one send.
    pub fn new() -> Self {
        Self
    }

    /// Asks. Before the send begins it is remembered; after it has ended nothing happens.
    pub fn cancel(&self) {
        unimplemented!()
    }
}
