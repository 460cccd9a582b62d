//! A received message: the right, and the duty, to answer it.

use super::{MessageInfo, Rcvid};
use resmgr_sys::Result;
use std::io::IoSlice;

/// A client's call, until it is answered. Dropping it unanswered answers `EIO`.
#[derive(Debug)]
pub struct Message;

impl Message {
    /// Who sent what.
    #[doc(alias = "MsgInfo")]
    pub fn info(&self) -> &MessageInfo {
        unimplemented!()
    }

    /// The name that an unblock pulse carries.
    pub fn rcvid(&self) -> Rcvid {
        unimplemented!()
    }

    /// Whether the client has asked to be let go.
    #[doc(alias = "_NTO_MI_UNBLOCK_REQ")]
    pub fn unblock_requested(&self) -> bool {
        unimplemented!()
    }

    /// Whether the client still waits for the answer.
    pub fn is_waiting(&self) -> bool {
        unimplemented!()
    }

    /// Copies from the client's message, from `offset` on; returns the count, 0 at its end.
    #[doc(alias = "MsgRead")]
    pub fn read(&self, _buffer: &mut [u8], _offset: usize) -> Result<usize> {
        unimplemented!()
    }

    /// Copies into the client's reply from `offset` on; returns the count that had room.
    #[doc(alias = "MsgWrite")]
    pub fn write(&self, _data: &[u8], _offset: usize) -> Result<usize> {
        unimplemented!()
    }

    /// Answers: the client's send returns `status`, and its reply buffer begins with `data`.
    #[doc(alias = "MsgReply")]
    pub fn reply(self, status: i64, data: &[u8]) -> Result<()> {
        self.reply_vectored(status, &[IoSlice::new(data)])
    }

    /// The same from several parts.
    #[doc(alias = "MsgReplyv")]
    pub fn reply_vectored(self, _status: i64, _parts: &[IoSlice<'_>]) -> Result<()> {
        unimplemented!()
    }

    /// Answers with an error.
    #[doc(alias = "MsgError")]
    pub fn error(self, _errno: resmgr_sys::Errno) -> Result<()> {
        unimplemented!()
    }
}
