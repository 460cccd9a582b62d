//! [`Caller`]: for whom calls are made, and what ends them early.

use crate::ipc::{CancelToken, Credentials, SendOptions};
use resmgr_sys::clock::Deadline;

/// For whom a call is made. The default is this process itself, which waits as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The program that asked, when this process only passes its calls on. Servers believe it from root
    /// and from their own user; from anybody else they go by what the kernel says of this process.
    pub credentials: Option<Credentials>,
    /// What lets another thread end the call (`EINTR`, or whatever the server then answers).
    pub cancel: Option<&'a CancelToken>,
    /// Until when to wait (`ETIMEDOUT`).
    pub deadline: Deadline,
}

impl<'a> Caller<'a> {
    pub(crate) fn options(&self) -> SendOptions<'a> {
        SendOptions {
            on_behalf: self.credentials,
            cancel: self.cancel,
            deadline: self.deadline,
            ..SendOptions::default()
        }
    }
}
