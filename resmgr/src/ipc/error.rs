//! [`SendError`]: did the service say no, or did the conversation break?

use resmgr_sys::Errno;

/// Why a send brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server answered with an error.
    #[error("the server refused: {0}")]
    Refused(Errno),
    /// The server, its channel or the connection has gone (`ESRCH`; `EBADF` when this process detached it).
    #[error("the server has gone: {0}")]
    Gone(Errno),
    /// A signal or a cancellation ended the wait (`EINTR`).
    #[error("interrupted")]
    Interrupted,
    /// The deadline passed (`ETIMEDOUT`).
    #[error("timed out")]
    TimedOut,
    /// The message could not be sent: too long for the link (`EMSGSIZE`), no free slot (`EAGAIN`) or
    /// memory (`ENOMEM`).
    #[error("not sent: {0}")]
    Unsent(Errno),
    /// The server broke the rules of the link; the connection is closed (`EPROTO`).
    #[error("the server broke the protocol")]
    Protocol,
}

impl SendError {
    /// The one number that POSIX and C callers get.
    pub fn errno(self) -> Errno {
        match self {
            Self::Refused(errno) | Self::Gone(errno) | Self::Unsent(errno) => errno,
            Self::Interrupted => Errno::INTR,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::Protocol => Errno::PROTO,
        }
    }
}

impl From<SendError> for Errno {
    fn from(error: SendError) -> Self {
        error.errno()
    }
}
